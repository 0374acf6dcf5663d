"""A WebSocket server that gives every page and program the face as JSON lines, see ``senders``.

Each client has a short queue of its own; one that reads too slowly loses the oldest frames and learns how many and why
in a line ``{"dropped": n, "why": …}``, one that has stopped reading is let go. Pages are served when they come from
this machine (``http://localhost:…``) or from the origin that was named: a browser lets any page knock.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from concurrent.futures import Future
from http import HTTPStatus
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import WebSocketException
from websockets.http11 import Request, Response

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.errors import InputError
from sedtalker.live.outgoing import Outgoing
from sedtalker.live.senders import Target, frame_line, header_line, plain_origin, resolve

PORT = 8765
"""Usual port."""
MOST_CLIENTS = 32
"""Clients at once; others are refused with 503."""
QUEUE = 30
"""Frames that may wait for a client: half a second."""
PATIENCE = 10.0
"""Seconds after which a client that takes nothing is let go."""
TOO_SLOW = f"this client reads too slowly: more than {QUEUE} frames waited"
"""Why frames were left out for one client."""
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
"""Hosts of pages that are served without being named."""


class WebSocketSender:
    """Serves clients from a thread of its own.

    Args:
        target: port 0 takes a free one, see ``port`` of the object. The option ``origin`` is of pages on other hosts
            that are served, as ``https://example.org``, ``*`` for any; ``names``: every line names its shapes.
        fps: frames a second, for the first line.
        patience: seconds, see ``PATIENCE``.
    """

    def __init__(self, target: Target, fps: float, patience: float = PATIENCE):
        self.host, self.port, self.patience = target.host, target.port_or(PORT), patience
        origin, self.named = target.options.get("origin"), target.yes("names", False)
        self.origin = origin if origin in (None, "*") else plain_origin(origin)
        self.header = header_line(fps)
        resolve(self.host, self.port)[0].close()  # an unknown host is said as by other protocols
        self.clients: set[Outgoing[str]] = set()
        self.loop = asyncio.new_event_loop()
        self.stop = asyncio.Event()
        opened: Future[int] = Future()
        self.thread = threading.Thread(target=self._run, args=(opened,), name="live-websocket", daemon=True)
        self.thread.start()
        try:
            self.port = opened.result()
        except OSError as error:
            reason = re.split(r"[:\]] ", error.strerror or str(error))[-1].lower()  # asyncio says more before it
            where, other = f"ws://{self.host}:{self.port}", f"ws://:{self.port + 1}"
            raise InputError(f"{where}: cannot serve there ({reason}); give another port, as {other}") from None

    def send(self, frame: StreamedFrame) -> None:
        if self.clients:
            self.loop.call_soon_threadsafe(self._give, frame_line(frame, self.named))

    def close(self) -> None:
        """See ``Sender``: what waits is sent, clients get a proper end, within a second or two."""
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.stop.set)
            self.thread.join(3.0)

    def _give(self, line: str) -> None:
        for client in self.clients:
            client.add(line)

    def _run(self, opened: Future[int]) -> None:
        with contextlib.closing(self.loop):
            self.loop.run_until_complete(self._serve(opened))

    async def _serve(self, opened: Future[int]) -> None:
        options = {"process_request": self._admit, "max_size": 1024, "close_timeout": 1, "compression": None}
        try:
            server = await serve(self._client, self.host, self.port, **options)  # type: ignore[arg-type]
        except OSError as error:
            opened.set_exception(error)
            return
        async with server:
            opened.set_result(next(iter(server.sockets)).getsockname()[1])
            await self.stop.wait()
            for client in self.clients:
                client.end()
            deadline = self.loop.time() + 1.0
            while self.clients and self.loop.time() < deadline:
                await asyncio.sleep(0.01)

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse pages of other hosts, and clients beyond ``MOST_CLIENTS``."""
        origin = request.headers.get("Origin")
        if origin is not None and self.origin not in ("*", origin) and _host(origin) not in LOCAL_HOSTS:
            return connection.respond(HTTPStatus.FORBIDDEN, "this page's origin was not named: ws://…?origin=…\n")
        if len(self.clients) >= MOST_CLIENTS:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "too many clients\n")
        return None

    async def _client(self, connection: ServerConnection) -> None:
        client = Outgoing[str](QUEUE)
        self.clients.add(client)
        reading = asyncio.create_task(_ignore(connection, client))
        try:
            await self._take(connection, self.header)
            await self._write(connection, client)
        except (WebSocketException, OSError):
            pass
        except TimeoutError:
            connection.transport.abort()
        finally:
            self.clients.discard(client)
            reading.cancel()

    async def _write(self, connection: ServerConnection, client: Outgoing[str]) -> None:
        """Send what waits, until the end."""
        while await client.more():
            if client.dropped:
                lost, client.dropped = client.dropped, 0
                await self._take(connection, json.dumps({"dropped": lost, "why": TOO_SLOW}))
            await self._take(connection, client.waiting.popleft())

    async def _take(self, connection: ServerConnection, line: str) -> None:
        await asyncio.wait_for(connection.send(line), self.patience)


async def _ignore(connection: ServerConnection, client: Outgoing[str]) -> None:
    """Read what a client says, so that its end is noticed."""
    with contextlib.suppress(WebSocketException, OSError):
        async for _ in connection:
            pass
    client.waiting.clear()
    client.end()


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None
