from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.face.arkit import INDEX
from sedtalker.face.builtin import load_face
from sedtalker.training.motion.spoken_motion import LipMeasure, fit_gap, fit_width, measure_lips


@pytest.fixture(scope="module")
def lip_measure() -> LipMeasure:
    return measure_lips(load_face())


def test_the_jaw_opens_and_the_pucker_narrows(lip_measure):
    assert lip_measure.gain[INDEX["jawOpen"]] > 0.1
    assert lip_measure.gain[INDEX["mouthClose"]] < -0.1
    assert lip_measure.width[INDEX["mouthPucker"]] < 0 < lip_measure.width[INDEX["mouthStretchLeft"]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_lip_gap_is_fitted(lip_measure, seed):
    rng = np.random.default_rng(seed)
    coefficients = np.zeros((5, 52), np.float32)
    coefficients[:, INDEX["jawOpen"]] = rng.uniform(0, 0.4, 5)
    coefficients[:, INDEX["mouthClose"]] = rng.uniform(0, 0.1, 5)
    wanted = rng.uniform(0, 0.25, 5).astype(np.float32)
    fitted = fit_gap(coefficients, wanted, lip_measure)
    assert np.abs(lip_measure.gap(fitted) - wanted).max() < 5e-3
    assert fitted.min() >= 0
    assert fitted.max() <= 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_lip_width_is_fitted(lip_measure, seed):
    rng = np.random.default_rng(seed)
    reach = float(lip_measure.width[INDEX["mouthStretchLeft"]] + lip_measure.width[INDEX["mouthStretchRight"]])
    wanted = rng.uniform(0.5 * lip_measure.width[INDEX["mouthPucker"]], 0.5 * reach, 5).astype(np.float32)
    fitted = fit_width(np.zeros((5, 52), np.float32), wanted, lip_measure)
    assert np.abs(fitted @ lip_measure.width - wanted).max() < 1e-3
    assert fitted.min() >= 0
    assert fitted.max() <= 1
