"""Read English speech of many speakers with aligned phones: what both the encoder and the decoder learn voices from."""

from __future__ import annotations

from pathlib import Path

from sedtalker.datasets.alignment import PhoneSpan, Utterance, align_corpus
from sedtalker.datasets.feature_store import FeatureStore, open_features
from sedtalker.datasets.manifest import Clip, read_manifest
from sedtalker.datasets.surroundings import Surroundings

READ_SPEECH = ("speechocean762", "ljspeech")


def _clips(data: Path) -> list[Clip]:
    clips = read_manifest(data)
    return [c for corpus in READ_SPEECH for c in clips if c.corpus == corpus]


def read_speech(
    data: Path, surroundings: Surroundings, cache: Path, copies: int, workers: int
) -> tuple[FeatureStore, set[str]]:
    """Features of the training and validation clips, and the keys of the validation clips."""
    clips = _clips(data)
    used = [(c.path.stem, c.path) for c in clips if c.split in ("train", "valid")]
    store = open_features("read_speech", used, copies, surroundings, cache, workers=workers)
    return store, {c.path.stem for c in clips if c.split == "valid"}


def read_speech_phones(data: Path, cache: Path, workers: int) -> dict[str, list[PhoneSpan]]:
    """Aligned phones by key; empty where the words did not fit the sound."""
    phones: dict[str, list[PhoneSpan]] = {}
    for corpus in READ_SPEECH:
        utterances = [Utterance(c.path.stem, c.path, c.transcript) for c in _clips(data) if c.corpus == corpus]
        phones |= align_corpus(corpus, utterances, cache, workers)
    return phones
