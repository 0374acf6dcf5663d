"""A live session: sound is decoded in a thread while the face is sent, 60 times a second, by whoever called."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.animation.animation_stream import AnimationStream, StreamedFrame, frame_delay
from sedtalker.animation.articulation import TONGUE
from sedtalker.animation.performance import StreamSettings
from sedtalker.arrays import Floats
from sedtalker.audio import SAMPLE_RATE
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.live.microphone import Loudspeaker
from sedtalker.live.pacing import (
    RATE,
    FollowingPlayhead,
    FrameBuffer,
    MonotonicClock,
    Pace,
    Playhead,
    SteadyPlayhead,
    between,
    keep_pace,
)
from sedtalker.live.senders import Sender, SenderGroup, neutral_frame
from sedtalker.nn import torch_threads

log = logging.getLogger(__name__)


AHEAD = 1.0
"""Seconds of frames that are decoded before they are shown, where the sound is there before it is played."""
MARGIN = 0.04
"""Seconds for computing and for the scheduler, beyond look-ahead and hop."""
PIECE = round(0.02 * SAMPLE_RATE)
"""Samples of a file that are decoded at once."""
FADE = 15
"""Ticks in which the face comes to rest at the end."""
STALL = 0.25
"""Seconds that the sound itself comes late, from which on it is the source's pause, and not a delay of the face."""
FAREWELLS = 3
"""Neutral frames that are sent last: a UDP packet may get lost."""


@dataclass(frozen=True)
class LiveSettings:
    """How the face is sent.

    Attributes:
        rate: frames a second.
        delay: seconds from the sound to its face. None: as short as it can be for sound that is being spoken; 0, in
            step, for sound that we play.
    """

    rate: float = RATE
    delay: float | None = None


def play_live(
    pieces: Iterable[Floats],
    stream: AnimationStream,
    senders: Sequence[Sender],
    settings: LiveSettings = LiveSettings(),
) -> Pace:
    """Decode sound as it is spoken and send the face until the sound ends or Ctrl-C.

    Args:
        pieces: of sound, mono at 16 kHz, as they come: a ``Microphone``, or a pipe.
        stream: fresh.
        senders: where the face goes; they are closed.
        settings: rate and delay.

    Raises:
        InputError: the sound cannot be read any more; the face has come to rest before.
    """
    clock, shortest = MonotonicClock(), shortest_delay(stream.settings)
    delay = shortest if settings.delay is None else settings.delay
    decoding = DecodingThread(pieces, stream, clock)
    playhead: FollowingPlayhead | None = None

    def following(now: float) -> Playhead | None:
        nonlocal playhead
        if playhead is None and decoding.began is not None:
            slack = max(0.5 * MARGIN, delay - shortest + MARGIN)
            playhead = FollowingPlayhead(decoding.began + delay, slack, decoding.buffer.still)
        return playhead

    try:
        pace = send_paced(decoding.buffer, following, senders, settings.rate, clock, decoding)
        if playhead is not None and decoding.began is not None:
            pace.waited = max(playhead.waited - decoding.stalled, 0.0)
            pace.delay = playhead.began - decoding.began
        return pace
    finally:
        decoding.close()


def shortest_delay(settings: StreamSettings) -> float:
    """Seconds from a sound to its face, if it is to be there in time at every frame."""
    return frame_delay(settings) + MARGIN


def play_sound(
    samples: Floats,
    stream: AnimationStream,
    senders: Sequence[Sender],
    settings: LiveSettings = LiveSettings(),
    loudspeaker: Loudspeaker | None = None,
) -> Pace:
    """Decode a recording and send its face in real time.

    Args as of ``play_live``, but for ``samples`` (N,), mono at 16 kHz, and a loudspeaker that plays them meanwhile.

    Raises:
        InputError: the recording or the loudspeaker does not work.
    """
    clock = MonotonicClock()
    pieces = (samples[start : start + PIECE] for start in range(0, len(samples), PIECE))
    decoding = DecodingThread(pieces, stream, clock)
    start = _Start(settings.delay or 0.0, loudspeaker, lambda: decoding.buffer.ended or decoding.buffer.newest > 0.5)
    try:
        return send_paced(decoding.buffer, start, senders, settings.rate, clock, decoding)
    finally:
        decoding.close()
        start.close()


def play_animation(
    animation: Animation,
    senders: Sequence[Sender],
    settings: LiveSettings = LiveSettings(),
    loudspeaker: Loudspeaker | None = None,
    clock: MonotonicClock | None = None,
) -> Pace:
    """Send a finished animation in real time.

    Its face has ARKit shapes; others stay at zero. Args as of ``play_sound``.

    Raises:
        InputError: the face has none of the ARKit shapes, or the loudspeaker does not work.
    """
    start = _Start(settings.delay or 0.0, loudspeaker, lambda: True)
    try:
        return send_paced(AnimationMoments(animation), start, senders, settings.rate, clock or MonotonicClock())
    finally:
        start.close()


class AnimationMoments:
    """Faces of a finished animation by time.

    Raises:
        InputError: its face has none of the ARKit shapes.
    """

    ended = True

    def __init__(self, animation: Animation):
        places = [(k, ARKIT_52.index(name)) for k, name in enumerate(animation.face.shapes) if name in ARKIT_52]
        if not places:
            raise InputError("the face of this animation has none of the ARKit shapes; engines could not show it")
        self.sources, self.places = map(list, zip(*places, strict=True))
        self.tongue = [animation.face.shape_index.get(name) for name in TONGUE]
        self.animation, self.newest = animation, animation.duration
        self.track = None if animation.track is None else animation.track.at(animation.clock.times(len(animation)))

    def at(self, moment: float) -> StreamedFrame | None:
        """The face at so many seconds, between two frames."""
        place = float(np.clip(moment * self.animation.fps, 0.0, len(self.animation) - 1))
        first, second = math.floor(place), math.ceil(place)
        return between(self._frame(first), self._frame(second), place / self.animation.fps)

    def _frame(self, number: int) -> StreamedFrame:
        weights = np.zeros(len(ARKIT_52), np.float32)
        weights[self.places] = self.animation.coefficients[number, self.sources]
        label, intensity = CATEGORIES[0], 0.0
        if self.track is not None:
            label = self.track.labels[int(self.track.posterior[number].argmax())]
            intensity = float(self.track.intensity[number])
        row, head = self.animation.coefficients[number], self.animation.head_rotation[number]
        tongue = np.array([0.0 if k is None else row[k] for k in self.tongue], np.float32)
        return StreamedFrame(number / self.animation.fps, np.clip(weights, 0.0, 1.0), head, label, intensity, tongue)


class DecodingThread:
    """Sound to frames in a thread of its own.

    Args:
        pieces: of sound.
        stream: fresh.
        clock: of the arrival of the first piece.
    """

    def __init__(self, pieces: Iterable[Floats], stream: AnimationStream, clock: MonotonicClock):
        self.pieces, self.stream, self.clock = pieces, stream, clock
        self.buffer = FrameBuffer(AHEAD)
        self.began: float | None = None
        """Clock time at which the first sample was spoken, later by what the source paused since then."""
        self.stalled = 0.0
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run, name="live-decoding", daemon=True)
        self.thread.start()

    def check(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Ask the thread to end; it may be waiting for a pipe, so it is not waited for long."""
        self.buffer.close()
        self.thread.join(0.5)

    def _run(self) -> None:
        try:
            with torch_threads(1):
                for frame in self._frames():
                    if not self.buffer.add(frame):
                        break
        except Exception as error:  # for the thread that sends, whatever it is
            self.error = error
        self.buffer.end()

    def _frames(self) -> Iterator[StreamedFrame]:
        hop, count, asked = round(self.stream.settings.hop * SAMPLE_RATE), 0, self.clock.now()
        for piece in self.pieces:
            count, now = count + len(piece), self.clock.now()
            if self.began is None and count:
                self.began = now - count / SAMPLE_RATE
            elif self.began is not None and (late := min(now - self.began - count / SAMPLE_RATE, now - asked)) > STALL:
                # It was late while this thread waited for it, as a busy machine does not.
                self.began, self.stalled = self.began + late, self.stalled + late
            for start in range(0, len(piece), hop):
                yield from self.stream.push(piece[start : start + hop])
            asked = self.clock.now()
        yield from self.stream.flush()


class _Start:
    """Begins a recording once its first frames are there: a ``SteadyPlayhead`` from then on."""

    def __init__(self, delay: float, loudspeaker: Loudspeaker | None, ready: Callable[[], bool]):
        self.delay, self.loudspeaker, self.ready = delay, loudspeaker, ready
        self.playhead: SteadyPlayhead | None = None

    def __call__(self, now: float) -> Playhead | None:
        """The playhead, None while it has not begun."""
        if self.playhead is None and self.ready():
            if self.loudspeaker is None:
                self.playhead = SteadyPlayhead(now, delay=self.delay)
            else:
                self.loudspeaker.start()
                self.playhead = SteadyPlayhead(now, self.loudspeaker.played, self.delay)
        return self.playhead

    def close(self) -> None:
        if self.loudspeaker is not None:
            self.loudspeaker.close()


def send_paced(
    moments: FrameBuffer | AnimationMoments,
    playhead: Callable[[float], Playhead | None],
    senders: Sequence[Sender],
    rate: float,
    clock: MonotonicClock,
    decoding: DecodingThread | None = None,
) -> Pace:
    """Send the face of every tick until the last frame was shown or Ctrl-C; then let it come to rest.

    Args:
        playhead: gives the playhead at a clock time, None while nothing is shown yet.
        senders: they get every frame, and are closed.
        rate: ticks a second.
        decoding: whose errors end it.

    Raises:
        InputError: what ended ``decoding``.
    """
    last = neutral_frame(0.0)
    pace, group = Pace(), SenderGroup(senders)

    def tick(now: float) -> bool:
        nonlocal last
        if not group:
            return False
        ended = moments.ended
        if decoding is not None and ended:
            decoding.check()
        head = playhead(now)
        if head is None:
            group.send(last)
            return not ended
        moment = head.at(now, moments.newest, ended)
        if ended and moment > moments.newest:
            last = moments.at(moments.newest) or last  # a busy machine may have left it out
            return False
        last = moments.at(moment) or last
        group.send(last)
        return True

    try:
        keep_pace(clock, tick, rate, pace)
    except KeyboardInterrupt:
        log.info("stopped")
    finally:
        try:
            _come_to_rest(group, last, rate, clock)
        finally:
            group.close()
    return pace


def to_rest(last: StreamedFrame, rate: float, count: int) -> list[StreamedFrame]:
    """From a face to a neutral one, linear, in ``count`` frames at ``rate`` a second; the last one is neutral."""
    rest = neutral_frame(last.time + count / rate)
    return [*(between(last, rest, last.time + k / rate) for k in range(1, count)), rest]


def _come_to_rest(group: SenderGroup, last: StreamedFrame, rate: float, clock: MonotonicClock) -> None:
    """From the last face to a neutral one, which is sent last; a second Ctrl-C sends it at once."""
    frames = to_rest(last, rate, FADE)
    waiting = iter(frames)

    def tick(now: float) -> bool:
        frame = next(waiting, None)
        if frame is not None:
            group.send(frame)
        return frame is not frames[-1] and len(group) > 0

    try:
        keep_pace(clock, tick, rate)
    except KeyboardInterrupt:
        pass
    finally:
        for _ in range(FAREWELLS):
            group.send(frames[-1])
