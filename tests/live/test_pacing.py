"""The clock of what is sent: even, without drift, and in step with sound that has another clock."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.live.pacing import (
    JUMP,
    FollowingPlayhead,
    FrameBuffer,
    MonotonicClock,
    SteadyPlayhead,
    between,
    keep_pace,
)
from tests.live.conftest import SimulatedClock, frame


def test_ten_minutes_do_not_drift(clock: SimulatedClock):
    rng = np.random.default_rng(0)
    began, times = clock.now(), []

    def tick(now: float) -> bool:
        times.append(now - began)
        clock.time += float(rng.uniform(0.0, 0.012))  # what sending costs
        return len(times) < 36_000

    pace = keep_pace(clock, tick)
    assert pace.missed == 0
    assert times == pytest.approx(np.arange(36_000) / 60.0, abs=1e-6)
    assert pace.rate == pytest.approx(60.0, rel=1e-4)


def test_a_busy_machine_leaves_ticks_out_and_keeps_the_beat(clock: SimulatedClock):
    began, times = clock.now(), []

    def tick(now: float) -> bool:
        times.append(now - began)
        clock.time += 0.5 if len(times) == 10 else 0.001
        return now - began < 2.0

    pace = keep_pace(clock, tick)
    beats = np.array(times) * 60.0
    assert np.abs(beats - beats.round()).max() < 1e-3
    assert pace.missed == 30 - 1
    assert pace.sent + pace.missed == 120


def test_the_real_clock_sends_sixty_a_second():
    count = 0

    def tick(now: float) -> bool:
        nonlocal count
        count += 1
        return count < 31

    pace = keep_pace(MonotonicClock(), tick)
    assert pace.seconds >= 30 / 60.0 - 1e-3, "never early, however busy the machine"
    assert pace.missed == pytest.approx(round(pace.seconds * 60.0) - 30, abs=1)


@given(st.floats(0.0, 1.0))
def test_between_two_frames_the_face_is_between_them(share: float):
    a, b = frame(1.0, jawOpen=0.2), frame(1.5, head=(0.0, 0.4, 0.0), jawOpen=0.6)
    made = between(a, b, 1.0 + 0.5 * share)
    assert made.weights.max() == pytest.approx(0.2 + 0.4 * share, abs=1e-6)
    assert made.head[1] == pytest.approx(0.4 * share, abs=1e-6)
    assert made.time == pytest.approx(1.0 + 0.5 * share)
    assert between(a, b, 9.0).time == 1.5
    assert between(a, a, 9.0).time == 1.0


def test_the_buffer_holds_what_is_still_to_be_shown():
    buffer = FrameBuffer(ahead=10.0)
    assert buffer.at(0.0) is None
    for k in range(100):
        assert buffer.add(frame(k / 50.0, jawOpen=k / 100.0))
    shown = [buffer.at(t) for t in np.arange(0.0, 1.9, 1 / 60)]
    assert [f.time for f in shown] == pytest.approx(np.arange(0.0, 1.9, 1 / 60))
    assert len(buffer.frames) < 10
    assert buffer.at(50.0).time == pytest.approx(99 / 50.0), "held beyond the last"


def test_who_decodes_too_far_ahead_waits():
    buffer, added = FrameBuffer(ahead=0.5), []

    def adding() -> None:
        for k in range(1000):
            if not buffer.add(frame(k / 60.0)):
                return
            added.append(k / 60.0)

    thread = threading.Thread(target=adding)
    thread.start()
    for moment in np.arange(0.0, 3.0, 0.1):
        buffer.at(moment)
        assert not added or added[-1] <= moment + 0.5 + 1 / 60 + 1e-6
    buffer.close()
    thread.join(5.0)
    assert not thread.is_alive()
    assert len(buffer.frames) < 100


def test_a_steady_playhead_is_the_clock():
    playhead = SteadyPlayhead(5.0, delay=0.1)
    for now in np.arange(5.0, 700.0, 0.37):
        assert playhead.at(now, 0.0, True) == pytest.approx(now - 5.1, abs=1e-9)


@pytest.mark.slow
@settings(max_examples=10)
@given(st.floats(-200e-6, 200e-6), st.floats(-0.1, 0.1))
def test_the_face_stays_in_step_with_a_sound_card_of_another_clock(off: float, latency: float):
    playhead, began = SteadyPlayhead(0.0, lambda now: (now - latency) * (1 + off)), 0.0
    apart = [playhead.at(now, 0.0, True) - (now - latency) * (1 + off) for now in np.arange(began, 600.0, 1 / 60)]
    assert np.abs(apart[60 * 25 :]).max() < 1e-3
    assert np.diff(apart).min() > -SLEW_A_TICK
    assert np.diff(apart).max() < SLEW_A_TICK


SLEW_A_TICK = 0.0052 / 60 + 1e-6


def test_a_sound_card_that_begins_late_is_caught_up_with_at_once():
    playhead = SteadyPlayhead(0.0, lambda now: now - 1.0 if now > 1.0 else None)
    assert playhead.at(0.9, 0.0, True) == pytest.approx(0.9)
    assert playhead.at(1.1, 0.0, True) == pytest.approx(0.1)
    assert JUMP < 1.0


def spoken(minutes: float, rate_error: float, jitter: float, hop: float = 0.08, look_ahead: float = 0.12, slack=0.04):
    """A simulated microphone: (delays of the face, waited) tick by tick."""
    rng = np.random.default_rng(3)
    playhead = FollowingPlayhead(hop + look_ahead + slack, slack)
    delays, newest, hops = [], -math.inf, 0
    arrival = hop + rng.uniform(0, jitter)
    for now in np.arange(0.0, 60.0 * minutes, 1 / 60):
        while arrival <= now:
            hops += 1
            newest = hops * hop - look_ahead
            arrival = (hops + 1) * hop * (1 + rate_error) + rng.uniform(0, jitter)
        moment = playhead.at(now, newest, False)
        assert moment <= max(newest, 0.0) + 1e-9 or not math.isfinite(newest)
        delays.append(now - moment * (1 + rate_error))
    return np.array(delays), playhead.waited


@pytest.mark.parametrize("rate_error", [0.0, 100e-6, -100e-6])
def test_the_delay_to_a_microphone_stays_for_ten_minutes(rate_error: float):
    delays, waited = spoken(10.0, rate_error, 0.02)
    assert delays[600:].max() < 0.24 + 0.05
    assert delays[600:].min() > 0.2 - 0.02
    assert waited < 0.08
    assert np.abs(delays[-600:].mean() - delays[600:1200].mean()) < 0.05


def test_after_a_hiccup_the_face_waits_and_catches_up():
    playhead, newest = FollowingPlayhead(0.24, 0.04), -math.inf
    delays = []
    for k in range(60 * 120):
        now = k / 60.0
        if not 20.0 < now < 20.3:
            newest = math.floor(now / 0.08) * 0.08 - 0.12
        delays.append(now - playhead.at(now, newest, False))
    assert max(delays) > 0.4
    assert delays[-1] < 0.29
    assert np.diff(delays).min() > -SLEW_A_TICK


def hiccup(still: bool) -> tuple[np.ndarray, FollowingPlayhead]:
    """Delays of the face, tick by tick, where nothing comes for 0.3 s and the mouth rests from 25 s to 26 s."""
    asked: list[tuple[float, float]] = []

    def rests(first: float, last: float) -> bool:
        asked.append((first, last))
        return still and first >= 25.0 and last <= 26.0

    playhead, newest, delays = FollowingPlayhead(0.24, 0.04, rests), -math.inf, []
    for k in range(60 * 30):
        now = k / 60.0
        if not 20.0 < now < 20.3:
            newest = math.floor(now / 0.08) * 0.08 - 0.12
        delays.append(now - playhead.at(now, newest, False))
    assert all(first < last for first, last in asked)
    return np.array(delays), playhead


def test_the_next_pause_makes_up_for_a_wait():
    paused, playhead = hiccup(still=True)
    talking, _ = hiccup(still=False)
    assert paused[60 * 25] > 0.3, "speech is not hurried"
    assert paused[60 * 27 :] == pytest.approx(0.24, abs=0.02), "the announced delay holds again"
    assert talking[60 * 27] > 0.3
    assert playhead.waited > 0.1


def test_a_pause_is_a_mouth_that_rests():
    buffer = FrameBuffer(ahead=10.0)
    for k in range(50):
        buffer.add(frame(k / 50.0, jawOpen=0.3 + 0.2 * math.sin(k) if k < 25 else 0.05, eyeBlinkLeft=k % 2))
    assert not buffer.still(0.1, 0.4), "speech"
    assert buffer.still(0.6, 0.9), "a pause, whatever the lids do"
    assert not buffer.still(0.3, 0.9)
    assert not buffer.still(5.0, 6.0), "nothing is known of what has not come"


def test_sound_that_was_there_before_is_not_hurried():
    playhead = FollowingPlayhead(0.2, 0.04)
    moments = [playhead.at(k / 60.0, k / 60.0 + 0.8, False) for k in range(3600)]
    assert moments == pytest.approx(np.arange(3600) / 60.0 - 0.2)
