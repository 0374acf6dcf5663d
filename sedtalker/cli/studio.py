"""``sedtalker studio``: the page in the browser where emotion over time is seen, played and changed."""

from __future__ import annotations

import json
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from sedtalker.cli import options as o
from sedtalker.cli.console import JsonOption, fail_clearly, say
from sedtalker.errors import InputError, extra

Source = Annotated[Path | None, typer.Argument(help="Speech, or a project (.sedproject); or drop one on the page.")]


@fail_clearly
def studio(
    source: Source = None,
    mesh: Annotated[Path | None, typer.Option(help="Your head, or its .sedface; default: the built-in face.")] = None,
    face: Annotated[str | None, typer.Option(help="A built-in face (sedtalker face list), or random-SEED.")] = None,
    fine: Annotated[
        bool, typer.Option("--fine", help="Also curves of thirty fine-grained emotions, such as awe or relief.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the server on this machine; 0: any free one.")] = 8765,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Edit a track in the browser: head, sound and emotion under one cursor. Ends with Ctrl-C."""
    if mesh is not None and face is not None:
        raise InputError("choose one of --mesh and --face")
    if source is not None and source.suffix.lower() == ".sedproject" and (mesh or face):
        raise InputError("a project has its own face: leave --mesh and --face out, and choose another on the page")
    o.check_files(source, mesh)
    with extra("studio"):
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    from sedtalker.studio.server import run

    def tell(url: str) -> None:
        if as_json:
            print(json.dumps({"url": url}), flush=True)
        else:
            print(url, flush=True)
        if open_page:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()  # it may wait for the browser

    run(source, mesh, face, port, tell, finer=fine)
    say("the studio is closed")
