"""The tongue in speech: where it goes, how fast, the same while somebody speaks, and never through two places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.animator import Animator
from sedtalker.animation.articulation import (
    EASE,
    PLACES,
    REACH,
    TONGUE,
    TongueStream,
    constrictions,
    known_constrictions,
    tongue_posteriors,
    tongue_weights,
)
from sedtalker.animation.performance import StreamSettings
from sedtalker.audio import Audio, from_samples, load_audio
from sedtalker.face.builtin.shapes import SHAPES
from sedtalker.phonetics.aligner import AlignedPhone, Alignment
from sedtalker.speech.features import PHONE_INDEX, PHONES

TIMES = 0.01 + np.arange(50) / 50


def test_the_built_in_face_has_the_shapes() -> None:
    assert set(TONGUE) < set(SHAPES)


def test_the_posterior_of_a_place_is_that_of_its_phones() -> None:
    logits = np.zeros((3, len(PHONES)), np.float32)
    for row, name in enumerate(("DH", "L", "NG")):
        logits[row, PHONE_INDEX[name]] = 50.0
    assert tongue_posteriors(logits).round().tolist() == np.eye(3).tolist()
    shares = [len(phones) / len(PHONES) for phones in PLACES.values()]
    assert tongue_posteriors(np.zeros((1, len(PHONES)), np.float32))[0].tolist() == pytest.approx(shares)


def test_a_constriction_by_hand() -> None:
    posteriors = np.zeros((9, 3), np.float32)
    posteriors[4, 1] = 0.9
    made = constrictions(posteriors)
    assert made[:, 1].tolist() == pytest.approx([0.0, *EASE[:0:-1], *EASE, 0.0])
    assert EASE[0] == 1.0
    posteriors[4, 1] = 0.25
    assert constrictions(posteriors)[4, 1] == pytest.approx(0.5)
    assert not made[:, [0, 2]].any()
    assert not constrictions(np.full((5, 3), 0.1, np.float32)).any()


def test_known_phones_are_reached_in_their_middle() -> None:
    phones = (("AA", 0.0, 0.3), ("TH", 0.3, 0.4), ("AA", 0.4, 0.6), ("K", 0.6, 0.61), ("SIL", 0.61, 1.0))
    spoken = tuple(AlignedPhone(a, b, name, None if name == "SIL" else 0) for name, a, b in phones)
    found = np.full((50, 3), 0.25, np.float32)
    made = known_constrictions(found, Alignment(spoken, ("a",)), TIMES)
    assert made[17, 0] == made[30, 2] == 1.0
    assert not made[:12].any()
    assert not made[:31, 1].any()
    assert (made[34:] == 0.25).all(), "beyond the words"
    assert np.abs(np.diff(made, axis=0)).max() <= 0.36


@settings(max_examples=30)
@given(st.integers(0, 99), st.integers(1, 30), st.floats(0.0, 0.5))
def test_the_tip_is_at_one_place_and_between_teeth_that_are_apart(seed: int, frames: int, jaw: float) -> None:
    reached = constrictions(np.random.default_rng(seed).random((frames, 3)).astype(np.float32))
    weights = tongue_weights(reached, np.full(frames, jaw, np.float32))
    assert (weights[:, 0] * weights[:, 1] == 0.0).all()
    assert ((weights >= 0.0) & (weights <= reached)).all()
    assert (weights[:, 2] == reached[:, 2]).all()
    if jaw < 0.07:
        assert not weights[:, 0].any()


# --- While somebody speaks.


@settings(max_examples=30)
@given(st.integers(0, 99), st.integers(1, 40), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 6))
def test_a_stream_is_the_whole_recording_however_it_is_cut(seed: int, frames: int, sizes: list[int], late: int) -> None:
    posteriors = np.random.default_rng(seed).random((frames, 3)).astype(np.float32) ** 2
    tongue, parts, start, moved = TongueStream(), [], 0, 0
    while moved < frames:
        stop = start + sizes[len(parts) % len(sizes)]
        until = frames if stop >= frames else max(moved, stop - late)
        ahead = posteriors[stop : stop + REACH]
        parts.append(tongue.push(posteriors[start:stop], ahead, until - moved))
        start, moved = stop, until
    np.testing.assert_allclose(np.concatenate(parts), constrictions(posteriors), atol=1e-6)


# --- In an animation.


@pytest.fixture(scope="module")
def sound() -> Audio:
    samples = load_audio(Path(__file__).parents[2] / "data/samples/four_moods.wav").samples
    return from_samples(samples[:48_000], 16_000)


def test_an_animation_moves_the_tongue_and_nothing_else_for_it(sound: Audio) -> None:
    made = Animator.from_pretrained()(sound, emotion="neutral:0")
    columns = [made.face.shape_index[name] for name in TONGUE]
    assert (made.coefficients[:, columns].max(axis=0) > 0.2).any()
    still = made.coefficients.copy()
    still[:, columns] = 0.0
    moved = np.abs(made.face.deform(made.coefficients) - made.face.deform(still)).max(axis=(0, 2)) > 0.0
    assert moved.any()
    assert not moved[~made.face.regions["tongue"]].any()


def test_streamed_frames_carry_it_beside_the_52(sound: Audio) -> None:
    animator = Animator.from_pretrained()
    frames = list(animator.stream([sound.samples], StreamSettings(emotion="neutral:0", fps=50.0)))
    tongue = np.stack([frame.tongue for frame in frames])
    whole = animator(sound, emotion="neutral:0", fps=50.0)
    offline = whole.coefficients[:, [whole.face.shape_index[name] for name in TONGUE]][: len(frames)]
    assert tongue.shape == (len(frames), 3)
    assert all(frame.weights.shape == (52,) for frame in frames)
    assert ((tongue >= 0.0) & (tongue <= 1.0)).all()
    assert np.corrcoef(tongue[:, 1], offline[:, 1])[0, 1] > 0.7
