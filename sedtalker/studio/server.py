"""The studio's server, from its beginning to its end: Starlette on uvicorn, on the loopback interface only.

What can be asked, and in which form, is in ``sedtalker.studio.routes`` and ``sedtalker.studio.file_routes``; who may
ask is in ``sedtalker.studio.requests``.
"""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from sedtalker.animation.animator import Models
from sedtalker.errors import InputError
from sedtalker.export.usd import check_usd
from sedtalker.face import Face
from sedtalker.server.access import bound_socket, configured, error_answers, new_token
from sedtalker.studio import opening
from sedtalker.studio.autosave import StudioFolder
from sedtalker.studio.project import SUFFIX, read_project
from sedtalker.studio.requests import Guard
from sedtalker.studio.routes import StudioRoutes
from sedtalker.studio.session import Session, Subject
from sedtalker.studio.studio import Studio

HOST = "127.0.0.1"
"""The interface: nothing but this machine can reach it."""
GRACE = 3
"""Seconds that open requests are given when the studio is closed."""


def make_app(studio: Studio, token: str, port: int, started: Callable[[], Any] | None = None) -> Any:
    """The ASGI application.

    Args:
        token: first segment of every path.
        port: of the server, for ``Host`` and ``Origin``.
        started: called in the event loop once it runs; begins the first job.
    """
    mimetypes.add_type("text/javascript", ".js")  # some systems say otherwise, and browsers then refuse modules

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if started is not None:
            started()
        yield
        await asyncio.get_running_loop().run_in_executor(None, studio.close)

    routes, answers = StudioRoutes(studio, port).table(), error_answers("the terminal")
    return Guard(Starlette(routes=routes, exception_handlers=answers, lifespan=lifespan), token, port)


def serve(app: Any, bound: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    with contextlib.suppress(InputError):  # whoever asks for USD then reads what to install
        check_usd()
    with contextlib.suppress(KeyboardInterrupt):  # the usual end
        uvicorn.Server(configured(app, GRACE, 2**20, log_level="warning")).run(sockets=[bound])


def run(
    source: Path | None,
    mesh: Path | None,
    face: str | None,
    port: int,
    tell: Callable[[str], None],
    *,
    finer: bool = False,
    speakers: str | None = None,
) -> None:
    """Serve a studio until it is closed.

    Args:
        source: a recording or a project to begin with.
        mesh: a head mesh to begin with.
        face: a built-in face to begin with.
        port: 0 for any that is free.
        tell: gets the address once it can be opened.
        finer: find fine-grained emotions in every recording that is opened.
        speakers: how the recording is taken apart, see ``sedtalker.speakers.separation.separate``; None: it is not.

    Raises:
        InputError: the port is in use, or there is no such face.
    """
    bound = bound_socket(port)
    number = int(bound.getsockname()[1])
    with StudioFolder() as home:
        session = Session(Models(), Subject(Face.builtin(face), face or "builtin"))
        studio = Studio(session, home, finer=finer)
        token = new_token()

        def started() -> None:
            if mesh is not None:
                studio.start("register", *opening.head(session, mesh.resolve()))
            if source is not None and source.suffix.lower() == SUFFIX:
                read, place = partial(read_project, source), source.resolve()
                studio.bring("open", *opening.project(session, read, studio.folder, place))
            elif source is not None:
                studio.bring("analyse", *opening.recording(session, source.resolve(), studio.folder), speakers)
            tell(f"http://{HOST}:{number}/{token}/")

        serve(make_app(studio, token, number, started), bound)
