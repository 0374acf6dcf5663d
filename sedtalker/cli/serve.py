"""``sedtalker serve`` and ``studio``: the server for other programs, and the page for people."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import webbrowser
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from sedtalker.animation.performance import Performance
from sedtalker.batch.opening import check_face, open_face
from sedtalker.cli import options as o
from sedtalker.cli.console import fail_clearly, say
from sedtalker.errors import InputError, extra, said_of
from sedtalker.progress import no_progress

if TYPE_CHECKING:
    from sedtalker.face.face import Face

SHORTEST_TOKEN = 16
"""Characters of a token that somebody chooses."""


@fail_clearly
def serve(
    host: Annotated[
        str, typer.Option(help="Network interface; 127.0.0.1: only this machine, 0.0.0.0: any.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = 8000,
    grpc_port: Annotated[
        int | None,
        typer.Option(
            "--grpc",
            min=0,
            max=65535,
            metavar="PORT",
            help="Also serve clients of NVIDIA's Audio2Face-3D by gRPC, on this port (usually 52000); 0: any free.",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="SEDTALKER_TOKEN", help="Token that clients must send; default: a random one, which is printed."
        ),
    ] = None,
    no_token: Annotated[bool, typer.Option("--no-token", help="Clients need no token; on 127.0.0.1 only.")] = False,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A web page that may use the server: https://example.org; repeatable."),
    ] = None,
    mesh: Annotated[
        list[Path] | None, typer.Option(help="A head or .sedface to offer as a face, by its file name; repeatable.")
    ] = None,
    max_clients: Annotated[
        int | None,
        typer.Option(min=1, help="Most streams at the same time; default: what this machine carries, measured first."),
    ] = None,
    max_requests: Annotated[int, typer.Option(min=1, help="Most recordings that are processed or wait.")] = 8,
    max_seconds: Annotated[
        float, typer.Option(min=1.0, help="Longest recording or stream, seconds of sound.")
    ] = 3600.0,
    max_bytes: Annotated[int, typer.Option(min=1024, help="Largest request, bytes.")] = 64 * 2**20,
    max_idle: Annotated[float, typer.Option(min=1.0, help="Seconds without sound that close a stream.")] = 30.0,
    workers: Annotated[int, typer.Option(min=1, help="Recordings that are processed at the same time.")] = 1,
    threads: Annotated[int, typer.Option(min=0, help="Threads that decode streams; 0: one per core.")] = 0,
    as_json: o.JsonOption = False,
    quiet: o.QuietOption = False,
) -> None:
    """Serve other programs: recordings by HTTP, many streams by WebSocket, or by gRPC. Ends with Ctrl-C."""
    if grpc_port is not None:
        # Its library prints lines of its own about a port that is taken.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        with extra("grpc"):
            import google.protobuf  # noqa: F401
            import grpc  # noqa: F401
    with extra("serve"):
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    from sedtalker.live.senders import plain_origin
    from sedtalker.server.access import LOOPBACK, bound_socket, new_token
    from sedtalker.server.server import GRACE, make_app
    from sedtalker.server.server import serve as run
    from sedtalker.server.service import Limits, Service

    if no_token and host not in LOOPBACK:
        raise InputError("--no-token is for 127.0.0.1 only: everybody on the network could use the server")
    if no_token and token is not None:
        raise InputError("choose one of --token and --no-token")
    if token is not None and token != "random" and len(token) < SHORTEST_TOKEN:
        raise InputError(f"the token is too short: give at least {SHORTEST_TOKEN} characters, or none for a random one")
    with said_of("--allow-origin"):
        for origin in allow_origin or ():
            plain_origin(origin)
    chosen = None if no_token else token if token not in (None, "random") else new_token()
    if chosen is not None and not (chosen.isascii() and chosen.isprintable() and " " not in chosen):
        raise InputError("the token has characters that a header cannot carry: use letters, digits, - and _")
    bound = bound_socket(port, host)
    number = int(bound.getsockname()[1])
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{number}"

    by_grpc = dict[str, str]()

    @contextlib.asynccontextmanager
    async def beside() -> AsyncIterator[None]:
        if grpc_port is None:
            yield
            return
        from sedtalker.server.ace import serving

        async with serving(service, chosen, host, grpc_port, GRACE) as place:
            by_grpc["grpc"] = f"{shown}:{place}"
            yield

    def started() -> None:
        if as_json:
            print(json.dumps({"url": address, "token": chosen, **by_grpc}), flush=True)
        else:
            print(address, *by_grpc.values(), sep="\n", flush=True)
            if chosen is not None and token in (None, "random"):
                print(f"token: {chosen}", flush=True)

    limits = Limits(clients=max_clients, requests=max_requests, seconds=max_seconds, bytes=max_bytes, idle=max_idle)
    service = Service(limits, _faces(mesh or []), workers, threads or os.cpu_count() or 1)
    logging.getLogger("sedtalker").setLevel(logging.ERROR)  # notes on recordings are nobody's here
    run(make_app(service, chosen, host, number, allow_origin or (), started, beside), service, bound)
    say("the server is closed")


def _faces(meshes: list[Path]) -> dict[str, Face]:
    """The heads that clients may choose, by the names of their files."""
    o.check_files(*meshes)
    if len({path.stem for path in meshes}) < len(meshes):
        raise InputError("--mesh: two heads have one name; clients choose them by the names of their files")
    return {path.stem: cast("Face", open_face(Performance(mesh=path), False, no_progress)) for path in meshes}


SpeakersOption = Annotated[
    str | None,
    typer.Option(help="Several speakers: auto, how many, channels (one each), or an RTTM file that says who when."),
]
"""Whether the recording is taken apart."""
Source = Annotated[Path | None, typer.Argument(help="Speech, or a project (.sedproject); or drop one on the page.")]


@fail_clearly
def studio(
    source: Source = None,
    mesh: Annotated[Path | None, o.option("mesh")] = None,
    face: Annotated[str | None, o.option("face")] = None,
    speakers: SpeakersOption = None,
    fine: o.FineOption = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0: any free one.")] = 8765,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    as_json: o.JsonOption = False,
) -> None:
    """Edit a track in the browser: head, sound and emotion under one cursor. Ends with Ctrl-C."""
    from sedtalker.speakers.separation import check_speakers

    check_face(Performance(mesh=mesh, face=face))
    is_project = source is not None and source.suffix.lower() == ".sedproject"
    if is_project and (mesh or face):
        raise InputError("a project has its own face: leave --mesh and --face out, and choose another on the page")
    o.check_files(source, mesh)
    if source is not None:
        o.check_recording(source)
    if speakers is not None:
        if source is None or is_project:
            raise InputError("--speakers takes a recording apart: name one; a project has its own speakers")
        check_speakers(speakers)
    with extra("studio"):
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    from sedtalker.audio.audio import sound_file
    from sedtalker.studio.project import read_project
    from sedtalker.studio.server import run

    if source is not None:
        read_project(source) if is_project else sound_file(source)

    def tell(url: str) -> None:
        if as_json:
            print(json.dumps({"url": url}), flush=True)
        else:
            print(url, flush=True)
        if open_page:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()  # it may wait for the browser

    run(source, mesh, face, port, tell, finer=fine, speakers=speakers)
    say("the studio is closed")
