"""Phone times from a transcript by forced alignment (pocketsphinx, English), cached in one JSON file a corpus."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.audio import load_audio
from sedtalker.errors import extra
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.features import FRAME_CLOCK, PHONE_INDEX, SILENCE
from sedtalker.storage import write_text
from sedtalker.training.corpora.feature_store import FeatureStore, OpenStore
from sedtalker.training.corpora.manifest import Clip, read_manifest

ALIGNER_FRAME = 0.01
"""Seconds a frame of pocketsphinx."""
IGNORED = -1
"""Class index of frames without an alignment."""

# A spelling-to-sound fallback for words outside the dictionary (names mostly): crude, longest match first.
_SPELLING: tuple[tuple[str, str], ...] = (
    ("tch", "CH"), ("tion", "SH AH N"), ("igh", "AY"), ("ough", "AO"),
    ("ch", "CH"), ("sh", "SH"), ("th", "TH"), ("ph", "F"), ("ck", "K"), ("ng", "NG"), ("qu", "K W"), ("wh", "W"),
    ("ee", "IY"), ("ea", "IY"), ("oo", "UW"), ("ou", "AW"), ("ow", "OW"), ("ai", "EY"), ("ay", "EY"), ("oi", "OY"),
    ("oy", "OY"), ("au", "AO"), ("aw", "AO"), ("er", "ER"), ("ir", "ER"), ("ur", "ER"), ("ar", "AA R"), ("or", "AO R"),
    ("a", "AE"), ("b", "B"), ("c", "K"), ("d", "D"), ("e", "EH"), ("f", "F"), ("g", "G"), ("h", "HH"), ("i", "IH"),
    ("j", "JH"), ("k", "K"), ("l", "L"), ("m", "M"), ("n", "N"), ("o", "AA"), ("p", "P"), ("q", "K"), ("r", "R"),
    ("s", "S"), ("t", "T"), ("u", "AH"), ("v", "V"), ("w", "W"), ("x", "K S"), ("y", "IY"), ("z", "Z"),
)  # fmt: skip


@dataclass(frozen=True)
class Utterance:
    """What is to be aligned: a key unique in its corpus, the recording and its words."""

    key: str
    path: Path
    text: str


@dataclass(frozen=True)
class PhoneSpan:
    """A phone and its time in seconds."""

    phone: str
    start: float
    end: float


def words_of(text: str) -> list[str]:
    """Lower-case words, apostrophes kept."""
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower().replace("’", "'"))


def spell_out(word: str) -> str:
    """ARPABET guess for a word the dictionary lacks."""
    phones: list[str] = []
    rest = word.replace("'", "")
    while rest:
        spelling, sound = next(rule for rule in _SPELLING if rest.startswith(rule[0]))
        rest = rest[len(spelling) :]
        phones.extend(p for p in sound.split() if not phones or phones[-1] != p)
    return " ".join(phones) or "AH"


def _decoder() -> Any:
    with extra("align"):
        from pocketsphinx import Decoder
    return Decoder(samprate=16000, lm=None, loglevel="FATAL", bestpath=False)


def align(samples: Floats, text: str, decoder: Any = None) -> list[PhoneSpan]:
    """Phone spans of 16 kHz samples (N,) whose words are known; empty where the words do not fit the sound."""
    decoder = decoder or _decoder()
    words = words_of(text)
    if not words:
        return []
    for word in words:
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, spell_out(word), True)
    sound = (np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes()
    try:
        decoder.set_align_text(" ".join(words))
        for phones_pass in (False, True):
            if phones_pass:
                decoder.set_alignment()
            decoder.start_utt()
            decoder.process_raw(sound, full_utt=True)
            decoder.end_utt()
        alignment = decoder.get_alignment()
    except RuntimeError:
        return []
    if alignment is None:
        return []
    return [
        PhoneSpan(
            p.name if p.name in PHONE_INDEX else SILENCE,
            p.start * ALIGNER_FRAME,
            (p.start + p.duration) * ALIGNER_FRAME,
        )
        for word in alignment
        for p in word
    ]


def _align_many(utterances: list[Utterance]) -> dict[str, list[tuple[str, float, float]]]:
    decoder, spans = _decoder(), {}
    for u in utterances:
        aligned = align(load_audio(u.path).samples, u.text, decoder)
        spans[u.key] = [(s.phone, round(s.start, 3), round(s.end, 3)) for s in aligned]
    return spans


def align_corpus(
    name: str, utterances: Iterable[Utterance], cache: Path, workers: int = 1, hook: Hook = no_progress
) -> dict[str, list[PhoneSpan]]:
    """Spans of every utterance by key, made once and kept in ``cache/alignment_<name>.json``.

    Pocketsphinx runs at about fifty times real time a process.
    """
    path = cache / f"alignment_{name}.json"
    todo = list(utterances)
    known: dict[str, list[Any]] = json.loads(path.read_text()) if path.is_file() else {}
    missing = [u for u in todo if u.key not in known]
    if missing:
        parts = [missing[i :: 4 * workers] for i in range(4 * workers)]
        with ProcessPoolExecutor(workers) as pool:
            for part in counted(pool.map(_align_many, parts), hook, f"aligning the phones of {name}", len(parts)):
                known.update(part)
        cache.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(dict(sorted(known.items()))))
    return {u.key: [PhoneSpan(*s) for s in known[u.key]] for u in todo}


def frame_times(frames: int) -> Doubles:
    """(T,) seconds of frames in double precision, as borders of phones are: one at a border is of the next phone."""
    return np.asarray((np.arange(frames) + 0.5) / FRAME_CLOCK.rate, np.float64)


def phone_intervals(spans: list[PhoneSpan], phones: Collection[str]) -> list[tuple[float, float]]:
    """Start and end in seconds of each of the given phones."""
    return [(s.start, s.end) for s in spans if s.phone in phones]


def phone_frames(spans: list[PhoneSpan], times: Reals) -> NDArray[np.int64]:
    """Class index (T,) of the phone at each time; ``IGNORED`` everywhere without spans, silence outside them."""
    if not spans:
        return np.full(len(times), IGNORED, np.int64)
    classes = np.zeros(len(times), np.int64)
    for span in spans:
        classes[(times >= span.start) & (times < span.end)] = PHONE_INDEX[span.phone]
    return classes


# --- Read English speech of many speakers with aligned phones: for the encoder and for pseudo-labels of the decoder.

READ_SPEECH = ("speechocean762", "ljspeech")
"""Corpora of read speech with transcripts."""


def read_speech_clips(data: Path) -> list[Clip]:
    """All of them, one corpus after the other."""
    clips = read_manifest(data)
    return [c for corpus in READ_SPEECH for c in clips if c.corpus == corpus]


def read_speech(clips: Sequence[Clip], copies: int, store: OpenStore) -> tuple[FeatureStore, set[str]]:
    """Features of the training and validation clips, and the keys of the validation clips."""
    used = [(c.path.stem, c.path) for c in clips if c.split in ("train", "valid")]
    return store("read_speech", used, copies), {c.path.stem for c in clips if c.split == "valid"}


def read_speech_phones(
    clips: Sequence[Clip], cache: Path, workers: int, hook: Hook = no_progress
) -> dict[str, list[PhoneSpan]]:
    """Aligned phones by key; empty where the words did not fit the sound."""
    phones: dict[str, list[PhoneSpan]] = {}
    for corpus in READ_SPEECH:
        utterances = [Utterance(c.path.stem, c.path, c.transcript) for c in clips if c.corpus == corpus]
        phones |= align_corpus(corpus, utterances, cache, workers, hook)
    return phones
