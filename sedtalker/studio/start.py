"""A studio from its beginning to its end: port, folder, session, what it begins with, and tidying up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sedtalker.face import Face
from sedtalker.studio import opening
from sedtalker.studio.autosave import StudioFolder
from sedtalker.studio.file_routes import opened_from_disk
from sedtalker.studio.project import SUFFIX
from sedtalker.studio.server import HOST, Studio, bound_socket, make_app, new_token, serve
from sedtalker.studio.session import Models, Session, Subject


def run(source: Path | None, mesh: Path | None, face: str | None, port: int, tell: Callable[[str], None]) -> None:
    """Serve a studio until it is closed.

    Args:
        source: a recording or a project to begin with.
        mesh: a head mesh to begin with.
        face: a built-in face to begin with.
        port: 0 for any that is free.
        tell: gets the address once it can be opened.

    Raises:
        InputError: the port is in use, or there is no such face.
    """
    bound = bound_socket(port)
    number = int(bound.getsockname()[1])
    with StudioFolder() as home:
        session = Session(Models(), Subject(Face.builtin(face), "builtin", face or "builtin"))
        studio = Studio(session, home)
        token = new_token()

        def started() -> None:
            if mesh is not None:
                studio.start("register", *opening.head(session, mesh.resolve()))
            if source is not None and source.suffix.lower() == SUFFIX:
                studio.start("open", *opened_from_disk(studio, source))
            elif source is not None:
                studio.start("analyse", *opening.recording(session, source.resolve(), studio.folder))
            tell(f"http://{HOST}:{number}/{token}/")

        serve(make_app(studio, token, number, started), bound)
