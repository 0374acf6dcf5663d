"""The studio's server: one process, one session, one page; Starlette on uvicorn, on the loopback interface only.

Three threads. The event loop answers and never computes. The session's thread runs everything that reads or changes the
session, one after another, decoding included. The jobs' thread runs what takes long: analysing, registering, exporting.
What can be asked, and in which form, is in ``sedtalker.studio.routes``.
"""

from __future__ import annotations

import asyncio
import contextlib
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
from sedtalker.studio.jobs import Events, Jobs
from sedtalker.studio.session import Session

with extra("studio"):
    import uvicorn
    from starlette.applications import Starlette

R = TypeVar("R")
"""What a function gives."""

HOST = "127.0.0.1"
"""The interface: nothing but this machine can reach it."""
PORT = 8765
"""Where it is if nobody says otherwise."""
GRACE = 3
"""Seconds that open requests are given when the studio is closed."""


class Studio:
    """A session, the threads that work on it, and the pages that watch it.

    Args:
        session: what is edited.
        folder: of the studio's own files: uploads, what the page plays, results of exports.
    """

    def __init__(self, session: Session, folder: Path):
        self.session, self.folder = session, folder
        self.events = Events()
        self.jobs = Jobs(self.events, self.on_session)
        self._thread = ThreadPoolExecutor(1, "studio-session", initializer=torch.set_num_threads, initargs=(1,))

    async def on_session(self, work: Callable[..., R], *args: Any) -> R:
        """Run ``work`` in the session's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    def close(self) -> None:
        """End the threads; jobs are cancelled."""
        self.jobs.close()
        self._thread.shutdown(wait=True, cancel_futures=True)


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
        routes.start()
        if started is not None:
            started()
        yield
        await asyncio.get_running_loop().run_in_executor(None, studio.close)

    routes = Routes(studio, port)
    return Guard(Starlette(routes=routes.table(), exception_handlers=routes.errors(), lifespan=lifespan), token, port)


def bound_socket(port: int) -> socket.socket:
    """A socket on the loopback interface.

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
    except OSError as error:
        bound.close()
        why = error.strerror or str(error)
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
