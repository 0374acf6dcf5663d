"""Sound without emotion labels: read speech with its words, for the encoder and the mouth; noises and rooms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import UNLABELLED, Found, NamedFiles, SpeechCorpus


def _clip(path: Path, speaker: str, transcript: str) -> Clip:
    return Clip("", path, "en", speaker, "", UNLABELLED, "", transcript, 0.0, "")


def _lines(path: Path, separator: str | None) -> Iterator[tuple[str, str]]:
    """Key and rest of every line of a text file."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, *rest = line.split(separator, 1)
        if rest:
            yield key, rest[0]


def read_librispeech(folder: Path) -> Found:
    """``dev-clean/1272/128104/1272-128104-0000.flac``, words in ``1272-128104.trans.txt`` beside it."""
    clips, unknown = [], []
    for table in sorted(folder.rglob("*.trans.txt")):
        for name, words in _lines(table, None):
            path = table.with_name(f"{name}.flac")
            if path.is_file():
                clips.append(_clip(path, name.split("-")[0], words))
            else:
                unknown.append(f"{name} (in the table, no such file)")
    return clips, unknown


def read_speechocean762(folder: Path) -> Found:
    """``WAVE/SPEAKER0001/000010011.WAV``, words in ``train/text`` and ``test/text``."""
    words = {key: text for part in ("train", "test") for key, text in _text(folder / part / "text")}
    clips, unknown = [], []
    for path in sorted(p for p in (folder / "WAVE").glob("SPEAKER*/*") if p.suffix.lower() == ".wav"):
        if path.stem in words:
            clips.append(_clip(path, path.parent.name.removeprefix("SPEAKER"), words[path.stem]))
        else:
            unknown.append(path.relative_to(folder).as_posix())
    return clips, unknown


def _text(path: Path) -> Iterator[tuple[str, str]]:
    return _lines(path, None) if path.is_file() else iter(())


def read_ljspeech(folder: Path) -> Found:
    """``wavs/LJ001-0001.wav``, words in ``metadata.csv`` (name, text, text with numbers spelled out)."""
    table, clips, unknown = folder / "metadata.csv", [], []
    for name, texts in _lines(table, "|") if table.is_file() else ():
        path = folder / "wavs" / f"{name}.wav"
        if path.is_file():
            clips.append(_clip(path, "lj", texts.rsplit("|", 1)[-1]))
        else:
            unknown.append(f"{name} (in the table, no such file)")
    return clips, unknown


LIBRISPEECH = SpeechCorpus(
    name="librispeech",
    title="LibriSpeech",
    paper="Panayotov et al. 2015",
    language="en",
    licence="CC BY 4.0",
    use="free",
    obtain="https://openslr.org/12",
    layout="dev-clean/1272/128104/1272-128104-0000.flac, 1272-128104.trans.txt",
    read=read_librispeech,
    speakers=2484,
    hours=982.0,
)
"""Audiobooks, a thousand hours of 2,484 readers."""

SPEECHOCEAN762 = SpeechCorpus(
    name="speechocean762",
    title="speechocean762",
    paper="Zhang et al. 2021",
    language="en",
    licence="CC BY 4.0",
    use="free",
    obtain="https://openslr.org/101",
    layout="WAVE/SPEAKER0001/000010011.WAV, train/text",
    split_note="its own train and test lists are joined and divided anew, for validation speakers",
    read=read_speechocean762,
    speakers=250,
    note="English of Mandarin speakers, adults and children",
)
"""5,000 English sentences of 250 Mandarin speakers."""

LJSPEECH = SpeechCorpus(
    name="ljspeech",
    title="LJ Speech",
    paper="Ito and Johnson 2017",
    language="en",
    licence="public domain",
    use="free",
    obtain="https://keithito.com/LJ-Speech-Dataset",
    layout="wavs/LJ001-0001.wav, metadata.csv",
    split_note="one speaker: all is training, divide it yourself",
    read=read_ljspeech,
    speakers=1,
    hours=24.0,
)
"""One woman reads seven books."""


# --- Noises and room impulse responses, for augmentation. In the manifest they are other:noise… and other:rir.

ESC10_KINDS = (
    *("dog bark", "rain", "sea waves", "baby cry", "clock tick"),
    *("person sneeze", "helicopter", "chainsaw", "rooster", "fire crackling"),
)
"""Kinds of sound, as the folders of ESC-10 are named."""

ESC10 = SpeechCorpus(
    name="esc10",
    title="ESC-10",
    paper="Piczak 2015",
    language="none",
    licence="CC BY 3.0",
    use="free",
    obtain="https://github.com/karolpiczak/ESC-10",
    layout="001 - Dog bark/1-100032-A.ogg",
    read=NamedFiles(
        r"(?P<emotion>[A-Za-z][A-Za-z ]*)/(?P<speaker>[^/]+)",
        {kind: "noise-" + kind.replace(" ", "-") for kind in ESC10_KINDS},
        language="none",
    ),
    hours=0.6,
    note="environmental sounds of ten kinds, for augmentation",
)
"""400 environmental sounds of five seconds."""

NOISE_RIR = SpeechCorpus(
    name="noise_rir",
    title="noises and room impulse responses",
    paper="test samples of SpeechBrain and audiomentations",
    language="none",
    licence="Apache-2.0; MIT",
    use="free",
    obtain="https://github.com/speechbrain/speechbrain",
    layout="noise_1.wav, rir_1.flac",
    read=NamedFiles(r"(?P<emotion>noise|rir)(?P<speaker>[^/]*)", {"noise": "noise", "rir": "rir"}, language="none"),
    note="a few of each, for augmentation",
)
"""A dozen noises and a few impulse responses of rooms."""
