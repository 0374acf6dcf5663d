from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.face.arkit import INDEX
from sedtalker.face.builtin import load_face
from sedtalker.speech.features import PHONES
from sedtalker.training.motion import spoken_motion as s
from sedtalker.training.motion.alignment import PhoneSpan


@pytest.fixture(scope="module")
def lip_measure() -> s.LipMeasure:
    return s.measure_lips(load_face())


def test_the_jaw_opens_and_the_pucker_narrows(lip_measure):
    assert lip_measure.gain[INDEX["jawOpen"]] > 0.1
    assert lip_measure.gain[INDEX["mouthClose"]] < -0.1
    assert lip_measure.width[INDEX["mouthPucker"]] < 0 < lip_measure.width[INDEX["mouthStretchLeft"]]


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_lip_gap_is_fitted(lip_measure, seed):
    rng = np.random.default_rng(seed)
    coefficients = np.zeros((5, 52), np.float32)
    coefficients[:, INDEX["jawOpen"]] = rng.uniform(0, 0.4, 5)
    coefficients[:, INDEX["mouthClose"]] = rng.uniform(0, 0.1, 5)
    wanted = rng.uniform(0, 0.25, 5).astype(np.float32)
    fitted = s.fit_gap(coefficients, wanted, lip_measure)
    assert np.abs(lip_measure.gap(fitted) - wanted).max() < 5e-3
    assert fitted.min() >= 0
    assert fitted.max() <= 1


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_lip_width_is_fitted(lip_measure, seed):
    rng = np.random.default_rng(seed)
    reach = float(lip_measure.width[INDEX["mouthStretchLeft"]] + lip_measure.width[INDEX["mouthStretchRight"]])
    wanted = rng.uniform(0.5 * lip_measure.width[INDEX["mouthPucker"]], 0.5 * reach, 5).astype(np.float32)
    fitted = s.fit_width(np.zeros((5, 52), np.float32), wanted, lip_measure)
    assert np.abs(fitted @ lip_measure.width - wanted).max() < 1e-3
    assert fitted.min() >= 0
    assert fitted.max() <= 1


TIMES = np.arange(0.0, 0.6, 0.02)


def _spans(*phones):
    return [PhoneSpan(p, 0.2 * i, 0.2 * (i + 1)) for i, p in enumerate(phones)]


@pytest.mark.parametrize("phone", PHONES)
def test_every_phone_has_a_target(phone):
    axes = s.pull(_spans("SIL", phone, "SIL"), TIMES)
    assert axes.shape == (30, len(s.AXES))
    assert np.isfinite(axes).all()


def test_lips_close_on_a_bilabial_and_open_on_a_vowel():
    gap = s.pull(_spans("AA", "P", "AA"), TIMES)[:, 0]
    assert gap[15] < 0.04
    assert gap[4] > 0.12


def test_rounding_narrows_and_spreading_widens():
    width = s.AXES.index("width")
    assert s.pull(_spans("SIL", "UW", "SIL"), TIMES)[15, width] < -0.04
    assert s.pull(_spans("SIL", "IY", "SIL"), TIMES)[15, width] > 0.015


def test_neighbours_pull():
    alone, between = (s.pull(_spans(a, "N", a), TIMES)[15, s.AXES.index("rounding")] for a in ("IY", "UW"))
    assert between > alone


def test_the_tongue_shows_in_th_only():
    assert s.tongue_curve(_spans("AA", "TH", "AA"), TIMES)[15] > 0.5
    assert s.tongue_curve(_spans("AA", "S", "AA"), TIMES).max() < 0.05
    assert not s.tongue_curve([], TIMES).any()
