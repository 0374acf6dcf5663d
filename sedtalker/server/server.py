"""A server from its beginning to its end: Starlette on uvicorn.

It ends on SIGTERM or Ctrl-C: streams get the frames of what they have sent and are closed with 1001; work on
recordings ends at its next step. What is not done after ``GRACE`` seconds is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from sedtalker.errors import InputError
from sedtalker.export.usd import check_usd
from sedtalker.live.senders import plain_origin
from sedtalker.server.access import Access, EndingProtocol, configured
from sedtalker.server.routes import Routes
from sedtalker.server.service import Service

GRACE = 3.0
"""Seconds that streams and requests are given when the server ends."""
LARGEST_MESSAGE = 2**20
"""Bytes of a message of a stream; larger ones close it with 1009, before the stream sees them."""
FILES = 65_536
"""Open files, sockets included, that are asked of the system."""


def make_app(
    service: Service,
    token: str | None,
    host: str,
    port: int,
    origins: Sequence[str] = (),
    started: Callable[[], None] = lambda: None,
    beside: Callable[[], contextlib.AbstractAsyncContextManager[Any]] = contextlib.nullcontext,
) -> ASGIApp:
    """The ASGI application.

    Args:
        token: None: nobody needs one.
        port: of the server, for ``Host`` and ``Origin``.
        origins: further pages that may ask, also by ``fetch``.
        started: called once the networks are open.
        beside: what is served in the same loop from the beginning to the end.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async def warm() -> None:
            try:
                await service.opened(service.warm)
            except Exception as error:  # the server ends with it
                service.failure = error
                signal.raise_signal(signal.SIGTERM)
            else:
                started()

        try:
            async with beside():
                task = asyncio.create_task(warm())
                yield
                service.closing.set()
                task.cancel()
        except InputError as error:  # a port that is taken
            service.failure = error
            raise
        await asyncio.get_running_loop().run_in_executor(None, service.close)

    routes = Routes(service)
    app = Starlette(routes=routes.table(), exception_handlers=routes.errors(), lifespan=lifespan)
    pages = [plain_origin(origin) for origin in origins]
    guarded = Access(app, token, host, port, pages)
    if not pages:
        return guarded
    shown = ["Content-Disposition"]
    return CORSMiddleware(guarded, pages, ["GET", "POST"], ["Authorization"], expose_headers=shown)


class _Server(uvicorn.Server):
    """Tells the streams before it ends."""

    def __init__(self, config: uvicorn.Config, service: Service):
        super().__init__(config)
        self.service = service
        self._ending: asyncio.Task[None] | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._ending is not None:  # asked twice: at once
            super().handle_exit(sig, frame)
            return
        self._loop.call_soon_threadsafe(self._end, sig, frame)

    def _end(self, sig: int, frame: FrameType | None) -> None:
        if self._ending is None:
            self._ending = self._loop.create_task(self._ended(sig, frame))

    async def _ended(self, sig: int, frame: FrameType | None) -> None:
        self.service.closing.set()
        until = self._loop.time() + GRACE
        while self._streams() and self._loop.time() < until:
            await asyncio.sleep(0.02)
        super().handle_exit(sig, frame)

    def _streams(self) -> bool:
        """Whether streams go on, or clients have not read yet how theirs ended: a reset would take that from them."""
        return self.service.streams > 0 or any(isinstance(c, EndingProtocol) for c in self.server_state.connections)


def serve(app: ASGIApp, service: Service, bound: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    with contextlib.suppress(InputError):  # whoever asks for USD then reads what to install
        check_usd()
    more_files()
    config = configured(
        app,
        GRACE,
        LARGEST_MESSAGE,
        log_level="critical",
        timeout_keep_alive=10,
        ws_max_queue=8,
        ws_ping_interval=None,  # a stream that is not read has no answer to read either; it has limits of its own
        ws_per_message_deflate=False,
    )
    with contextlib.suppress(KeyboardInterrupt):  # the usual end
        try:
            _Server(config, service).run(sockets=[bound])
        except SystemExit:  # uvicorn's, where it could not begin
            if service.failure is None:
                raise
    if service.failure is not None:
        raise service.failure


def more_files() -> None:
    """Let more sockets be open than the few that shells allow; many clients are then refused, not left waiting."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
