"""The upper face: full strength without touching the lips, a pace by region, streams like recordings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.animation.conditioning import FULL, PACES, UpperFaceStream
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import lip_aperture

EVERY = np.ones(52, np.float32)


def emotion(label: str, strength: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    posterior = np.tile(np.eye(7, dtype=np.float32)[CATEGORIES.index(label)], (len(strength), 1))
    return posterior, strength.astype(np.float32)


def test_full_anger_adds_nothing_to_the_opening_of_the_lips() -> None:
    face, talking = load_face(), np.zeros((60, 52), np.float32)
    talking[..., INDEX["jawOpen"]] = np.linspace(0.0, 0.6, 60)
    talking[..., INDEX["mouthClose"]] = np.linspace(0.0, 0.2, 60)
    made = UpperFaceStream(EVERY).push(talking, *emotion("angry", np.ones(60)))
    before, after = (lip_aperture(face, face.with_rest(rows)) for rows in (talking, made))
    np.testing.assert_allclose(after, before, atol=1e-4)
    assert made[-1, INDEX["noseSneerLeft"]] == pytest.approx(FULL["angry"]["noseSneer"], abs=1e-3)


def test_lids_come_before_cheeks_and_all_fade_more_slowly_than_they_come() -> None:
    strength = np.concatenate([np.zeros(20), np.ones(80), np.zeros(100)])
    still = np.zeros((200, 52), np.float32)
    for name in ("eyeWideLeft", "noseSneerLeft", "browDownLeft", "cheekSquintLeft", "jawOpen"):
        still[..., INDEX[name]] = 0.5 * strength
    made = UpperFaceStream(EVERY).push(still, *emotion("neutral", strength))
    half_up, half_down = [], []
    for name in ("jawOpen", "eyeWideLeft", "noseSneerLeft", "browDownLeft", "cheekSquintLeft"):
        curve = made[:, INDEX[name]]
        half_up.append(int((curve[20:] > 0.25).argmax()))
        half_down.append(int((curve[100:] < 0.25).argmax()))
    assert half_up == sorted(half_up)
    assert half_up[0] == 0, "the mouth keeps the decoder's time"
    assert half_up[-1] >= half_up[1] + 4
    assert half_down == sorted(half_down)
    assert all(down > up for up, down in zip(half_up[1:], half_down[1:], strict=True))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.integers(0, 5))
def test_a_stream_shows_what_a_recording_shows(lengths: list[int], late: int) -> None:
    count = sum(lengths)
    motion = np.random.default_rng(count).random((count, 52), np.float32)
    posterior, intensity = emotion("angry", np.linspace(0.0, 1.0, count))
    whole = UpperFaceStream(EVERY).push(motion, posterior, intensity)
    stream, made, known = UpperFaceStream(EVERY), [], 0
    for end in np.cumsum(lengths).tolist():
        ahead = min(count, end + late)  # the emotion of a frame may be known before the decoder gives the frame
        first = sum(map(len, made))
        made.append(stream.push(motion[first:end], posterior[known:ahead], intensity[known:ahead]))
        known = ahead
    np.testing.assert_allclose(np.concatenate(made), whole, atol=1e-6)


def test_only_shapes_above_the_lips_are_added_to_and_only_those_that_the_decoder_moves() -> None:
    named = {name for shapes in FULL.values() for name in shapes}
    assert all(name.startswith(tuple(PACES)) for name in named)
    assert not any(name.startswith(("jaw", "mouth", "tongue")) for name in PACES)
    mouth = np.array([name.startswith(("jaw", "mouth")) for name in ARKIT_52], np.float32)
    assert not UpperFaceStream(mouth).push(np.zeros((9, 52), np.float32), *emotion("angry", np.ones(9))).any()
