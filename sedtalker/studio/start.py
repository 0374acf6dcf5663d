"""A studio from its beginning to its end: port, folder, session, the first recording, and tidying up."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from sedtalker.face import Face
from sedtalker.progress import Hook
from sedtalker.studio.server import Studio, bound_socket, make_app, new_token, serve
from sedtalker.studio.session import Models, Session, Subject
from sedtalker.studio.sound import Clip, analyse


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
    subject = Subject(Face.builtin(face), "builtin", face or "builtin")
    with tempfile.TemporaryDirectory(prefix="sedtalker-studio-") as folder:
        session = Session(Models(), subject)
        studio = Studio(session, Path(folder))
        token = new_token()

        def started() -> None:
            if source is not None:

                def work(hook: Hook) -> Clip:
                    return analyse(session.models.animator(), source, source.name, Path(folder) / "a.wav", hook)

                studio.jobs.start("analyse", work, session.open_clip)
            tell(f"http://127.0.0.1:{number}/{token}/")

        serve(make_app(studio, token, number, started), bound)
