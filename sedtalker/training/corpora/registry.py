"""The corpora of emotional speech that are known by their layout.

Licences are as their makers state them where the corpus is published; read them yourself before you use one.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import soundfile

from sedtalker.audio import load_audio
from sedtalker.errors import InputError
from sedtalker.storage import whole_file
from sedtalker.training.corpora.layouts import (
    NamedFiles,
    SpeechCorpus,
    corpora,
    read_iemocap,
    read_meld,
    read_msp_podcast,
)
from sedtalker.training.corpora.manifest import COLUMNS, Clip

RESEARCH = "research only, by agreement"
_ENGLISH = {"angry": "angry", "disgust": "disgust", "fear": "fear", "happy": "happy", "sad": "sad"} | {
    "neutral": "neutral",
    "surprise": "surprise",
}
_EMODB_MEN = ("03", "10", "11", "12", "15")

CORPORA: tuple[SpeechCorpus, ...] = (
    SpeechCorpus(
        name="crema_d",
        title="CREMA-D (Cao et al. 2014)",
        language="en",
        licence="ODbL 1.0",
        obtain="https://github.com/CheyneyComputerScience/CREMA-D",
        layout="AudioWAV/1001_DFA_ANG_XX.wav",
        splits="speakers",
        read=NamedFiles(
            r"(?P<speaker>1\d{3})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_(?P<intensity>LO|MD|HI|XX?)",
            {"ang": "angry", "dis": "disgust", "fea": "fear", "hap": "happy", "neu": "neutral", "sad": "sad"},
            intensities={"lo": "low", "md": "normal", "hi": "strong"},
        ),
    ),
    SpeechCorpus(
        name="ravdess",
        title="RAVDESS, speech (Livingstone and Russo 2018)",
        language="en",
        licence="CC BY-NC-SA 4.0",
        obtain="https://zenodo.org/records/1188976",
        layout="Actor_01/03-01-06-01-02-01-12.wav",
        splits="speakers",
        read=NamedFiles(
            r"0[13]-01-(?P<emotion>\d\d)-(?P<intensity>\d\d)-\d\d-\d\d-(?P<speaker>\d\d)",
            {
                **{"01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry"},
                **{"06": "fearful", "07": "disgust", "08": "surprised"},
            },
            gender=lambda speaker: "m" if int(speaker) % 2 else "f",
            intensities={"01": "normal", "02": "strong"},
        ),
    ),
    SpeechCorpus(
        name="emodb",
        title="EmoDB, Berlin (Burkhardt et al. 2005)",
        language="de",
        licence="free to download, no licence text",
        obtain="http://emodb.bilderbar.info",
        layout="wav/03a01Fa.wav",
        splits="speakers",
        read=NamedFiles(
            r"(?P<speaker>\d\d)[ab]\d\d(?P<emotion>[WLEAFTN])[a-z]?",
            {
                **{"w": "anger", "l": "boredom", "e": "disgust", "a": "fear"},
                **{"f": "happiness", "t": "sadness", "n": "neutral"},
            },
            language="de",
            gender=lambda speaker: "m" if speaker in _EMODB_MEN else "f",
        ),
    ),
    SpeechCorpus(
        name="esd",
        title="ESD, Emotional Speech Database (Zhou et al. 2021)",
        language="en, zh",
        licence="research only, non-commercial",
        obtain="https://github.com/HLTSingapore/Emotional-Speech-Data",
        layout="0011/Angry/0011_000351.wav, or 0011/Angry/train/0011_000351.wav",
        splits="speakers",
        split_note="its own train, evaluation and test folders share speakers and are not used",
        read=NamedFiles(
            r"(?P<speaker>00\d\d)/(?P<emotion>angry|happy|neutral|sad|surprise)/(?:\w+/)?00\d\d_\d+",
            _ENGLISH,
            language=lambda speaker: "zh" if int(speaker) <= 10 else "en",
        ),
    ),
    SpeechCorpus(
        name="meld",
        title="MELD (Poria et al. 2019)",
        language="en",
        licence="GPL-3.0 for the annotation; the sound is of a television series",
        obtain="https://affective-meld.github.io",
        layout="train_sent_emo.csv, train_splits/dia0_utt0.mp4",
        splits="official",
        split_note="by dialogue: speakers are shared",
        read=read_meld,
    ),
    SpeechCorpus(
        name="iemocap",
        title="IEMOCAP (Busso et al. 2008)",
        language="en",
        licence=RESEARCH,
        obtain="https://sail.usc.edu/iemocap",
        layout="Session1/dialog/EmoEvaluation/Ses01F_impro01.txt, Session1/sentences/wav/Ses01F_impro01/….wav",
        splits="official",
        split_note="session 4 to validate, session 5 to test: disjoint by speaker",
        read=read_iemocap,
    ),
    SpeechCorpus(
        name="msp_podcast",
        title="MSP-Podcast (Lotfian and Busso 2019)",
        language="en",
        licence="by agreement with UT Dallas, academic or commercial",
        obtain="https://lab-msp.com/MSP/MSP-Podcast.html",
        layout="Labels/labels_consensus.csv, Audios/MSP-PODCAST_0001_0008.wav",
        splits="official",
        split_note="Development to validate, all test sets to test",
        read=read_msp_podcast,
    ),
    SpeechCorpus(
        name="jl",
        title="JL corpus (James et al. 2018)",
        language="en",
        licence="CC0 1.0",
        obtain="https://www.kaggle.com/datasets/tli725/jl-corpus",
        layout="female1_angry_10a_1.wav",
        splits="speakers",
        read=NamedFiles(
            r"(?P<speaker>(?P<gender>female|male)\d)_(?P<emotion>[a-z]+)_\d+[ab]?_\d",
            _ENGLISH
            | {"excited": "excited", "anxious": "anxiety", "apologetic": "apology", "pensive": "pensiveness"}
            | {
                "worried": "worry",
                "assertive": "assertiveness",
                "encouraging": "encouragement",
                "concerned": "concern",
            },
        ),
    ),
    SpeechCorpus(
        name="emovo",
        title="EMOVO (Costantini et al. 2014)",
        language="it",
        licence="free for research, no licence text",
        obtain="http://voice.fub.it/activities/corpora/emovo/index.html",
        layout="f1/dis-f1-b1.wav",
        splits="speakers",
        read=NamedFiles(
            r"(?P<emotion>dis|gio|neu|pau|rab|sor|tri)-(?P<speaker>(?P<gender>[fm])\d)-\w+",
            {
                **{"dis": "disgust", "gio": "joy", "neu": "neutral", "pau": "fear", "rab": "anger"},
                **{"sor": "surprise", "tri": "sadness"},
            },
            language="it",
        ),
    ),
    SpeechCorpus(
        name="subesco",
        title="SUBESCO (Sultana et al. 2021)",
        language="bn",
        licence="CC BY 4.0",
        obtain="https://zenodo.org/records/4526477",
        layout="F_01_OISHI_S_10_ANGRY_1.wav",
        splits="speakers",
        read=NamedFiles(
            r"(?P<gender>[FM])_(?P<speaker>\d\d_[A-Z]+)_S_\d+_(?P<emotion>[A-Z]+)_\d",
            _ENGLISH,
            language="bn",
        ),
    ),
    SpeechCorpus(
        name="savee",
        title="SAVEE (Haq and Jackson 2009)",
        language="en",
        licence="research only, after registration",
        obtain="http://kahlan.eps.surrey.ac.uk/savee",
        layout="DC/a01.wav, or DC_a01.wav",
        splits="speakers",
        read=NamedFiles(
            r"(?P<speaker>DC|JE|JK|KL)[/_](?P<emotion>sa|su|[adfhn])\d\d",
            {
                **{"a": "anger", "d": "disgust", "f": "fear", "h": "happiness"},
                **{"n": "neutral", "sa": "sadness", "su": "surprise"},
            },
            gender=lambda speaker: "m",
        ),
    ),
    SpeechCorpus(
        name="tess",
        title="TESS (Pichora-Fuller and Dupuis 2020)",
        language="en",
        licence="CC BY-NC-ND 4.0: no derivatives, so for testing only",
        obtain="https://doi.org/10.5683/SP2/E8H2MF",
        layout="OAF_angry/OAF_back_angry.wav",
        splits="speakers",
        split_note="two speakers: all is training, divide it yourself",
        read=NamedFiles(
            r"(?P<speaker>OAF?|YAF)_\w+?_(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad)",
            _ENGLISH | {"ps": "pleasant surprise"},
            gender=lambda speaker: "f",
        ),
    ),
    SpeechCorpus(
        name="aesdd",
        title="AESDD (Vryzas et al. 2018)",
        language="el",
        licence="free for research, no licence text",
        obtain="https://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition",
        layout="anger/a01 (1).wav",
        splits="speakers",
        read=NamedFiles(
            r"(?P<emotion>[adfhs])\d\d ?\((?P<speaker>\d)\)",
            {"a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "s": "sadness"},
            language="el",
        ),
    ),
    SpeechCorpus(
        name="emov_db",
        title="EmoV-DB (Adigwe et al. 2018)",
        language="en",
        licence="see the licence in its archive",
        obtain="https://openslr.org/115",
        layout="bea_Amused/amused_1-15_0001.wav",
        splits="speakers",
        read=NamedFiles(
            r"(?P<speaker>bea|jenie|josh|sam)_(?P<emotion>[a-z]+)/[^/]+",
            {
                **{"amused": "amusement", "angry": "angry", "disgusted": "disgusted", "anger": "anger"},
                **{"disgust": "disgust", "neutral": "neutral", "sleepy": "sleepiness", "sleepiness": "sleepiness"},
            },
            gender=lambda speaker: "f" if speaker.lower() in ("bea", "jenie") else "m",
        ),
    ),
)


# --- ``audio/manifest.csv`` made from corpora in their published layouts, so that every task can train on them.


def index_corpora(data: Path) -> dict[str, tuple[list[Clip], list[str]]]:
    """Clips, with durations, and unknown files of every known corpus that has a folder ``audio/NAME`` in ``data``.

    Raises:
        InputError: there is none, or one holds nothing of its layout.
    """
    found = {name: corpus for name, corpus in corpora().items() if (data / "audio" / name).is_dir()}
    if not found:
        raise InputError(f"{data}/audio: no folder named as one of {', '.join(corpora())}")
    indexed = {}
    for name, corpus in found.items():
        clips, unknown = corpus.clips(data / "audio" / name)
        indexed[name] = ([replace(clip, duration=_duration(clip.path)) for clip in clips], unknown)
    return indexed


def write_manifest(data: Path, indexed: dict[str, tuple[list[Clip], list[str]]]) -> int:
    """Write ``audio/manifest.csv``; rows of other corpora in an earlier one are kept. Returns the number of rows."""
    path, rows = data / "audio" / "manifest.csv", []
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["corpus"] not in indexed]
    for name, (clips, _) in indexed.items():
        rows += [_row(clip, data / "audio" / name) for clip in clips]
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def _row(clip: Clip, folder: Path) -> dict[str, str]:
    values = {
        "file": clip.path.relative_to(folder).as_posix(),
        "duration_s": f"{clip.duration:.3f}",
    }
    return {name: values.get(name) or str(getattr(clip, name)) for name in COLUMNS}


def _duration(path: Path) -> float:
    try:
        return float(soundfile.info(str(path)).duration)
    except soundfile.LibsndfileError:
        return load_audio(path).duration
