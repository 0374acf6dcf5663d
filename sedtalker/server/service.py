"""What the routes of a server share: networks, faces, limits, counters, threads, and how it ends."""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from sedtalker.animation.animation_stream import AnimationStream
from sedtalker.animation.animator import Models
from sedtalker.face.face import Face
from sedtalker.nn import one_thread
from sedtalker.progress import Hook
from sedtalker.server.pool import Member, Monitoring, StreamCost, StreamPool, measured_cost
from sedtalker.server.work import CLOSING, Cancelled, cancelling


def return_memory() -> None:
    """Return what was freed to the system: glibc keeps it for each thread that has ever asked for some."""
    with suppress(AttributeError, OSError, TypeError):  # another library of C
        ctypes.CDLL(None).malloc_trim(0)


@dataclass(frozen=True)
class Limits:
    """Bounds that keep memory, disk and time finite whatever clients do.

    Attributes:
        clients: streams at once; further ones are refused with close code 1013. None: as many as this machine decodes
            in real time, by what a stream costs (``StreamCost``), measured when the server starts.
        requests: recordings that arrive, wait or are worked on; further ones are refused with status 503.
        seconds: of sound in a recording or a stream.
        bytes: of a request.
        idle: seconds that a stream may be silent on the wire, and a request stand still.
        stalled: seconds that a client may leave frames unread before it is closed.
        work: seconds that a recording may take to compute.
        sound_waiting: seconds of sound of a stream that wait to be decoded; then nothing more is read from the client.
        frames_waiting: frames of a stream that wait to be sent; then nothing more is decoded.
    """

    clients: int | None = None
    requests: int = 8
    seconds: float = 3600.0
    bytes: int = 64 * 2**20
    idle: float = 30.0
    stalled: float = 10.0
    work: float = 600.0
    sound_waiting: float = 4.0
    frames_waiting: int = 600


MOST_STREAMS = 1024
"""Streams at once on any machine, unless ``Limits.clients`` says otherwise: each holds a socket and some memory."""
FULL = "the server is full: try again later"
"""Said to who asks for one stream too many."""
R = TypeVar("R")
"""What work gives."""


class Busy(Exception):
    """Too much is asked at once; later it will do."""


@dataclass
class Service:
    """A running server's insides.

    Attributes:
        faces: further faces by name, beside the built-in ones.
        workers: recordings that are worked on at once.
        threads: that decode streams.
    """

    limits: Limits = field(default_factory=Limits)
    faces: Mapping[str, Face] = field(default_factory=dict)
    workers: int = 1
    threads: int = 1
    models: Models = field(default_factory=Models)

    def __post_init__(self) -> None:
        self.monitoring = Monitoring()
        self.pool = StreamPool(self.monitoring, self.threads)
        self._thread = ThreadPoolExecutor(self.workers, "sedtalker-work", initializer=one_thread)
        self.ready = False
        self.failure: Exception | None = None
        self.closing = asyncio.Event()
        self.streams = self.requests = 0
        self.cost: StreamCost | None = None
        self.load = 0.0
        """Cores that the open streams take."""

    def warm(self) -> None:
        """Open all networks, so that the first client does not wait for them, and measure what a stream costs."""
        animator = self.models.animator()
        _ = animator.diarizer
        if self.limits.clients is None:
            self.cost = measured_cost(animator)
            self.monitoring.capacity.labels("found").set(self.threads / self.cost.found)
            self.monitoring.capacity.labels("given").set(self.threads / self.cost.given)
        self.ready = True

    async def opened(self, work: Callable[..., R], *args: object) -> R:
        """Run something short that touches the disk or the networks in a thread."""
        return await asyncio.get_running_loop().run_in_executor(None, work, *args)

    def _check_open(self) -> None:
        if self.closing.is_set():
            raise Cancelled(CLOSING)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A place among the requests that are received, wait or are worked on.

        Raises:
            Busy: there are as many as there may be.
            Cancelled: the server is closing.
        """
        self._check_open()
        if self.requests >= self.limits.requests:
            raise Busy("the server is busy: try again in a few seconds")
        self.requests += 1
        self.monitoring.waiting.set(self.requests)
        try:
            yield
        finally:
            self.requests -= 1
            self.monitoring.waiting.set(self.requests)

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """A place among the streams.

        ``Busy`` and ``Cancelled`` are raised as by ``admitted``.
        """
        self._check_open()
        if self.streams >= (self.limits.clients or MOST_STREAMS):
            raise Busy(FULL)
        self.streams += 1
        self.monitoring.streams.set(self.streams)
        self.monitoring.streams_opened.inc()
        try:
            yield
        finally:
            self.streams -= 1
            self.monitoring.streams.set(self.streams)

    @contextmanager
    def carrying(self, stream: AnimationStream) -> Iterator[None]:
        """The part of this machine that a stream takes while it is open.

        Raises:
            Busy: the machine could not decode it in real time beside the others.
        """
        cost = 0.0 if self.cost is None else self.cost.of(stream)
        if self.load and self.load + cost > self.threads:
            raise Busy(FULL)
        self.load += cost
        try:
            yield
        finally:
            self.load = max(0.0, self.load - cost)

    def member(self, stream: AnimationStream) -> Member:
        """A fresh stream for the pool, which ``streams.exchanged`` puts into it."""
        return Member(self.pool, stream, self.limits.sound_waiting, self.limits.frames_waiting)

    async def worked(self, work: Callable[[Hook], R], gone: Callable[[], bool]) -> R:
        """Run long work of a request that was ``admitted`` in a worker's thread, after that of others.

        Args:
            work: gets a hook that ends it.
            gone: whether the client has gone.

        Raises:
            Cancelled: the client has gone, the work took too long, or the server is closing.
        """
        stopped = threading.Event()
        hook = cancelling(lambda: stopped.is_set() or gone() or self.closing.is_set(), self.limits.work)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, hook)
        finally:
            stopped.set()

    def close(self) -> None:
        self.pool.close()
        self._thread.shutdown(wait=True, cancel_futures=True)
