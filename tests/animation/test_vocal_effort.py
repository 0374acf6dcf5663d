"""How far the mouth opens by the voice."""

from __future__ import annotations

import numpy as np
import pytest

from sedtalker.animation.style import LARGEST, SMALLEST, USUAL_OPENING, fitting_articulation, vocal_effort
from sedtalker.face.arkit import INDEX
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import lip_aperture
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures


def voice(tilt: float, frames: int = 200) -> SpeechFeatures:
    """A voiced recording of one spectral tilt; every other second is soft and of another tilt."""
    soft = np.arange(frames) % 100 >= 50
    prosody = np.stack(
        [np.where(soft, -9.0, -5.0), np.full(frames, 0.1), np.ones(frames), np.where(soft, -9.0, tilt)], 1
    )
    hidden, mel = np.zeros((frames, 2), np.float32), np.zeros((frames, 80), np.float32)
    return SpeechFeatures(FRAME_CLOCK, hidden, mel, prosody.astype(np.float32), np.ones(frames, bool))


def mouth(opening: float, frames: int = 200) -> np.ndarray:
    """Jaw that opens by so much and closes, twice a second."""
    motion = np.zeros((frames, 52), np.float32)
    motion[:, INDEX["jawOpen"]] = opening * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frames) / 25))
    return motion


def test_louder_voices_are_expected_to_open_further() -> None:
    efforts = [vocal_effort(voice(tilt)) for tilt in (-5.0, -4.0, -3.2, -2.0)]
    assert efforts == sorted(efforts)
    assert efforts[2] == pytest.approx(0.0, abs=1e-6)
    assert vocal_effort(voice(20.0)) == pytest.approx(0.35)
    assert vocal_effort(voice(-30.0)) == pytest.approx(-0.35)


def test_silence_asks_for_nothing() -> None:
    quiet = voice(-3.2)
    quiet.speech[:] = False
    assert vocal_effort(quiet) == 0.0
    assert fitting_articulation(quiet, mouth(0.2), load_face()) == 1.0


def test_the_factor_brings_the_opening_to_what_is_usual() -> None:
    face = load_face()
    factor = fitting_articulation(voice(-3.2), mouth(0.25), face)
    assert 1.0 < factor < LARGEST
    opened = lip_aperture(face, face.with_rest(factor * mouth(0.25)))
    assert np.percentile(opened - opened.min(), 95) == pytest.approx(USUAL_OPENING, rel=0.1)


@pytest.mark.parametrize(("opening", "limit"), [(0.01, LARGEST), (1.0, SMALLEST)])
def test_it_keeps_to_its_limits(opening: float, limit: float) -> None:
    assert fitting_articulation(voice(-3.2), mouth(opening), load_face()) == limit
