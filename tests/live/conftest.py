"""A made-up face, UDP receivers on loopback, and a clock that only moves when somebody sleeps."""

from __future__ import annotations

import heapq
import socket
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.live.senders import Target


def frame(time: float = 0.0, head: tuple[float, float, float] = (0.0, 0.0, 0.0), **weights: float) -> StreamedFrame:
    values = np.zeros(len(ARKIT_52), np.float32)
    for name, value in weights.items():
        values[INDEX[name]] = value
    return StreamedFrame(time, values, np.asarray(head, np.float32), "happy", 0.5)


def target(host: str, port: int, **options: str) -> Target:
    return Target("", host, port, options)


class Receiver:
    """A UDP socket of somebody who listens."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.socket.settimeout(5.0)
        self.host, self.port = self.socket.getsockname()

    def packet(self) -> bytes:
        return self.socket.recv(65536)

    def waiting(self) -> list[bytes]:
        self.socket.setblocking(False)
        found = []
        try:
            while True:
                found.append(self.socket.recv(65536))
        except BlockingIOError:
            return found
        finally:
            self.socket.settimeout(5.0)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    listening = Receiver()
    yield listening
    listening.socket.close()


class SimulatedClock:
    """Time that passes only where somebody sleeps, plus what ``work`` costs."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.lock = threading.Lock()

    def now(self) -> float:
        return self.time

    def sleep_until(self, moment: float) -> None:
        while self.events and self.events[0][0] <= moment:
            when, _, event = heapq.heappop(self.events)
            self.time = max(self.time, when)
            event()
        self.time = max(self.time, moment)

    def at(self, moment: float, event: Callable[[], None]) -> None:
        heapq.heappush(self.events, (moment, len(self.events), event))


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


class Kept:
    """A sender that keeps what it was sent, and when."""

    def __init__(self, clock: SimulatedClock | None = None):
        self.frames: list[StreamedFrame] = []
        self.times: list[float] = []
        self.clock, self.closed = clock, 0

    def send(self, frame: StreamedFrame) -> None:
        self.frames.append(frame)
        if self.clock is not None:
            self.times.append(self.clock.now())

    def close(self) -> None:
        self.closed += 1
