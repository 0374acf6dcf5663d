"""The upper face: full strength without touching the lips, a pace by region, streams like recordings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.animation.conditioning import FULL, PACES, UpperFaceStream
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import lip_aperture

EVERY = torch.ones(52)


def emotion(label: str, strength: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    posterior = torch.eye(7)[CATEGORIES.index(label)].expand(1, len(strength), 7)
    return posterior, torch.from_numpy(strength.astype(np.float32))[None]


def test_full_anger_adds_nothing_to_the_opening_of_the_lips() -> None:
    face, talking = load_face(), torch.zeros(1, 60, 52)
    talking[..., INDEX["jawOpen"]] = torch.linspace(0.0, 0.6, 60)
    talking[..., INDEX["mouthClose"]] = torch.linspace(0.0, 0.2, 60)
    made = UpperFaceStream(EVERY).push(talking, *emotion("angry", np.ones(60)))[0].numpy()
    before, after = (lip_aperture(face, face.with_rest(rows)) for rows in (talking[0].numpy(), made))
    np.testing.assert_allclose(after, before, atol=1e-4)
    assert made[-1, INDEX["noseSneerLeft"]] == pytest.approx(FULL["angry"]["noseSneer"], abs=1e-3)


def test_lids_come_before_cheeks_and_all_fade_more_slowly_than_they_come() -> None:
    strength = np.concatenate([np.zeros(20), np.ones(80), np.zeros(100)])
    still = torch.zeros(1, 200, 52)
    for name in ("eyeWideLeft", "noseSneerLeft", "browDownLeft", "cheekSquintLeft", "jawOpen"):
        still[..., INDEX[name]] = torch.from_numpy(0.5 * strength).float()
    made = UpperFaceStream(EVERY).push(still, *emotion("neutral", strength))[0].numpy()
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
    motion = torch.rand(1, count, 52, generator=torch.Generator().manual_seed(count))
    posterior, intensity = emotion("angry", np.linspace(0.0, 1.0, count))
    whole = UpperFaceStream(EVERY).push(motion, posterior, intensity)
    stream, made, known = UpperFaceStream(EVERY), [], 0
    for end in np.cumsum(lengths).tolist():
        ahead = min(count, end + late)  # the emotion of a frame may be known before the decoder gives the frame
        first = sum(part.shape[1] for part in made)
        made.append(stream.push(motion[:, first:end], posterior[:, known:ahead], intensity[:, known:ahead]))
        known = ahead
    torch.testing.assert_close(torch.cat(made, 1), whole)


def test_only_shapes_above_the_lips_are_added_to_and_only_those_that_the_decoder_moves() -> None:
    named = {name for shapes in FULL.values() for name in shapes}
    assert all(name.startswith(tuple(PACES)) for name in named)
    assert not any(name.startswith(("jaw", "mouth", "tongue")) for name in PACES)
    mouth = torch.tensor([float(name.startswith(("jaw", "mouth"))) for name in ARKIT_52])
    assert not UpperFaceStream(mouth).push(torch.zeros(1, 9, 52), *emotion("angry", np.ones(9))).any()
