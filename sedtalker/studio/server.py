"""The studio's server: one process, one session, one page; Starlette on uvicorn, on the loopback interface only.

Three threads. The event loop answers and never computes. The session's thread runs everything that reads or changes the
session, one after another, decoding included. The jobs' thread runs what takes long: analysing, registering, exporting.
What can be asked, and in which form, is in ``sedtalker.studio.routes``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mimetypes
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import torch

from sedtalker.errors import InputError, extra
from sedtalker.studio.autosave import Left, StudioFolder
from sedtalker.studio.jobs import Events, Job, Jobs
from sedtalker.studio.opening import Then, Work
from sedtalker.studio.session import Session

with extra("studio"):
    import uvicorn
    from starlette.applications import Starlette

log = logging.getLogger(__name__)

R = TypeVar("R")
"""What a function gives."""

HOST = "127.0.0.1"
"""The interface: nothing but this machine can reach it."""
GRACE = 3
"""Seconds that open requests are given when the studio is closed."""
AUTOSAVE_PAUSE = 0.7
"""Seconds after an edit until it is kept; edits in between are kept with it."""
IDLE = 1.5
"""Seconds without a request for motion after which a long recording is decoded as a whole."""


class Studio:
    """A session, the threads that work on it, and the pages that watch it.

    Args:
        session: what is edited.
        home: the studio's folder: uploads, what the page plays, results of exports, unsaved edits.
    """

    def __init__(self, session: Session, home: StudioFolder):
        self.session, self.home = session, home
        self.left: Left | None = home.left_by_others()
        self.events = Events()
        self.jobs = Jobs(self.events, self.on_session)
        self._thread = ThreadPoolExecutor(1, "studio-session", initializer=torch.set_num_threads, initargs=(1,))
        self._aside = ThreadPoolExecutor(1, "studio-aside", initializer=torch.set_num_threads, initargs=(1,))
        self._saving: asyncio.Task[None] | None = None
        self._exact: asyncio.Task[None] | None = None

    @property
    def folder(self) -> Path:
        """Of this studio."""
        return self.home.path

    async def on_session(self, work: Callable[..., R], *args: Any) -> R:
        """Run ``work`` in the session's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    def start(self, kind: str, work: Work, then: Then) -> Job:
        """Begin a job whose result changes what the page shows."""

        def taken(made: Any) -> Any:
            result = then(made)
            loop.call_soon_threadsafe(self.touched)
            return result

        loop = asyncio.get_running_loop()
        return self.jobs.start(kind, work, taken)

    def touched(self) -> None:
        """The session has changed: say so, and keep it before long."""
        self.events.publish({"type": "state", "revision": self.session.revision})
        if self._saving is None or self._saving.done():
            self._saving = asyncio.get_running_loop().create_task(self._autosave())

    async def _autosave(self) -> None:
        await asyncio.sleep(AUTOSAVE_PAUSE)
        self._saving = None  # an edit from here on is kept by the next one
        dirty, snapshot = await self.on_session(self._unsaved)
        loop = asyncio.get_running_loop()
        try:
            if dirty:
                await loop.run_in_executor(self._aside, self.home.save, snapshot.project, snapshot.clip.name)
            else:
                await loop.run_in_executor(self._aside, self.home.clear)
        except InputError as error:
            log.warning(f"unsaved edits could not be kept: {error}")

    def _unsaved(self) -> tuple[bool, Any]:
        return (True, self.session.snapshot()) if self.session.dirty else (False, None)

    def motion_asked(self) -> None:
        """Motion was shown; when nothing more is asked for, decode a long recording as a whole."""
        if self._exact is not None:
            self._exact.cancel()
        self._exact = asyncio.get_running_loop().create_task(self._decode_exactly())

    async def _decode_exactly(self) -> None:
        await asyncio.sleep(IDLE)
        if self.jobs.running:
            return
        wanted = await self.on_session(self.session.inexact)
        if wanted is not None:
            decode, take = wanted
            motion = await asyncio.get_running_loop().run_in_executor(self._aside, decode)
            await self.on_session(take, motion)

    def close(self) -> None:
        """Cancel the jobs, keep unsaved edits, end the threads."""
        self.jobs.close()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._aside.shutdown(wait=True, cancel_futures=True)
        if self.left is not None:
            self.left.lock.close()
        if self.session.dirty:
            snapshot = self.session.snapshot()
            with contextlib.suppress(InputError):
                self.home.save(snapshot.project, snapshot.clip.name)
        else:
            self.home.clear()


def make_app(studio: Studio, token: str, port: int, started: Callable[[], Any] | None = None) -> Any:
    """The ASGI application.

    Args:
        studio: what it serves.
        token: first segment of every path.
        port: of the server, for ``Host`` and ``Origin``.
        started: called in the event loop once it runs; begins the first job.
    """
    from sedtalker.studio.routes import Routes
    from sedtalker.studio.security import Guard

    mimetypes.add_type("text/javascript", ".js")  # some systems say otherwise, and browsers then refuse modules

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if started is not None:
            started()
        yield
        await asyncio.get_running_loop().run_in_executor(None, studio.close)

    routes = Routes(studio, port)
    return Guard(Starlette(routes=routes.table(), exception_handlers=routes.errors(), lifespan=lifespan), token, port)


def bound_socket(port: int) -> socket.socket:
    """A socket on the loopback interface that takes connections from now on.

    Args:
        port: 0 for any that is free.

    Raises:
        InputError: the port is in use, or must not be used.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        why = (error.strerror or str(error)).lower()
        raise InputError(f"port {port} cannot be used ({why}): choose another with --port, or --port 0") from None
    return bound


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


def serve(app: Any, bound: socket.socket) -> None:
    """Serve until Ctrl-C or a polite kill."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        ws_max_size=2**20,
    )
    with contextlib.suppress(KeyboardInterrupt):  # the usual end
        uvicorn.Server(config).run(sockets=[bound])
