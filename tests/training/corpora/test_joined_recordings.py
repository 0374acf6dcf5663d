"""Recordings joined from clips of one speaker."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sedtalker.training.corpora.augmentation import DiarizerAugmenter
from sedtalker.training.corpora.joined_recordings import Corpus, joined_recording
from sedtalker.training.corpora.joined_speech import SILENCE
from sedtalker.training.corpora.manifest import Clip


def made_corpus(name: str) -> Corpus:
    """Two speakers of each split, two clips in each of two moods."""
    places = [
        (split, f"{split}{who}", mood)
        for split in ("train", "test")
        for who in (0, 1)
        for mood in ("happy", "sad", "neutral", "happy", "sad")
    ]
    clips = [
        Clip(name, Path(f"{k}.wav"), "en", speaker, "f", mood, "normal", "", 1.0, split)
        for k, (split, speaker, mood) in enumerate(places)
    ]
    time = np.arange(16_000) / 16_000
    tones = [np.sin(2 * np.pi * 150 * h * time) / h for h in range(1, 12)]
    sound = (0.1 * np.sum(tones, 0) * (time > 0.2) * (time < 0.8)).astype(np.float32)
    return Corpus(clips, lambda index: sound + np.float32(1e-4 * index))


def test_one_speaker_of_the_split_in_a_corpus_that_is_drawn_by_its_share() -> None:
    corpora, shares = {"a": made_corpus("a"), "b": made_corpus("b")}, {"a": 1.0, "b": 0.0}
    for seed in range(10):
        made = joined_recording(corpora, shares, "test", np.random.default_rng(seed))
        assert made.corpus == "a"
        assert made.speaker.startswith("test")
        assert set(made.labels.tolist()) - {SILENCE}
        again = joined_recording(corpora, shares, "test", np.random.default_rng(seed))
        np.testing.assert_array_equal(again.samples, made.samples)


def test_with_an_augmenter_it_is_degraded() -> None:
    rng, corpora = np.random.default_rng(0), {"a": made_corpus("a")}
    augmenter = DiarizerAugmenter([rng.standard_normal(8000).astype(np.float32)])
    plain, worse = (
        joined_recording(corpora, {"a": 1.0}, "train", np.random.default_rng(3), augmenter=each)
        for each in (None, augmenter)
    )
    assert worse.speaker == plain.speaker
    assert len(worse.labels) == -(-len(worse.samples) // 320)
    assert len(worse.samples) != len(plain.samples) or not np.allclose(worse.samples, plain.samples)
