"""Loud anger bares the teeth of an open mouth, nothing else changes, and a stream does what a file does."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from sedtalker.animation.closures import BaredTeethStream, anger, bare_teeth
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import INDEX


def mouth(jaw: float, frames: int = 1) -> torch.Tensor:
    motion = torch.full((1, frames, 52), 0.05)
    motion[..., INDEX["mouthFunnel"]] = 0.0
    motion[..., INDEX["mouthClose"]] = 0.0
    motion[..., INDEX["jawOpen"]] = jaw
    return motion


def given(label: str, intensity: float) -> torch.Tensor:
    posterior = torch.zeros(1, 1, 7)
    posterior[..., CATEGORIES.index(label)] = 1.0
    return anger(posterior, torch.full((1, 1), intensity))


def test_an_open_mouth_bares_its_teeth_with_the_square_of_the_anger() -> None:
    full, half = (bare_teeth(mouth(0.5), given("angry", value))[0, 0] for value in (1.0, 0.5))
    for name, amount in (("mouthUpperUpLeft", 0.4), ("mouthLowerDownRight", 0.5), ("noseSneerLeft", 0.15)):
        assert float(full[INDEX[name]]) == pytest.approx(0.05 + amount, abs=1e-6)
        assert float(half[INDEX[name]]) == pytest.approx(0.05 + amount / 4, abs=1e-6)
    assert float(full[INDEX["mouthPucker"]]) == pytest.approx(0.0, abs=1e-6)


def test_closed_lips_stay_closed() -> None:
    shut = bare_teeth(mouth(0.0), given("angry", 1.0))[0, 0]
    for name in ("mouthUpperUpLeft", "mouthLowerDownLeft", "mouthFunnel", "jawOpen", "mouthPucker"):
        assert float(shut[INDEX[name]]) == float(mouth(0.0)[0, 0, INDEX[name]])


@pytest.mark.parametrize("label", [name for name in CATEGORIES if name != "angry"])
def test_other_emotions_change_nothing(label: str) -> None:
    assert torch.equal(bare_teeth(mouth(0.5), given(label, 1.0)), mouth(0.5))


@pytest.mark.parametrize("late", [0, 3])
def test_a_stream_does_what_a_file_does(late: int) -> None:
    """Motion comes in pieces of any length, later than the anger."""
    rng = np.random.default_rng(late)
    motion, angry = (torch.from_numpy(rng.random((1, 40, n), np.float32)) for n in (52, 1))
    stream, parts, edges = BaredTeethStream(), [], [0, 1, 7, 8, 20, 40]
    for first, last in pairwise(edges):
        out = slice(max(0, first - late), last if last == 40 else max(0, last - late))
        parts.append(stream.push(motion[:, out], angry[:, first:last]))
    torch.testing.assert_close(torch.cat(parts, 1), bare_teeth(motion, angry))
