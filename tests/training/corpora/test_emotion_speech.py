"""Joined recordings say truly what is spoken when; corpus labels mean what they should."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from sedtalker.emotion.taxonomy import EMOVOCA, category, known_category
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.training.corpora.joined_speech import (
    FRAME_LENGTH,
    NEUTRAL_LEVEL,
    NORMAL_LEVEL,
    SILENCE,
    STRONG_LEVEL,
    JoinRule,
    SpeechPiece,
    choose_pieces,
    clip_activity,
    clip_labels,
    join,
)
from sedtalker.training.corpora.manifest import read_manifest

RATE = 16000


def voice(pitch: float, seconds: float, level: float = 0.1) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 20))
    edges = np.zeros(RATE // 4)
    return np.concatenate([edges, level * wave, edges]).astype(np.float32)


PIECES = [SpeechPiece(voice(p, 1.2, a), c, "made", "nobody") for p, c, a in ((110, 1, 0.1), (170, 3, 0.3))]


@pytest.mark.parametrize("seed", range(6))
def test_labels_change_where_the_sound_does(seed):
    recording = join(PIECES, JoinRule(), np.random.default_rng(seed))
    assert len(recording.labels) == -(-len(recording.samples) // FRAME_LENGTH)
    spoken = recording.labels[recording.labels < SILENCE]
    assert list(dict.fromkeys(spoken.tolist())) == [1, 3]
    assert np.isin(recording.labels, [1, 3, SILENCE]).all()
    before = (int(np.flatnonzero(recording.labels == 1)[-1]) + 1) * FRAME_LENGTH
    after = int(np.flatnonzero(recording.labels == 3)[0]) * FRAME_LENGTH
    for start, pitch in ((before - 8000, 110), (after + 3000, 170)):
        part = recording.samples[start : start + 5000]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        assert abs(spectrum.argmax() * RATE / len(part) - pitch) < 6
    assert np.abs(recording.samples).max() <= 0.971


def test_same_seed_same_recording():
    first, second = (join(PIECES, JoinRule(), np.random.default_rng(3)) for _ in range(2))
    assert first.samples.tobytes() == second.samples.tobytes()


def test_levels_can_be_equalised():
    recording = join(PIECES, JoinRule(equalise=1.0), np.random.default_rng(0))
    wave = recording.samples[: len(recording.samples) // FRAME_LENGTH * FRAME_LENGTH].reshape(-1, FRAME_LENGTH)
    rms = np.sqrt((wave**2).mean(1))
    labels = recording.labels[: len(rms)]
    assert np.median(rms[labels == 1]) == pytest.approx(np.median(rms[labels == 3]), rel=0.1)


def test_silence_of_a_clip_is_labelled_silence():
    recording = join([PIECES[0]], JoinRule(), np.random.default_rng(0))
    speech = clip_activity(PIECES[0].samples)
    assert not speech[0]
    assert not speech[-1]
    assert speech.mean() == pytest.approx(1.2 / 1.7, abs=0.1)
    assert (recording.labels == 1).sum() == speech.sum(), "a joined clip is cut to its speech"
    assert set(recording.labels.tolist()) <= {1, SILENCE}


def test_neighbours_differ():
    rng = np.random.default_rng(0)
    by_category = {0: [0, 1], 1: [2], 3: [4, 5]}
    owner = {i: c for c, items in by_category.items() for i in items}
    for _ in range(50):
        labels = [owner[i] for i in choose_pieces(by_category, JoinRule(), rng)]
        assert 2 <= len(labels) <= 5
        assert all(a != b for a, b in pairwise(labels))


def test_some_neighbours_are_other_clips_of_the_same_category():
    rng, kept, count = np.random.default_rng(0), 0, 0
    by_category = {0: [0, 1, 6], 1: [2, 7], 3: [4, 5]}
    owner = {i: c for c, items in by_category.items() for i in items}
    for _ in range(200):
        chosen = choose_pieces(by_category, JoinRule(same=0.5), rng)
        assert all(a != b for a, b in pairwise(chosen))
        kept += sum(owner[a] == owner[b] for a, b in pairwise(chosen))
        count += len(chosen) - 1
    assert kept / count == pytest.approx(0.5, abs=0.1)
    alone = choose_pieces({0: [0], 1: [1]}, JoinRule(pieces=(6, 6), same=1.0), rng)
    assert all(a != b for a, b in pairwise(alone)), "who has one clip of each category cannot keep it"


def test_words_map_to_categories():
    assert category(" Calm ") == "neutral"
    assert known_category("other:awe") is None
    assert set(EMOVOCA.values()) <= {*CATEGORIES, None}
    with pytest.raises(InputError):
        category("bored")


@pytest.mark.data
def test_label_order_of_the_corpora(data_dir):
    """The index of a clip's label must be the index of the word in the manifest: order errors are silent."""
    seen = Counter()
    for clip in read_manifest(data_dir):
        labels = clip_labels(clip)
        if labels is None or clip.corpus != "ravdess":
            continue
        # the third field of a RAVDESS name is the emotion, the fourth the intensity
        emotion, strength = clip.path.stem.split("_")[-1].split("-")[2:4]
        expected = {"01": "neutral", "02": "neutral", "03": "happy", "04": "sad"}
        expected |= {"05": "angry", "06": "fear", "07": "disgust", "08": "surprise"}
        assert CATEGORIES[labels[0]] == expected[emotion]
        level = NEUTRAL_LEVEL if labels[0] == 0 else {"01": NORMAL_LEVEL, "02": STRONG_LEVEL}[strength]
        assert labels[1] == level
        seen[labels[0]] += 1
    assert set(seen) == set(range(7))
