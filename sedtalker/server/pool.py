"""Many streams, few threads: hops of sound that are ready are decoded together, as one batch of every network.

Each thread takes its share of the streams that are ready. While a network of one runs, the others can prepare.

How many streams a machine carries follows from ``StreamCost``, which is measured when a server starts.

Whoever holds a stream pushes sound and gets frames in its own event loop. Both ways are bounded: a stream whose sound
waits longer than its bound takes no more, and one whose frames are not fetched is not decoded any further.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from sedtalker.animation.animation_stream import AnimationStream, StreamedFrame
from sedtalker.animation.animator import Animator
from sedtalker.animation.performance import StreamSettings
from sedtalker.arrays import Floats
from sedtalker.audio.audio import SAMPLE_RATE
from sedtalker.emotion.face_streams import LateEmotions
from sedtalker.errors import InputError
from sedtalker.nn import one_thread
from sedtalker.nn.calls import Steps, together
from sedtalker.speech.features import FRAME_LENGTH

log = logging.getLogger(__name__)

LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56)
"""Seconds, for the frames of a stream."""
DURATION_BUCKETS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Seconds, for requests."""


class Monitoring:
    """What a server counts, as Prometheus text; several servers in a process do not meet."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        ProcessCollector(registry=r)  # resident memory, processor time, open files
        named: dict[str, Any] = {"registry": r, "namespace": "sedtalker"}
        self.requests = Counter("requests", "Requests answered.", ["route", "status"], **named)
        self.duration = Histogram(
            "request_duration_seconds", "From a request to its answer.", ["route"], buckets=DURATION_BUCKETS, **named
        )
        self.waiting = Gauge("requests_waiting", "Recordings that are worked on or wait.", **named)
        self.streams = Gauge("streams", "Streams that are open.", **named)
        self.capacity = Gauge("stream_capacity", "Streams that this machine carries.", ["emotion"], **named)
        self.streams_opened = Counter("streams_opened", "Streams that were begun.", **named)
        self.closed = Counter("streams_closed", "Streams by the code they were closed with.", ["code"], **named)
        self.calls = Counter("grpc_calls", "Calls by gRPC by their status.", ["code"], **named)
        self.sound = Counter("audio_seconds", "Seconds of sound decoded.", ["source"], **named)
        self.frames = Counter("frames", "Frames sent to streams.", **named)
        self.queue = Gauge("sound_waiting_seconds", "Seconds of sound of all streams that wait to be decoded.", **named)
        self.latency = Histogram(
            "stream_latency_seconds", "From sound that completes a hop to its frames.", buckets=LATENCY_BUCKETS, **named
        )
        self.batch = Histogram(
            "batch_streams", "Streams that were decoded together.", buckets=(1, 2, 4, 8, 16, 32, 64, 128), **named
        )

    def text(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self.registry)


class StreamFailed(Exception):
    """Something unexpected happened to a stream; the log says what."""


class Member:
    """One stream of a pool, in the hands of an event loop.

    Args:
        pool: that decodes it.
        stream: fresh.
        sound_waiting: seconds of sound that may wait.
        frames_waiting: frames that may wait.
    """

    def __init__(self, pool: StreamPool, stream: AnimationStream, sound_waiting: float, frames_waiting: int):
        self.pool, self.stream = pool, stream
        self.step = stream.face.emotions.hop * FRAME_LENGTH
        self.most_sound = max(round(sound_waiting * SAMPLE_RATE), 2 * self.step)
        self.most_frames = frames_waiting
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._pieces: deque[Floats] = deque()
        self.waiting = 0
        """Samples that wait."""
        self._begun: deque[float] = deque()
        self._frames: deque[StreamedFrame] = deque()
        self._ended = self._finished = self._taken = False
        self._failure: Exception | None = None
        self.taken_at = 0.0

    # --- From the event loop.

    async def push(self, samples: Floats) -> None:
        """Add samples (N,), mono at 16 kHz; waits while too much sound waits.

        Raises:
            InputError, StreamFailed: the stream has failed.
        """
        while self.waiting >= self.most_sound and self._failure is None:
            self._changed.clear()
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure
        with self.pool.changed:
            before = self.waiting // self.step
            self._pieces.append(samples)
            self.waiting += len(samples)
            hops = self.waiting // self.step - before
            self._begun.extend([time.monotonic()] * hops)
            if hops:
                self.pool.changed.notify()

    def end(self) -> None:
        """No more sound will come."""
        with self.pool.changed:
            self._ended = True
            self.pool.changed.notify()

    async def frames(self) -> list[StreamedFrame]:
        """The next frames, one or more; none: the stream has ended.

        Raises:
            InputError, StreamFailed: the stream has failed.
        """
        while not self._frames:
            if self._failure is not None:
                raise self._failure
            if self._finished:
                return []
            self._changed.clear()
            await self._changed.wait()
        with self.pool.changed:
            found = list(self._frames)
            self._frames.clear()
            self.pool.changed.notify()
        return found

    # --- From the pool's thread, under its lock.

    @property
    def ready(self) -> bool:
        """Whether there is something to decode, and room for what comes of it."""
        if self._finished or self._taken or self._failure is not None or len(self._frames) >= self.most_frames:
            return False
        return self._ended or self.waiting >= self.step

    def take(self) -> tuple[Floats, bool, float | None]:
        """The next hop, whether it is the last, and when its sound was complete."""
        self._taken, self.taken_at = True, time.monotonic()
        last = self._ended and self.waiting <= self.step
        parts, missing = [], min(self.step, self.waiting)
        self.waiting -= missing
        while missing:
            piece = self._pieces.popleft()
            if len(piece) > missing:
                self._pieces.appendleft(piece[missing:])
                piece = piece[:missing]
            parts.append(piece)
            missing -= len(piece)
        began = self._begun.popleft() if self._begun else None
        return np.concatenate([np.zeros(0, np.float32), *parts]), last, began

    def give(self, made: list[StreamedFrame] | Exception, last: bool) -> None:
        """Hand over what came of it."""
        self._taken = False
        if isinstance(made, Exception):
            self._failure = made
        else:
            self._frames.extend(made)
            self._finished = last
        self._loop.call_soon_threadsafe(self._changed.set)

    def steps(self, samples: Floats, last: bool) -> Steps[list[StreamedFrame]]:
        """The work."""
        made = yield from self.stream.steps(samples)
        if last:
            made += yield from self.stream.last_steps()
        return made


class StreamPool:
    """The threads that decode.

    Args:
        monitoring: counts batches, latency and sound.
        threads: how many there are.
    """

    def __init__(self, monitoring: Monitoring, threads: int = 1):
        self.monitoring = monitoring
        self.changed = threading.Condition()
        self.members: list[Member] = []
        monitoring.queue.set_function(lambda: sum(m.waiting for m in tuple(self.members)) / SAMPLE_RATE)
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, name=f"sedtalker-streams-{k}", daemon=True) for k in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def join(self, member: Member) -> None:
        """Begin to decode a stream."""
        with self.changed:
            self.members.append(member)

    def leave(self, member: Member) -> None:
        """Forget a stream."""
        with self.changed:
            if member in self.members:
                self.members.remove(member)

    def close(self) -> None:
        """End the threads; what waits is lost."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def _run(self) -> None:
        one_thread()
        while True:
            with self.changed:
                while not self._closed and not any(member.ready for member in self.members):
                    self.changed.wait()
                if self._closed:
                    return
                ready = [member for member in self.members if member.ready]
                batch = ready[: -(-len(ready) // len(self._threads))]
                taken = [member.take() for member in batch]
                # Who was served last comes last; another list, because the count of what waits reads it meanwhile.
                self.members = sorted(self.members, key=lambda member: member.taken_at)
                self.changed.notify()
            made = self._decoded(batch, taken)
            now = time.monotonic()
            with self.changed:
                for member, (samples, last, began), result in zip(batch, taken, made, strict=True):
                    member.give(result, last)
                    self.monitoring.sound.labels("stream").inc(len(samples) / SAMPLE_RATE)
                    if began is not None:
                        self.monitoring.latency.observe(now - began)

    def _decoded(
        self, batch: Sequence[Member], taken: Sequence[tuple[Floats, bool, float | None]]
    ) -> list[list[StreamedFrame] | Exception]:
        """Frames of each stream, or why there are none."""
        works = [member.steps(samples, last) for member, (samples, last, _) in zip(batch, taken, strict=True)]
        self.monitoring.batch.observe(len(works))
        return [_said(made) for made in together(works)]


def _said(result: list[StreamedFrame] | Exception) -> list[StreamedFrame] | Exception:
    """An unexpected error is logged, and replaced by one that says nothing of the inside."""
    if isinstance(result, Exception) and not isinstance(result, InputError):
        log.error("a stream failed", exc_info=result)
        return StreamFailed(f"something went wrong ({type(result).__name__}); the server's log says more")
    return result


# --- How many streams a machine carries.

SECONDS = 12.0
"""Seconds of sound that are decoded; the last quarter is measured: a stream costs more once it knows some seconds."""
SYLLABLE = 0.25
"""Seconds of one of its syllables."""
PER_HOP = 0.9
"""Share of a stream's cost that grows with the number of its hops; the rest grows with the sound alone."""


@dataclass(frozen=True)
class StreamCost:
    """Processor time that a stream takes, in seconds for a second of sound with the default hop.

    Streams that are decoded together cost about a fifth less, which is the reserve.

    Attributes:
        found: where the diarizer finds the emotion.
        given: where the client gives it.
    """

    found: float
    given: float

    def of(self, stream: AnimationStream) -> float:
        """What a stream costs."""
        each = self.found if isinstance(stream.face.emotions, LateEmotions) else self.given
        return each * (1.0 - PER_HOP + PER_HOP * StreamSettings.hop / stream.settings.hop)


def measured_cost(animator: Animator) -> StreamCost:
    """The cost of streams on this machine, by the processor's time: other programs make no difference."""
    return StreamCost(*(_processor_time(animator, StreamSettings(emotion=emotion)) for emotion in (None, "happy")))


def _processor_time(animator: Animator, settings: StreamSettings) -> float:
    """Seconds of processor time for a second of sound whose syllables differ in level and spectrum, as in speech."""
    rng, syllables = np.random.default_rng(0), round(SECONDS / SYLLABLE)
    white = rng.standard_normal((syllables, round(SYLLABLE * SAMPLE_RATE)))
    low = white + np.roll(white, 1, axis=1) + np.roll(white, 2, axis=1)
    share, level = rng.uniform(0.0, 1.0, (syllables, 1)), 10 ** rng.uniform(-2.0, -0.7, (syllables, 1))
    sound = (level * (share * white + (1.0 - share) * low)).astype(np.float32).ravel()
    stream, before = animator.open_stream(settings), 3 * sound.size // 4
    list(stream.push(sound[:before]))
    began = time.thread_time()
    list(stream.push(sound[before:]))
    return (time.thread_time() - began) / (SECONDS / 4)
