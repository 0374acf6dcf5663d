# ruff: noqa: E501
"""Readers of what comes over a network."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from sedtalker.errors import InputError
from tests.fuzz import hostile
from tests.fuzz.target import BYTES, JSON, TEXT, Target, and_any, texts


def _hello(data: bytes) -> None:
    from sedtalker.server.options import StreamHello, parsed
    from sedtalker.server.streams import Reply, _is_end

    text = data.decode("utf-8", "replace")
    _is_end(text)
    hello = parsed(StreamHello, text, "hello")
    settings = hello.settings()
    json.dumps(Reply(hello).header(settings))


def _server_options(data: bytes) -> None:
    from sedtalker.server.options import AnimateOptions, DiarizeOptions, parsed

    text = data.decode("utf-8", "surrogateescape")
    with suppress(InputError):
        parsed(DiarizeOptions, text, "options")
    options = parsed(AnimateOptions, text, "options")
    options.check()
    options.track(0.6)
    for suffix in options.suffixes().values():
        assert "/" not in suffix


def _access(data: bytes) -> None:
    import asyncio

    from sedtalker.server.access import Access
    from sedtalker.studio.requests import Guard

    lines = data.split(b"\n")
    headers = [tuple(line.split(b": ", 1)) for line in lines if b": " in line]
    path = "/" + lines[0].decode("latin-1")
    reached = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        json.dumps(message, default=lambda held: held.decode("latin-1"))

    for kind in ("http", "websocket"):
        offered = [value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol"]
        scope = {"type": kind, "path": path, "headers": headers, "method": "GET", "subprotocols": ["bearer", *offered]}
        for guard in (Access(app, "secret", "127.0.0.1", 80), Guard(app, "secret", 80)):
            asyncio.run(guard(dict(scope), receive, send))
    allowed = b"secret" in data or path in ("/", "/v1/health", "/openapi.json")
    assert allowed or not reached, "let in without the token"


def _handshake(data: bytes) -> None:
    from sedtalker.live.ifacialmocap import IFacialMocapSender

    class Waiting:
        """A socket on which packets wait."""

        def __init__(self) -> None:
            self.waiting = [data[k : k + 256] for k in range(0, min(len(data), 4096), 256)]

        def recvfrom(self, most: int) -> tuple[bytes, tuple[str, int]]:
            if not self.waiting:
                raise BlockingIOError
            return self.waiting.pop(0), ("127.0.0.1", 5)

        def getsockname(self) -> tuple[str, int]:
            return "0.0.0.0", 49983

    sender = IFacialMocapSender.__new__(IFacialMocapSender)
    sender.receivers, sender.port = {}, 49983
    sender._answer(Waiting())  # type: ignore[arg-type]
    assert len(sender.receivers) <= 8


HELLO = '{"rate": 44100, "format": "f32le", "reply": "binary", "shapes": ["jawOpen"], "emotion": "happy:0.8", "fps": 30, "look_ahead": 0.3, "hop": 0.16, "gain": {"brows": 1.2}, "style": "clear"}'
ANIMATE = '{"to": ["glb", "track"], "emotion": [{"start": 0, "end": 0.5, "label": "happy", "intensity": 0.5}], "fps": 30, "light": "studio", "style": "articulation=0.5", "gain": {"jawOpen": 0.5}}'

TARGETS = (
    Target("first message of a stream", texts(HELLO), _hello, JSON, and_any(hostile.json_text)),
    Target("options of the server", texts(ANIMATE), _server_options, JSON, and_any(hostile.json_text)),
    Target("requests of strangers", texts("v1/animate\nhost: 127.0.0.1:80\nauthorization: Bearer x\norigin: http://127.0.0.1:80\nsec-websocket-protocol: x\n"), _access, TEXT, and_any(), 0.5),
    Target("packets of receivers", texts("iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719|sendDataVersion=v2"), _handshake, BYTES, and_any(), 0.3),
)  # fmt: skip
"""These readers."""
