"""Each number of the rule of voice activity, on levels drawn by hand: plateaus over a steady background."""

from __future__ import annotations

import numpy as np
import pytest

from sedtalker.audio.activity import (
    ActivityRule,
    _drop_short_runs,
    _nearby_levels,
    activity_level,
    spans,
    speech_activity,
)

QUIET, LOUD = -20.0, -4.0


def levels(*plateaus: tuple[float, float, float], seconds: float = 10.0, ground: float = QUIET, rate: float = 50.0):
    """Log-power: (from, to, level) over the background."""
    out = np.full(round(seconds * rate), ground)
    for start, end, level in plateaus:
        out[round(start * rate) : round(end * rate)] = level
    return out


def activity(energy: np.ndarray, rate: float = 50.0, voicing: np.ndarray | None = None, **options) -> np.ndarray:
    return speech_activity(energy, np.ones(len(energy)) if voicing is None else voicing, rate, **options)


def is_speech(mask: np.ndarray, time: float, rate: float = 50.0) -> bool:
    return bool(mask[round(time * rate)])


@pytest.mark.parametrize("rate", [50.0, 100.0])
@pytest.mark.parametrize(("ground", "threshold"), [(-20.0, -9.5), (-12.0, -9.5), (-10.0, -8.0), (-9.6, -7.6)])
def test_how_loud_is_loud_enough(ground: float, threshold: float, rate: float) -> None:
    for level, expected in ((threshold + 0.15, True), (threshold - 0.15, False)):
        energy = levels((2, 4, LOUD), (6, 7, level), ground=ground, rate=rate)
        found = activity(energy, rate)
        assert is_speech(found, 3.0, rate)
        assert is_speech(found, 6.5, rate) == expected
        assert not is_speech(found, 9.0, rate)


def test_speech_without_pauses_is_all_speech() -> None:
    assert activity(levels((2, 4, LOUD), ground=-7.0)).all()
    assert not activity(levels((2, 4, LOUD), ground=-8.3)).all()


@pytest.mark.parametrize(("tail", "lasts"), [(-9.7, True), (-10.0, True), (-10.4, False)])
def test_speech_that_has_begun_may_fall_by_three_decibels(tail: float, lasts: bool) -> None:
    found = activity(levels((2, 4, LOUD), (4, 5, tail), (7, 8, tail)))
    assert is_speech(found, 4.5) == lasts
    assert not is_speech(found, 7.5), "but does not begin there"


@pytest.mark.parametrize(("level", "some"), [(-13.7, True), (-13.9, False)])
def test_below_a_millionth_of_full_power_there_is_nothing(level: float, some: bool) -> None:
    assert activity(np.full(200, level)).any() == some


@pytest.mark.parametrize(("voiced", "kept"), [(8, True), (7, False), (0, False), (50, True)])
def test_a_burst_needs_a_share_of_voiced_frames(voiced: int, kept: bool) -> None:
    energy = levels((2, 4, LOUD), (6, 7, LOUD))
    voicing = np.where(np.arange(500) < 250, 0.6, 0.4)
    voicing[300 : 300 + voiced] = 0.6
    found = activity(energy, voicing=voicing)
    assert is_speech(found, 3.0)
    assert is_speech(found, 6.5) == kept


def test_half_voiced_is_not_voiced() -> None:
    energy = levels((2, 4, LOUD))
    assert not activity(energy, voicing=np.full(500, 0.5)).any()
    assert activity(energy, voicing=np.full(500, 0.51)).any()


@pytest.mark.parametrize(("frames", "filled"), [(9, True), (10, False), (1, True)])
def test_a_gap_under_two_tenths_of_a_second_is_filled(frames: int, filled: bool) -> None:
    energy = levels((2, 6, LOUD))
    energy[200 : 200 + frames] = QUIET
    assert len(spans(activity(energy), 50.0)) == (1 if filled else 2)


@pytest.mark.parametrize(("frames", "kept"), [(4, False), (5, True)])
def test_a_burst_under_a_tenth_of_a_second_is_dropped(frames: int, kept: bool) -> None:
    energy = levels((2, 4, LOUD))
    energy[300 : 300 + frames] = LOUD
    assert len(spans(activity(energy), 50.0)) == (2 if kept else 1)


def test_speech_is_widened_by_40_ms_and_not_where_there_is_none() -> None:
    assert spans(activity(levels((2, 4, LOUD))), 50.0) == [(1.96, 4.04)]
    assert spans(activity(levels((2, 4, LOUD)), rule=ActivityRule(padding=0.0)), 50.0) == [(2.0, 4.0)]
    assert spans(activity(levels((2, 4, LOUD)), rule=ActivityRule(padding=0.1)), 50.0) == [(1.9, 4.1)]


def test_a_short_silence_at_the_ends_stays_silent() -> None:
    found = activity(levels((0.1, 9.9, LOUD), ground=QUIET), rule=ActivityRule(padding=0.0))
    assert spans(found, 50.0) == [(0.1, 9.9)]
    mask = np.array([0, 1, 1, 0, 1, 1, 0], bool)
    assert _drop_short_runs(mask, False, 2).tolist() == [False, True, True, True, True, True, False]
    assert _drop_short_runs(mask, True, 3).tolist() == [False] * 7


@pytest.mark.parametrize(("level", "expected"), [(-8.0, True), (-11.9, True), (-12.3, False)])
def test_a_part_is_judged_by_the_loudness_of_the_whole(level: float, expected: bool) -> None:
    energy = levels((2, 4, -8.6), (6, 7, level))
    assert is_speech(activity(energy), 6.5), "alone, it is loud enough"
    assert is_speech(activity(energy, loud=-2.0), 6.5) == expected


def test_a_quiet_talker_counts_away_from_a_loud_one_and_not_beside_them() -> None:
    energy = levels((0, 12, -2.0), (16, 17, -9.0), (24, 25, -9.0), seconds=40)
    found = activity(energy)
    assert not is_speech(found, 16.5), "four seconds after the loud one"
    assert is_speech(found, 24.5), "twelve seconds after"


def test_recordings_of_a_few_frames() -> None:
    assert activity(np.zeros(0)).shape == (0,)
    keep_short = ActivityRule(shortest_speech=0.0)
    for count in (1, 3, 4, 5, 7):
        assert activity(np.full(count, LOUD), rule=keep_short).all()
        assert activity(np.full(count, LOUD)).any() == (count >= 5)


def test_frames_may_be_long() -> None:
    found = activity(levels((2, 4, LOUD), (6, 7, -9.0), rate=4.0), 4.0)
    assert spans(found, 4.0) == [(2.0, 4.0), (6.0, 7.0)]


def test_the_level_is_the_mean_of_sixty_milliseconds() -> None:
    assert activity_level(np.array([0.0, 0, 3, 0, 0, 6]), 50.0).tolist() == [0, 1, 1, 1, 2, 4]
    assert activity_level(np.array([0.0, 3.0]), 10.0).tolist() == [0, 3]
    assert np.count_nonzero(activity_level(np.eye(1, 21, 10)[0], 100.0) > 1e-9) == 6


def test_loud_and_quiet_are_percentiles_of_the_seconds_around() -> None:
    """On a steady rise the 10th and the 95th percentile of the window lie .4 below and .45 above its middle."""
    rule = ActivityRule()
    rise = np.arange(3000) / 50.0
    voiced = np.ones(len(rise), bool)
    quiet, loud = _nearby_levels(rise, voiced, 50.0, rule, overall=-100.0)
    middle = np.arange(1200, 1800)
    span = 2 * rule.window
    np.testing.assert_allclose(quiet[middle], rise[middle] - 0.4 * span, atol=0.06)
    np.testing.assert_allclose(loud[middle], rise[middle] + 0.45 * span, atol=0.12)
    assert _nearby_levels(rise, voiced, 50.0, rule, overall=200.0)[1] == pytest.approx(195.4), "not far under all of it"


def test_spans_are_in_seconds() -> None:
    mask = np.array([1, 1, 0, 0, 1], bool)
    assert spans(mask, 4.0) == [(0.0, 0.5), (1.0, 1.25)]
