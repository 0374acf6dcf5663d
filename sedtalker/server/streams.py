"""One stream over a WebSocket: sound in, frames out, and how it ends.

The client's first message is JSON (``StreamHello``). The server answers ``{"type": "ready", …}``; then the client
sends binary messages of PCM, cut anywhere, and ``{"type": "end"}``. The server sends ``{"type": "frames", "frames":
[…]}``, or with ``"reply": "binary"`` rows of little-endian float32: time, index of the emotion, intensity, head × 3,
weights. Last comes ``{"type": "end", "seconds": …, "count": …}``, and the socket is closed with 1000. Anything
else ends with ``{"type": "error", "error": "one line"}`` and a code of ``Ended``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from starlette.websockets import WebSocket, WebSocketState

from sedtalker.animation.animation_stream import StreamedFrame, frame_delay
from sedtalker.animation.performance import StreamSettings
from sedtalker.audio.pipe import PcmStream
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.reading import parse_json
from sedtalker.server.access import BEARER, GONE
from sedtalker.server.options import StreamHello, parsed
from sedtalker.server.pool import Member, StreamFailed
from sedtalker.server.service import Busy, Limits, Service, return_memory
from sedtalker.server.work import CLOSING, Cancelled

HELLO_SECONDS = 10.0
"""In which the first message has to come."""
LAST_SECONDS = 2.0
"""For frames of what has come when the server ends."""
MOST_FRAMES = 120
"""Frames in one message."""
PIECE = 2**16
"""Bytes of a message that are resampled at once; a rate of 1,000 Hz makes sixteen times as many of them."""
DONE, GOING_AWAY, UNSUPPORTED, WRONG, REFUSED, FAILED, LATER = 1000, 1001, 1003, 1007, 1008, 1011, 1013
"""Close codes: all sent, the server ends, a message of another kind, a message that cannot be read, a limit, an
unexpected error, too many clients."""
LONGEST_REASON = 120
"""Bytes of a reason that a close frame holds."""
M = TypeVar("M")
"""A message."""


class Ended(Exception):
    """The stream ends early.

    Attributes:
        code: of the close frame.
        why: one line for the client.
    """

    def __init__(self, code: int, why: str):
        super().__init__(why)
        self.code, self.why = code, why


class Gone(Exception):
    """The client has gone."""


class Reply:
    """Frames as a client wants them."""

    def __init__(self, hello: StreamHello):
        self.hello = hello
        self.places = [ARKIT_52.index(name) for name in hello.shapes]

    def header(self, settings: StreamSettings) -> dict[str, Any]:
        """The first message."""
        return {
            "type": "ready",
            "shapes": list(self.hello.shapes),
            "labels": list(CATEGORIES),
            "fps": settings.fps,
            "look_ahead": settings.look_ahead,
            "hop": settings.hop,
            "delay": round(frame_delay(settings), 3),
            "columns": 6 + len(self.places),
        }

    def messages(self, frames: list[StreamedFrame]) -> Iterator[str | bytes]:
        """Messages of at most ``MOST_FRAMES``."""
        for start in range(0, len(frames), MOST_FRAMES):
            part = frames[start : start + MOST_FRAMES]
            yield self._rows(part) if self.hello.reply == "binary" else self._text(part)

    def _text(self, frames: list[StreamedFrame]) -> str:
        named = [
            {
                "time": frame.time,
                "emotion": frame.emotion,
                "intensity": round(frame.intensity, 3),
                "head": [round(float(v), 4) for v in frame.head],
                "weights": {
                    name: round(float(frame.weights[place]), 4)
                    for name, place in zip(self.hello.shapes, self.places, strict=True)
                },
            }
            for frame in frames
        ]
        return json.dumps({"type": "frames", "frames": named}, separators=(",", ":"))

    def _rows(self, frames: list[StreamedFrame]) -> bytes:
        rows = np.zeros((len(frames), 6 + len(self.places)), "<f4")
        for row, frame in zip(rows, frames, strict=True):
            row[:3] = frame.time, CATEGORIES.index(frame.emotion), frame.intensity
            row[3:6], row[6:] = frame.head, frame.weights[self.places]
        return rows.tobytes()


async def serve_stream(socket: WebSocket, service: Service) -> None:
    """One stream from its opening to its end; never raises for what a client does."""
    await socket.accept(subprotocol=BEARER if socket.scope.get("subprotocols", [])[:1] == [BEARER] else None)
    code, why = DONE, ""
    try:
        with service.streaming():
            await _stream(socket, service)
    except Busy as error:
        code, why = LATER, str(error)
    except Cancelled as error:
        code, why = GOING_AWAY, str(error)
    except Ended as ended:
        code, why = ended.code, ended.why
    except InputError as error:
        code, why = REFUSED, str(error)
    except StreamFailed as error:
        code, why = FAILED, str(error)
    except (Gone, *GONE):
        code = 1006
    await _close(socket, service, code, why)
    await tidied(service)


async def tidied(service: Service) -> None:
    """Return memory to the system when the last stream has ended."""
    if not service.streams and not service.closing.is_set():
        await service.opened(return_memory)


async def _close(socket: WebSocket, service: Service, code: int, why: str) -> None:
    """Say why, if there is something to say, and close; a client that does not read is not waited for."""
    service.monitoring.closed.labels(str(code)).inc()
    if code == 1006 or socket.client_state is not WebSocketState.CONNECTED:
        return
    reason = why.encode()[:LONGEST_REASON].decode(errors="ignore")
    with contextlib.suppress(*GONE, TimeoutError):
        async with asyncio.timeout(1.0):
            if code not in (DONE, LATER):
                await socket.send_text(json.dumps({"type": "error", "error": why}))
            await socket.close(code, reason)


async def _stream(socket: WebSocket, service: Service) -> None:
    hello = await _hello(socket, service)
    settings = hello.settings()
    sound, reply = PcmStream(hello.format, hello.rate), Reply(hello)
    stream = await service.opened(lambda: service.models.animator().open_stream(settings))
    member = service.member(stream)

    async def receive() -> bytes | None:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise Gone
        if message.get("text") is None:
            return bytes(message["bytes"])
        if not _is_end(message["text"]):
            raise Ended(WRONG, 'sound is sent as binary messages, and its end as {"type": "end"}')
        return None

    async def write(message: str | bytes) -> None:
        await (socket.send_text(message) if isinstance(message, str) else socket.send_bytes(message))

    with service.carrying(stream):
        await socket.send_text(json.dumps(reply.header(settings)))
        count = await exchanged(service, sound, member, receive, reply.messages, write)
    await socket.send_text(json.dumps({"type": "end", "seconds": round(sound.seconds, 4), "count": count}))


async def _hello(socket: WebSocket, service: Service) -> StreamHello:
    """The first message.

    Raises:
        Ended: none came, or none that can be read, or the server ends.
        Gone: the client has.
    """
    coming, closing = asyncio.ensure_future(socket.receive()), asyncio.create_task(service.closing.wait())
    try:
        first = asyncio.wait({coming, closing}, return_when=asyncio.FIRST_COMPLETED)
        await in_time(first, HELLO_SECONDS, "no first message came within")
        if not coming.done():
            raise Ended(GOING_AWAY, CLOSING)
        message = coming.result()
    finally:
        coming.cancel()
        closing.cancel()
    if message["type"] == "websocket.disconnect":
        raise Gone
    if message.get("text") is None:
        raise Ended(UNSUPPORTED, 'the first message is JSON: {"rate": 16000, "format": "s16le"}')
    try:
        return parsed(StreamHello, message["text"], "the first message")
    except InputError as error:
        raise Ended(WRONG, str(error)) from None


def _is_end(text: str) -> bool:
    try:
        return text == "end" or dict(parse_json(text, "the message")).get("type") == "end"
    except (ValueError, TypeError):  # not JSON, or no object
        return False


# --- Sound in and frames out, whatever they are sent by.


async def in_time(coming: Awaitable[M], seconds: float, why: str) -> M:
    """What comes within so many seconds.

    Raises:
        Ended: it does not; ``why`` is how the line begins.
    """
    try:
        async with asyncio.timeout(seconds):
            return await coming
    except TimeoutError:
        raise Ended(REFUSED, f"{why} {seconds:.0f} s") from None


async def exchanged(
    service: Service,
    sound: PcmStream,
    member: Member,
    receive: Callable[[], Awaitable[bytes | None]],
    messages: Callable[[list[StreamedFrame]], Iterable[M]],
    write: Callable[[M], Awaitable[None]],
) -> int:
    """Decode a stream: sound comes and frames go, at the same time, until both have ended.

    Args:
        receive: waits for the next bytes of sound; None: it has ended.
        messages: those of some frames.
        write: sends one, and waits while the client does not read.

    Returns:
        How many frames were sent.

    Raises:
        Ended: a message that cannot be used, a limit, or the server ends.
        Gone: the client has.
        InputError, StreamFailed: the stream has failed.
    """
    service.pool.join(member)
    receiving = asyncio.create_task(_receive(service.limits, sound, member, receive))
    sending = asyncio.create_task(_send(service, member, messages, write))
    closing = asyncio.create_task(service.closing.wait())
    try:
        await asyncio.wait({receiving, sending, closing}, return_when=asyncio.FIRST_COMPLETED)
        if closing.done():
            receiving.cancel()
            member.end()  # what has come is still decoded and sent
        elif receiving.done() and receiving.exception() is None:
            await asyncio.wait({sending, closing}, return_when=asyncio.FIRST_COMPLETED)
        if receiving.done() and not receiving.cancelled() and (error := receiving.exception()) is not None:
            raise error
        if closing.done():
            await asyncio.wait({sending}, timeout=LAST_SECONDS)
            raise Ended(GOING_AWAY, CLOSING)
        return await sending
    finally:
        service.pool.leave(member)
        for task in (receiving, sending, closing):
            task.cancel()
        await asyncio.gather(receiving, sending, closing, return_exceptions=True)


async def _receive(
    limits: Limits, sound: PcmStream, member: Member, receive: Callable[[], Awaitable[bytes | None]]
) -> None:
    """Sound until its end."""
    while (data := await in_time(receive(), limits.idle, "no sound came for")) is not None:
        for start in range(0, len(data), PIECE):
            samples = sound.push(data[start : start + PIECE])
            if sound.seconds > limits.seconds:
                raise Ended(REFUSED, f"a stream of this server ends after {limits.seconds:.0f} s")
            await member.push(samples)
    await member.push(sound.flush())
    member.end()


async def _send(
    service: Service,
    member: Member,
    messages: Callable[[list[StreamedFrame]], Iterable[M]],
    write: Callable[[M], Awaitable[None]],
) -> int:
    """All frames, as they come; how many."""
    count = 0
    while frames := await member.frames():
        for message in messages(frames):
            await in_time(write(message), service.limits.stalled, "no frame was read for")
        count += len(frames)
        service.monitoring.frames.inc(len(frames))
    return count
