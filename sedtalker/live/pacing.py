"""The clock of what is sent: 60 times a second the face of that moment, between the frames that are known.

A playhead says which moment of the sound is shown now. ``SteadyPlayhead`` never leaves its clock, or the sound card's
where that plays the sound; ``FollowingPlayhead`` follows a microphone or a pipe, whose clock is another one.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.face.arkit import ARKIT_52

RATE = 60.0
"""Frames a second that are sent."""
SLEW = 0.005
"""Share by which a playhead may run faster or slower than the clock while it makes up for a difference."""
WATCHED = 10.0
"""Seconds over which ``FollowingPlayhead`` watches how early frames come."""
TOLERANCE = 0.005
"""Seconds of difference that are left alone."""
CALM = 2.0
"""Seconds over which it watches that before it makes up for a wait in a pause."""
STILL = 0.02
"""Weight by which no shape of the mouth moves in a pause."""
LIVE_MARGIN = 0.5
"""Frames that come so many seconds early are of a sound that was there before: nobody is speaking just now."""
MOUTH = [k for k, name in enumerate(ARKIT_52) if name.startswith(("jaw", "mouth"))]
"""Places of the shapes of the mouth in a frame's weights."""
JUMP = 0.15
"""Seconds from which on a difference to the sound card is made up for at once."""


class MonotonicClock:
    """Seconds of this machine, which only go on."""

    def now(self) -> float:
        """Seconds since some beginning."""
        return time.monotonic()

    def sleep_until(self, moment: float) -> None:
        """Come back at ``moment``, or at once if it has passed."""
        if (left := moment - time.monotonic()) > 0:
            time.sleep(left)


@dataclass
class Pace:
    """How a run went.

    Attributes:
        sent: ticks.
        missed: ticks that were left out because the machine was busy.
        seconds: from the first to the last.
        waited: seconds that the face waited for frames which came late, beyond its announced delay.
        delay: seconds from a sound to its face in the end, where the sound is spoken meanwhile; else None.
    """

    sent: int = 0
    missed: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    delay: float | None = None

    @property
    def rate(self) -> float:
        """Ticks a second."""
        return (self.sent - 1) / self.seconds if self.seconds else 0.0


def keep_pace(
    clock: MonotonicClock, tick: Callable[[float], bool], rate: float = RATE, pace: Pace | None = None
) -> Pace:
    """Call ``tick(now)`` at every multiple of ``1 / rate`` seconds from now on, until it says False.

    Multiples count from one beginning, so nothing adds up; those that have passed are left out.

    Args:
        tick: what is done; False ends it.
        rate: ticks a second.
        pace: is filled in, also where ``tick`` raises.
    """
    pace = Pace() if pace is None else pace
    began, number = clock.now(), 0
    while True:
        clock.sleep_until(began + number / rate)
        now = clock.now()
        pace.seconds = now - began
        if not tick(now):
            return pace
        pace.sent += 1
        following = max(number + 1, math.ceil((clock.now() - began) * rate - 1e-6))
        pace.missed += following - number - 1
        number = following


# --- Frames that are known.


class FrameBuffer:
    """Frames in order of time, from the one shown now on; one thread adds, another shows.

    Args:
        ahead: seconds of frames beyond the one shown; who adds more waits.
    """

    def __init__(self, ahead: float):
        self.ahead = ahead
        self.frames: deque[StreamedFrame] = deque()
        self.newest = -math.inf
        self.shown = 0.0
        self.ended = False
        self.closed = False
        self._changed = threading.Condition()

    def add(self, frame: StreamedFrame) -> bool:
        """Add the next frame, when there is room; False once the buffer is closed."""
        with self._changed:
            while not self.closed and frame.time > self.shown + self.ahead:
                self._changed.wait(0.5)
            self.frames.append(frame)
            self.newest = frame.time
            return not self.closed

    def end(self) -> None:
        self.ended = True

    def close(self) -> None:
        """Nobody shows them any more: whoever waits to add goes on."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def at(self, moment: float) -> StreamedFrame | None:
        """The face at ``moment`` seconds, between two frames, held beyond the last; moments only go on."""
        with self._changed:
            self.shown = max(self.shown, moment)
            while len(self.frames) > 1 and self.frames[1].time <= moment:
                self.frames.popleft()
            self._changed.notify_all()
            if not self.frames:
                return None
            before = self.frames[0]
            after = self.frames[1] if len(self.frames) > 1 else before
        return between(before, after, moment)

    def still(self, first: float, last: float) -> bool:
        """Whether the mouth rests from ``first`` to ``last`` seconds, so that nobody sees if this is left out."""
        with self._changed:
            weights = [frame.weights[MOUTH] for frame in self.frames if first - 0.05 <= frame.time <= last]
        return len(weights) > 1 and float(np.ptp(weights, axis=0).max()) < STILL


def between(before: StreamedFrame, after: StreamedFrame, moment: float) -> StreamedFrame:
    """The face at a moment from ``before`` to ``after``, linear; emotion of ``before``."""
    apart = after.time - before.time
    share = float(np.clip((moment - before.time) / apart, 0.0, 1.0)) if apart > 0 else 0.0
    weights = ((1.0 - share) * before.weights + share * after.weights).astype(np.float32)
    head = ((1.0 - share) * before.head + share * after.head).astype(np.float32)
    intensity = (1.0 - share) * before.intensity + share * after.intensity
    time = before.time + share * apart
    tongue = ((1.0 - share) * before.tongue + share * after.tongue).astype(np.float32)
    return StreamedFrame(time, weights, head, before.emotion, intensity, tongue)


# --- Which moment is shown.


class Playhead(Protocol):
    """Says which moment of the sound is shown."""

    def at(self, now: float, newest: float, ended: bool) -> float:
        """Seconds of the sound at clock time ``now``.

        Args:
            now: of the clock, only going on.
            newest: time of the newest frame that is known.
            ended: whether it is the last.
        """


class SteadyPlayhead:
    """The clock's time since the beginning, or the sound card's.

    Args:
        began: clock time of second 0.
        played: the second of the sound that is played at a clock time, None while none is.
        delay: seconds that the face comes later.
    """

    def __init__(self, began: float, played: Callable[[float], float | None] = lambda now: None, delay: float = 0.0):
        self.began, self.played, self.delay = began, played, delay
        self.last = began

    def at(self, now: float, newest: float, ended: bool) -> float:
        second = self.played(now)
        if second is not None:
            late = now - self.began - second
            if abs(late) > JUMP:
                self.began += late
            else:
                most = SLEW * (now - self.last)
                self.began += float(np.clip(late, -most, most))
        self.last = now
        return now - self.began - self.delay


class FollowingPlayhead:
    """Follows frames that come while somebody speaks: as late as ``slack`` asks, and never beyond the newest.

    Where frames come late the face waits, and stays so much later until the next pause: there it leaves out what it
    waited for. In speech it catches up by ``SLEW``, which also follows a microphone whose clock is faster.

    Args:
        began: clock time at which second 0 is shown.
        slack: seconds of frames that are left when new ones come, at least.
        still: whether the mouth rests from one second of the sound to another; see ``FrameBuffer.still``.
    """

    def __init__(self, began: float, slack: float, still: Callable[[float, float], bool] = lambda first, last: False):
        self.began, self.slack, self.still = began, slack, still
        self.last, self.newest = began, -math.inf
        self.early: deque[tuple[float, float]] = deque()
        """When new frames came, and by how much the newest of the old ones was ahead of the clock then."""
        self.waited = 0.0

    def at(self, now: float, newest: float, ended: bool) -> float:
        if newest > self.newest:
            if math.isfinite(self.newest):
                self.early.append((now, self.newest - now))
            self.newest = newest
        while self.early and self.early[0][0] < now - WATCHED:
            self.early.popleft()
        if self.slack + TOLERANCE < self._spare(now - WATCHED) < LIVE_MARGIN and now - self.began > WATCHED:
            self.began -= SLEW * (now - self.last)
        spare, moment = self._spare(now - CALM) - self.slack, now - self.began
        if TOLERANCE < spare < LIVE_MARGIN and moment > CALM and self.still(moment, moment + spare):
            self.began -= spare
        self.last = now
        late = now - self.began - newest
        if late > 0 and not ended and math.isfinite(newest):
            self.began += late
            self.waited += late
        return now - self.began

    def _spare(self, since: float) -> float:
        """Seconds of frames that were left, at least, when new ones came since a clock time; 0 where none came."""
        return min((self.began + early for came, early in self.early if came >= since), default=0.0)
