"""The face while somebody speaks into the page's microphone: ``AnimationStream`` behind a WebSocket.

The page sends binary messages of 16-bit PCM (little-endian, mono, 16 kHz) and the text ``stop`` at the end. The server
sends, as JSON, ``{shapes, columns, labels, look_ahead, hop, fps}``; then binary messages of float32 rows: seconds since
the first sample, index of the emotion, its intensity, milliseconds that this piece of sound took to compute, weights of
all targets, rotation vector of the head × 3. After ``stop`` come the last rows and ``{"type": "end"}``.

Both directions are bounded. A page that does not read loses the oldest rows and gets ``{"type": "dropped",
"rows": n}``; a machine that computes more slowly than somebody speaks ends with ``{"type": "error", …}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import anyio
import numpy as np
from starlette.websockets import WebSocket

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.animation.animator import Models
from sedtalker.animation.articulation import TONGUE
from sedtalker.animation.performance import LiveMotion, StreamSettings
from sedtalker.arrays import Floats
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face
from sedtalker.live.outgoing import Outgoing
from sedtalker.nn import one_thread, torch_threads
from sedtalker.server.access import GONE
from sedtalker.studio.document import ClipSettings

SAMPLE_BYTES = 2
"""Bytes of a sample."""
LONGEST_PIECE = 16_000 * SAMPLE_BYTES
"""Bytes of a message: a second."""


def stream_settings(settings: ClipSettings) -> StreamSettings:
    """The settings of a document, for a stream."""
    shared = {held.name: getattr(settings, held.name) for held in fields(LiveMotion)}
    return StreamSettings(**shared, fps=settings.fps)


class LiveRows:
    """Sound in, rows for the page out; see the module for their columns.

    Args:
        face: whose targets the weights are of.

    Raises:
        InputError: the weights cannot stream.
    """

    def __init__(self, models: Models, face: Face, settings: StreamSettings):
        self.face, self.settings = face, settings
        self.stream = models.animator().open_stream(settings)
        streamed = [*ARKIT_52, *TONGUE]
        self.places = [(streamed.index(name), k) for k, name in enumerate(face.shapes) if name in streamed]

    @property
    def header(self) -> dict[str, Any]:
        """What the page gets first."""
        return {
            "shapes": self.face.basis_names,
            "columns": len(self.face.basis) + 7,
            "labels": list(CATEGORIES),
            "look_ahead": self.settings.look_ahead,
            "hop": self.settings.hop,
            "fps": self.settings.fps,
        }

    def push(self, pcm: bytes) -> Floats:
        """The rows that have become final with the next samples."""
        return self._rows(self.stream.push(np.frombuffer(pcm, "<i2").astype(np.float32) / 32768.0))

    def flush(self) -> Floats:
        """The rows that are left at the end of the sound."""
        return self._rows(self.stream.flush())

    def _rows(self, frames: Iterable[StreamedFrame]) -> Floats:
        began = time.perf_counter()
        with torch_threads(1):
            made = list(frames)  # computed here
        took = 1000.0 * (time.perf_counter() - began)
        coefficients = np.zeros((len(made), len(self.face.shapes)), np.float32)
        for row, frame in enumerate(made):
            weights = np.concatenate([frame.weights, frame.tongue])
            for source, place in self.places:
                coefficients[row, place] = weights[source]
        said = np.array([[f.time, CATEGORIES.index(f.emotion), f.intensity, took] for f in made], np.float32)
        head = np.array([frame.head for frame in made], np.float32)
        parts = [said.reshape(-1, 4), self.face.expand(coefficients), head.reshape(-1, 3)]
        return np.ascontiguousarray(np.concatenate(parts, axis=1), dtype="<f4")


async def run_live(socket: WebSocket, models: Models, face: Face, settings: StreamSettings) -> None:
    """Serve one stream, from the accepted socket to its end; never raises for a page that goes away."""
    loop = asyncio.get_running_loop()
    sound: asyncio.Queue[bytes | None] = asyncio.Queue(250)  # five seconds, of pieces of 20 ms
    outgoing, last = Outgoing[Floats](300), {"type": "end"}  # ten seconds of rows
    thread = ThreadPoolExecutor(1, "studio-live", initializer=one_thread)
    try:
        live = await loop.run_in_executor(thread, LiveRows, models, face, settings)
        await socket.send_json(live.header)

        def queue(rows: Floats) -> None:
            for row in rows:
                outgoing.add(row)

        async def computing() -> None:
            while (piece := await sound.get()) is not None:
                queue(await loop.run_in_executor(thread, live.push, piece))
            queue(await loop.run_in_executor(thread, live.flush))
            outgoing.end()

        async def sending() -> None:
            with contextlib.suppress(*GONE):
                await _send(socket, outgoing)
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(computing)
            group.start_soon(sending)
            if not await _receive(socket, sound):
                group.cancel_scope.cancel()
    except* InputError as errors:  # of the page's sound, or of what computes it
        last = {"type": "error", "error": str(errors.exceptions[0])}
    finally:
        thread.shutdown(wait=False, cancel_futures=True)
    with contextlib.suppress(*GONE):
        await socket.send_json(last)


async def _receive(socket: WebSocket, sound: asyncio.Queue[bytes | None]) -> bool:
    """Queue the sound until ``stop`` (True) or until the page goes (False).

    Raises:
        InputError: no sound, or more than can be computed.
    """
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return False
        if message.get("text") == "stop":
            await sound.put(None)
            return True
        piece = message.get("bytes")
        if not piece or len(piece) % SAMPLE_BYTES or len(piece) > LONGEST_PIECE:
            raise InputError("live sound is sent as 16-bit PCM, mono, 16 kHz, at most a second at a time")
        try:
            sound.put_nowait(piece)
        except asyncio.QueueFull:
            raise InputError("this machine is too slow: it decodes more slowly than you speak") from None


async def _send(socket: WebSocket, outgoing: Outgoing[Floats]) -> None:
    """Send the rows as they come; returns after the last."""
    while await outgoing.more():
        if outgoing.dropped:
            await socket.send_json({"type": "dropped", "rows": outgoing.dropped})
            outgoing.dropped = 0
        rows = np.stack(outgoing.waiting)
        outgoing.waiting.clear()
        await socket.send_bytes(rows.tobytes())
