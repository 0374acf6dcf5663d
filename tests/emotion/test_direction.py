"""A director's dials: each does what it says, at its default nothing, and streams come out like recordings."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.shown import Directed, Direction, Preference
from sedtalker.emotion.track import CATEGORIES, NEUTRAL
from sedtalker.errors import InputError
from sedtalker.speech.features import FRAME_CLOCK

SEEDS = st.integers(0, 1000)
"""Of random tracks."""
HAPPY = CATEGORIES.index("happy")
"""Index of one emotion."""


def random_frames(seed: int, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    posterior = rng.dirichlet(np.full(len(CATEGORIES), 0.5), count).astype(np.float32)
    return posterior, rng.random(count).astype(np.float32)


def shown(posterior: np.ndarray, intensity: np.ndarray) -> np.ndarray:
    return posterior * intensity[:, None]


@given(SEEDS, st.floats(0.3, 3.0), st.integers(1, 6), st.sampled_from(CATEGORIES), st.floats(0.0, 1.0))
def test_any_direction_gives_a_track(seed: int, contrast: float, at_most: int, label: str, share: float) -> None:
    direction = Direction(1.3, contrast, at_most, Preference(label, share), 0.5)
    posterior, intensity = Directed(direction).push(*random_frames(seed))
    np.testing.assert_allclose(posterior.sum(1), 1.0, atol=1e-5)
    assert posterior.min() >= 0.0
    assert 0.0 <= intensity.min() <= intensity.max() <= 1.0 + 1e-6


def test_the_defaults_change_nothing() -> None:
    posterior, intensity = random_frames(0)
    same = Directed(Direction()).push(posterior, intensity)
    np.testing.assert_array_equal(same[0], posterior)
    np.testing.assert_array_equal(same[1], intensity)
    track = constant_track("sad:0.4", 1.0)
    assert Direction(strength=2.0).of(track).intensity == pytest.approx(track.scaled(2.0).intensity)


@given(SEEDS, st.floats(1.05, 3.0))
def test_contrast_keeps_the_order_and_raises_the_likeliest(seed: int, contrast: float) -> None:
    posterior, intensity = random_frames(seed)
    sharp, kept = Direction(contrast=contrast).frames(posterior, intensity)
    flat, _ = Direction(contrast=1.0 / contrast).frames(posterior, intensity)
    assert (sharp.max(1) >= posterior.max(1) - 1e-6).all()
    assert (flat.max(1) <= posterior.max(1) + 1e-6).all()
    np.testing.assert_array_equal(sharp.argmax(1), posterior.argmax(1))
    np.testing.assert_array_equal(kept, intensity)


@given(SEEDS, st.integers(1, 6))
def test_no_more_emotions_show_than_are_asked_for(seed: int, at_most: int) -> None:
    posterior, intensity = random_frames(seed)
    fewer, _ = Direction(at_most=at_most).frames(posterior, intensity)
    emotions = np.delete(fewer, NEUTRAL, 1)
    assert ((emotions > 0).sum(1) <= at_most).all()
    np.testing.assert_allclose(fewer[:, NEUTRAL], posterior[:, NEUTRAL], atol=1e-6)
    np.testing.assert_allclose(emotions.sum(1), np.delete(posterior, NEUTRAL, 1).sum(1), atol=1e-5)
    np.testing.assert_array_equal(emotions.argmax(1), np.delete(posterior, NEUTRAL, 1).argmax(1))


@given(SEEDS, st.floats(0.0, 1.0))
def test_a_preferred_emotion_is_mixed_in_by_its_share(seed: int, share: float) -> None:
    frames = random_frames(seed)
    mixed = shown(*Direction(preference=Preference("happy", share)).frames(*frames))
    wished = np.eye(len(CATEGORIES))[HAPPY]
    np.testing.assert_allclose(mixed, (1 - share) * shown(*frames) + share * wished, atol=1e-5)


def test_preferring_neutral_calms() -> None:
    posterior, intensity = random_frames(3)
    calm = Direction(preference=Preference("neutral", 0.75)).frames(posterior, intensity)
    np.testing.assert_allclose(calm[1], 0.25 * intensity, atol=1e-6)
    np.testing.assert_allclose(calm[0], posterior, atol=1e-6)
    assert Direction(preference=Preference("neutral", 1.0)).frames(posterior, intensity)[1].max() == 0.0


def test_a_transition_takes_its_time_and_begins_at_once() -> None:
    posterior = np.eye(len(CATEGORIES), dtype=np.float32)[[NEUTRAL] * 50 + [HAPPY] * 100]
    eased, _ = Directed(Direction(transition=1.0)).push(posterior, np.ones(150, np.float32))
    assert eased[:50, HAPPY].max() == 0.0
    assert eased[50, HAPPY] > 0.0
    assert eased[50 + int(FRAME_CLOCK.rate) - 1, HAPPY] == pytest.approx(0.95, abs=0.005)
    assert (np.diff(eased[:, HAPPY]) >= 0.0).all()


@given(SEEDS, st.lists(st.integers(0, 40), max_size=6))
def test_pieces_come_out_like_the_whole(seed: int, cuts: list[int]) -> None:
    direction = Direction(0.8, 1.7, 2, Preference("sad", 0.2), 0.7)
    posterior, intensity = random_frames(seed)
    whole = Directed(direction).push(posterior, intensity)
    stream, edges = Directed(direction), [0, *sorted(cuts), len(intensity)]
    parts = [stream.push(posterior[a:b], intensity[a:b]) for a, b in pairwise(edges)]
    for at in (0, 1):
        np.testing.assert_allclose(np.concatenate([part[at] for part in parts]), whole[at], atol=1e-6)


def test_a_directed_track_has_the_valence_of_what_it_shows() -> None:
    track = Direction(preference=Preference("happy", 1.0)).of(constant_track("sad", 2.0))
    assert {s.label for s in track.segments()} == {"happy"}
    assert track.valence.min() > 0.5
    unknown = replace(constant_track("sad", 2.0), duration=0.0)  # made by hand, without its duration
    assert Direction(contrast=2.0).of(unknown).times[-1] == pytest.approx(unknown.times[-1], abs=0.03)


@pytest.mark.parametrize("text", ["joyful-ish", "happy:2", "happy:x", "happy:nan"])
def test_what_is_no_preference_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="happy"):
        Preference.read(text)


def test_other_categories_can_only_be_scaled() -> None:
    track = replace(constant_track("sad", 1.0), labels=tuple("abcdefg"))
    assert Direction(strength=0.5).of(track).intensity.max() == pytest.approx(0.5)
    with pytest.raises(InputError, match="seven categories"):
        Direction(contrast=2.0).of(track)
