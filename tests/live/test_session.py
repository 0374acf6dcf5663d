"""Sessions from sound, pipe or animation to senders, on a simulated clock where the time matters."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from sedtalker.animation.animation import Animation
from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.animation.performance import StreamSettings
from sedtalker.errors import InputError
from sedtalker.face.arkit import INDEX
from sedtalker.face.builtin import load_face
from sedtalker.live.pacing import MonotonicClock
from sedtalker.live.session import FADE, FAREWELLS, LiveSettings, play_animation, play_live, play_sound, shortest_delay
from tests.live.conftest import Kept, SimulatedClock, frame

JAW = INDEX["jawOpen"]


class MadeUpStream:
    """Stands for ``AnimationStream``: the jaw is open as far as the second is old, modulo 1."""

    settings = StreamSettings(look_ahead=0.12, hop=0.08)

    def __init__(self) -> None:
        self.samples = self.number = 0

    def push(self, samples: np.ndarray) -> Iterator[StreamedFrame]:
        self.samples += len(samples)
        yield from self._until(self.samples / 16_000 - 0.12)

    def flush(self) -> Iterator[StreamedFrame]:
        yield from self._until(self.samples / 16_000)

    def _until(self, second: float) -> Iterator[StreamedFrame]:
        while self.number / 60 < second:
            yield frame(self.number / 60, jawOpen=(self.number / 60) % 1.0)
            self.number += 1


def at_rest(kept: Kept) -> bool:
    return all(not f.weights.any() and not f.head.any() and not f.tongue.any() for f in kept.frames[-FAREWELLS:])


@pytest.fixture(scope="module")
def animation() -> Animation:
    face = load_face()
    coefficients = np.zeros((91, len(face.shapes)), np.float32)
    coefficients[:, face.shapes.index("jawOpen")] = np.linspace(0.0, 0.9, 91)
    coefficients[:, face.shapes.index("tongueTipAlveolar")] = np.linspace(0.0, 0.9, 91)
    head = np.zeros((91, 3), np.float32)
    head[:, 1] = np.linspace(0.0, 0.3, 91)
    return Animation(coefficients, 30.0, face, head)


def test_an_animation_is_interpolated_at_the_times_of_sending(animation: Animation, clock: SimulatedClock):
    kept, began = Kept(clock), clock.now()
    pace = play_animation(animation, [kept], LiveSettings(), clock=clock)
    assert pace.sent == 183
    shown = kept.frames[: pace.sent]
    expected = np.minimum(np.arange(len(shown)) / 60.0, 3.0) * 0.3
    assert [f.weights[JAW] for f in shown] == pytest.approx(expected, abs=1e-5)
    assert [f.head[1] for f in shown] == pytest.approx(expected / 3, abs=1e-5)
    assert [f.tongue.tolist() for f in shown] == [pytest.approx([0.0, e, 0.0], abs=1e-5) for e in expected]
    assert kept.times[: pace.sent] == pytest.approx(began + np.arange(pace.sent) / 60.0)
    assert len(kept.frames) == pace.sent + FADE + FAREWELLS
    assert at_rest(kept)
    assert kept.closed == 1


def test_a_busy_machine_comes_to_rest_from_the_last_face(animation: Animation, clock: SimulatedClock):
    class Slow(Kept):
        def send(self, frame: StreamedFrame) -> None:
            super().send(frame)
            clock.time += 0.4 if frame.time == pytest.approx(2.9) else 0.0

    kept = Slow(clock)
    pace = play_animation(animation, [kept], clock=clock)
    first_of_rest = kept.frames[pace.sent]
    assert first_of_rest.time == pytest.approx(3.0 + 1 / 60)
    assert first_of_rest.weights[JAW] == pytest.approx(0.9 * (1.0 - 1 / FADE), abs=1e-5)


@pytest.mark.parametrize("delay", [0.5, -0.5])
def test_a_delay_moves_the_face_against_the_sound(animation: Animation, clock: SimulatedClock, delay: float):
    kept = Kept(clock)
    play_animation(animation, [kept], LiveSettings(delay=delay), clock=clock)
    expected = np.clip(np.arange(120) / 60.0 - delay, 0.0, 3.0) * 0.3
    assert [f.weights[JAW] for f in kept.frames[:120]] == pytest.approx(expected, abs=1e-5)


def test_the_face_follows_the_sound_card(animation: Animation, clock: SimulatedClock):
    class Playing:
        def __init__(self) -> None:
            self.began, self.closed = None, False

        def start(self) -> None:
            self.began = clock.now()

        def played(self, now: float) -> float | None:
            return now - self.began - 0.2

        def close(self) -> None:
            self.closed = True

    kept, playing = Kept(clock), Playing()
    play_animation(animation, [kept], LiveSettings(), playing, clock)
    expected = (np.arange(12, 150) / 60.0 - 0.2) * 0.3
    assert [f.weights[JAW] for f in kept.frames[12:150]] == pytest.approx(expected, abs=1e-3)
    assert playing.closed


def test_a_recording_is_sent_as_it_would_be_heard():
    kept = Kept()
    pace = play_sound(np.zeros(16_000, np.float32), MadeUpStream(), [kept])
    moved = [f for f in kept.frames[: -FADE - FAREWELLS] if f.weights[JAW] > 0]
    assert np.allclose([f.weights[JAW] for f in moved], [f.time % 1.0 for f in moved], atol=1e-5)
    assert np.all(np.diff([f.time for f in moved]) > 0)
    assert pace.sent + pace.missed > 55
    assert at_rest(kept)


@pytest.mark.slow
def test_speech_comes_out_a_stated_delay_after_it_was_spoken():
    kept = Kept(MonotonicClock())
    began = time.monotonic()

    def speaking() -> Iterator[np.ndarray]:
        for k in range(75):
            time.sleep(max(0.0, began + 0.02 * (k + 1) - time.monotonic()))
            yield np.zeros(320, np.float32)

    play_live(speaking(), MadeUpStream(), [kept])
    delays = [when - began - f.time for when, f in zip(kept.times, kept.frames, strict=True) if 0 < f.time < 1.0]
    least = shortest_delay(MadeUpStream.settings)
    assert least == pytest.approx(0.24)
    assert min(delays) > least - 0.03
    assert np.median(delays) < least + 0.5, "a busy machine comes later, never earlier"
    assert at_rest(kept)


@pytest.mark.slow
def test_a_wait_beyond_the_stated_delay_is_counted():
    class Busy(MadeUpStream):
        def push(self, samples: np.ndarray) -> Iterator[StreamedFrame]:
            time.sleep(1.0 if self.samples == 8000 else 0.0)
            yield from super().push(samples)

    pace = play_live(spoken(0.0), Busy(), [Kept(MonotonicClock())])
    assert pace.waited > 0.5
    assert pace.delay > shortest_delay(MadeUpStream.settings) + 0.5


@pytest.mark.slow
def test_a_pipe_that_pauses_is_no_delay_of_the_face():
    pace = play_live(spoken(1.5), MadeUpStream(), [Kept(MonotonicClock())])
    assert pace.waited < 0.5
    assert pace.delay < shortest_delay(MadeUpStream.settings) + 0.5


def spoken(pause: float) -> Iterator[np.ndarray]:
    """A second of sound as it would be spoken, with a pause in its middle of so many seconds."""
    began = time.monotonic()
    for k in range(50):
        due = began + 0.02 * (k + 1) + (pause if k >= 25 else 0.0)
        time.sleep(max(0.0, due - time.monotonic()))
        yield np.zeros(320, np.float32)


def test_a_source_that_breaks_is_reported_after_the_face_has_come_to_rest():
    def breaking() -> Iterator[np.ndarray]:
        yield np.zeros(16_000, np.float32)
        raise InputError("the microphone gives no more sound: was it unplugged?")

    kept = Kept()
    with pytest.raises(InputError, match="unplugged"):
        play_live(breaking(), MadeUpStream(), [kept])
    assert at_rest(kept)
    assert kept.closed == 1


class Interrupting(Kept):
    """Presses Ctrl-C at the tenth frame."""

    def send(self, frame: StreamedFrame) -> None:
        super().send(frame)
        if len(self.frames) in (10, 15):
            raise KeyboardInterrupt


def test_ctrl_c_brings_the_face_to_rest_even_when_pressed_twice(animation: Animation, clock: SimulatedClock):
    kept = Interrupting(clock)
    pace = play_animation(animation, [kept], clock=clock)
    assert pace.sent == 9
    assert len(kept.frames) == 15 + FAREWELLS
    assert at_rest(kept)
    assert kept.closed == 1


def test_a_reader_that_has_gone_is_left_out_and_the_last_one_ends_it(animation: Animation, clock: SimulatedClock):
    class Gone(Kept):
        def send(self, frame: StreamedFrame) -> None:
            super().send(frame)
            if len(self.frames) == 5:
                raise BrokenPipeError

    gone, kept = Gone(clock), Kept(clock)
    play_animation(animation, [gone, kept], clock=clock)
    assert len(gone.frames) == 5
    assert gone.closed == 1
    assert len(kept.frames) > 183
    alone = Gone(clock)
    pace = play_animation(animation, [alone], clock=clock)
    assert pace.sent == 5


def test_a_face_without_arkit_shapes_is_refused(animation: Animation):
    from dataclasses import replace

    face = replace(animation.face, shapes=tuple(f"x{name}" for name in animation.face.shapes))
    with pytest.raises(InputError, match="none of the ARKit shapes"):
        play_animation(replace(animation, face=face), [Kept()])


def test_threads_end_with_their_session():
    before = threading.active_count()
    for _ in range(3):
        play_sound(np.zeros(1600, np.float32), MadeUpStream(), [Kept()])
    deadline = time.monotonic() + 5.0
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
