"""Servers in this process, on the loopback interface and real sockets, that share one set of networks."""

from __future__ import annotations

import contextlib
import functools
import io
import socket
import threading
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import numpy as np
import pytest
import uvicorn

from sedtalker.animation.animator import Models
from sedtalker.server.access import bound_socket, configured
from sedtalker.server.server import _Server, make_app
from sedtalker.server.service import Limits, Service

# The certificates of the system are read once, and not at every request over http.
httpx._transports.default.create_ssl_context = functools.cache(httpx._transports.default.create_ssl_context)

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"
TOKEN = "a-token-of-the-tests"
SECONDS = 2.0
"""Of speech in the tests."""


@dataclass
class Running:
    """A server."""

    service: Service
    port: int
    uvicorn: uvicorn.Server
    grpc_port: int | None = None
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {TOKEN}"})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/stream"

    def post(self, path: str, sound: bytes, options: str = "{}", name: str = "speech.wav") -> httpx.Response:
        files = {"audio": (name, sound)}
        return httpx.post(self.url + path, files=files, data={"options": options}, headers=self.headers, timeout=300)

    def counted(self, name: str) -> float:
        """A counter without labels, or the sum over them."""
        from prometheus_client.parser import text_string_to_metric_families

        text = httpx.get(f"{self.url}/metrics", headers=self.headers).text
        return sum(s.value for family in text_string_to_metric_families(text) for s in family.samples if s.name == name)


@contextlib.contextmanager
def running(
    models: Models,
    limits: Limits = Limits(),
    token: str | None = TOKEN,
    buffer: int | None = None,
    grpc: bool = False,
    **options,
) -> Iterator[Running]:
    """A server that is ready; ``buffer``: bytes of an answer that the system holds for a client that does not read.

    It does not measure what a stream costs, which takes a second or two: 64 streams where no limit is given.
    """
    service = Service(replace(limits, clients=limits.clients or 64), models=models, **options)
    bound = bound_socket(0)
    if buffer is not None:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    port = bound.getsockname()[1]

    @contextlib.asynccontextmanager
    async def beside():
        if not grpc:
            yield
            return
        from sedtalker.server.ace import serving

        async with serving(service, token, "127.0.0.1", 0, 1.0) as made.grpc_port:
            yield

    app = make_app(service, token, "127.0.0.1", port, beside=beside)
    server = _Server(configured(app, 3, 2**20), service)
    made = Running(service, port, server)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    until = time.monotonic() + 300
    while not service.ready and time.monotonic() < until:
        time.sleep(0.02)
    try:
        yield made
    finally:
        server.should_exit = True
        thread.join(timeout=30)


@pytest.fixture(scope="session")
def models() -> Models:
    return Models()


@pytest.fixture(scope="session")
def server(models) -> Iterator[Running]:
    """A server with the usual limits."""
    with running(models) as made:
        yield made


@pytest.fixture(scope="session")
def samples() -> np.ndarray:
    """Speech, (N,) float32 that 16 bits hold."""
    from sedtalker.audio import load_audio

    sound = load_audio(SAMPLE).samples[16000 : 16000 + round(16000 * SECONDS)]
    return (np.round(sound * 32767) / 32768).astype(np.float32)


@pytest.fixture(scope="session")
def pcm(samples) -> bytes:
    return np.round(samples * 32768).astype("<i2").tobytes()


@pytest.fixture(scope="session")
def wav(pcm) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(pcm)
    return held.getvalue()
