from __future__ import annotations

from dataclasses import replace
from functools import partial

import measures.lags
import numpy as np
import pytest
from measures.lags import lag_of, measure_lags, peak

from sedtalker.face.arkit import INDEX
from sedtalker.face.builtin import load_face
from sedtalker.training.corpora.tracked_motion import grid_lags, read_grid
from sedtalker.training.motion.alignment import Utterance, align_corpus
from sedtalker.training.motion.spoken_motion import SpokenMotion, measure_lips
from sedtalker.training.run import cache_folder


@pytest.fixture(scope="module")
def lip_measure():
    return measure_lips(load_face())


def _babble(frames: int = 150) -> np.ndarray:
    """(T,) a mouth that opens and closes without a period."""
    noise = np.random.default_rng(3).standard_normal(frames)
    return np.convolve(noise, np.hanning(13), "same").clip(0.0) * 0.1


def _spoken(opening: np.ndarray) -> SpokenMotion:
    coefficients = np.zeros((len(opening), 52), np.float32)
    coefficients[:, INDEX["jawOpen"]] = opening
    coefficients[:, INDEX["mouthPucker"]] = np.roll(opening, 9)
    curve = np.ones(len(opening), np.float32)
    return SpokenMotion(coefficients, opening.astype(np.float32), 0 * curve, 0 * curve, 0 * curve, curve, 0 * curve)


@pytest.mark.parametrize("lag", [-0.063, -0.02, 0.0, 0.031, 0.1])
def test_a_lag_put_in_is_found(lip_measure, lag):
    expected = _spoken(_babble())
    late = expected.at(np.arange(150) - 50.0 * lag)
    columns = np.column_stack([expected.coefficients, expected.gap])
    assert lag_of(columns, late, lip_measure) == pytest.approx(lag, abs=0.004)


def test_a_peak_lies_between_samples_and_in_the_middle_of_a_level():
    place = np.arange(20.0)
    assert peak(-((place - 7.3) ** 2)) == pytest.approx(7.3)
    assert peak(np.zeros(21)) == 10
    assert peak(place) == 19


@pytest.mark.data
def test_a_clip_can_be_had_as_it_was_recorded(data_dir):
    clip = next(c for c in read_grid(data_dir) if abs(c.lag) > 0.03)
    assert clip.times[0] == pytest.approx(0.02 - clip.lag)
    assert clip.as_recorded().times[0] == pytest.approx(0.02)
    assert clip.as_recorded().as_recorded().lag == 0.0


def test_lags_are_of_no_talker_but_of_cuts():
    lags = np.array(list(grid_lags().values()))
    assert len(lags) == 896
    assert abs(np.median(lags)) < 0.002
    assert 0.015 < lags.std() < 0.025


@pytest.mark.data
@pytest.mark.slow
def test_the_table_is_what_is_measured(data_dir, lip_measure, monkeypatch: pytest.MonkeyPatch):
    """With 80 of 781 clips to learn from in fewer steps, and a shift that is put in."""
    monkeypatch.setattr(measures.lags, "train_phone_motion", partial(measures.lags.train_phone_motion, steps=250))
    clips = [c for c in read_grid(data_dir) if c.split == "train"][:80]
    cache = cache_folder()
    spans = align_corpus("grid_synchrony", [Utterance(c.name, c.audio, c.text) for c in clips], cache)
    late = [replace(c, times=c.times + 0.04 * (i % 2)) for i, c in enumerate(clips)]
    found = measure_lags(late, spans, lip_measure, rounds=1)
    moved = np.array([0.04 * (i % 2) for i in range(len(clips))])
    table = np.array([c.lag for c in clips])
    values = np.array([found[c.name] for c in clips])
    assert np.corrcoef(values, table + moved)[0, 1] > 0.9
