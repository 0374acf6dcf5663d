"""What can be asked by HTTP. ``sedtalker.server.options`` describes it; an error is ``{"error": "one line"}``."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib.resources import files
from typing import Any, BinaryIO

from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket

from sedtalker.errors import InputError
from sedtalker.progress import Hook
from sedtalker.server.access import attachment, error_answers
from sedtalker.server.options import AnimateOptions, DiarizeOptions, document, parsed
from sedtalker.server.service import Busy, Service
from sedtalker.server.streams import serve_stream
from sedtalker.server.work import Cancelled, Result, SentRecording, animated, diarized
from sedtalker.storage import plain_name

PIECE = 2**16
"""Bytes of a result that are sent at once."""
SLOWEST = 2**13
"""Bytes a second of an upload, on average, after the time that it may stand still."""
LONGEST_OPTIONS = 2**22
"""Bytes of the JSON of options: a track of an hour has more, and is too long."""
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
"""Content type of the counters."""


class Routes:
    """The paths of a server."""

    def __init__(self, service: Service):
        self.service = service
        self.description = document()

    def table(self) -> list[BaseRoute]:
        return [
            Route("/", self.page),
            Route("/openapi.json", self.openapi),
            Route("/metrics", self.metrics),
            Route("/v1/health", self.health),
            Route("/v1/animate", self.animate, methods=["POST"]),
            Route("/v1/diarize", self.diarize, methods=["POST"]),
            WebSocketRoute("/v1/stream", self.stream),
        ]

    def errors(self) -> dict[Any, Any]:
        async def busy(request: Request, error: Exception) -> Response:
            return JSONResponse({"error": str(error)}, 503, headers={"Retry-After": "5"})

        return {**error_answers("the server's log"), Busy: busy, Cancelled: busy}

    async def page(self, request: Request) -> Response:
        text = (files("sedtalker.server") / "static" / "index.html").read_bytes()
        return Response(text, media_type="text/html; charset=utf-8")

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(self.description)

    async def metrics(self, request: Request) -> Response:
        return Response(self.service.monitoring.text(), headers={"content-type": PROMETHEUS})

    async def health(self, request: Request) -> Response:
        """``GET /v1/health``: 200 once the networks are open, 503 before and while the server ends."""
        ready = self.service.ready and not self.service.closing.is_set()
        return JSONResponse({"live": True, "ready": ready}, 200 if ready else 503)

    async def animate(self, request: Request) -> Response:
        service = self.service

        def prepared(values: str) -> Callable[[SentRecording, Hook], Result]:
            options = parsed(AnimateOptions, values, "options")
            options.check()
            return lambda recording, hook: animated(service.models, service.faces, recording, options, hook)

        return await self._worked(request, "animate", prepared)

    async def diarize(self, request: Request) -> Response:
        def prepared(values: str) -> Callable[[SentRecording, Hook], Result]:
            options = parsed(DiarizeOptions, values, "options")
            return lambda recording, hook: diarized(self.service.models, recording, options, hook)

        return await self._worked(request, "diarize", prepared)

    async def stream(self, socket: WebSocket) -> None:
        await serve_stream(socket, self.service)

    async def _worked(
        self, request: Request, route: str, prepared: Callable[[str], Callable[[SentRecording, Hook], Result]]
    ) -> Response:
        """The answer to a recording; ``prepared`` makes the work of its options, or refuses them."""
        service, began, status = self.service, time.perf_counter(), 500
        try:
            with service.admitted():
                async with _uploaded(request, service.limits.bytes, service.limits.idle) as (audio, values):
                    work, name = await service.opened(prepared, values), plain_name(audio.filename or "", "speech")
                    recording = SentRecording(audio.file, name, service.limits.seconds)
                    with _watched(request) as gone:
                        result = await service.worked(lambda hook: work(recording, hook), gone)
            status = 200
            service.monitoring.sound.labels(route).inc(result.seconds)
            return _answer(result)
        except (InputError, HTTPException, Busy, Cancelled, ClientDisconnect) as error:
            known = {InputError: 400, Busy: 503, Cancelled: 503, ClientDisconnect: 499}
            status = (
                error.status_code
                if isinstance(error, HTTPException)
                else next(code for kind, code in known.items() if isinstance(error, kind))
            )
            raise
        finally:
            service.monitoring.requests.labels(route, str(status)).inc()
            service.monitoring.duration.labels(route).observe(time.perf_counter() - began)


@contextlib.contextmanager
def _watched(request: Request) -> Iterator[Callable[[], bool]]:
    """Says, from any thread, whether a client has gone; watched while the block runs."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task = asyncio.create_task(watch())
    try:
        yield task.done
    finally:
        task.cancel()


@contextlib.asynccontextmanager
async def _uploaded(request: Request, most: int, idle: float) -> AsyncIterator[tuple[UploadFile, str]]:
    """The part ``audio`` of a form and the text of the part ``options``.

    Raises:
        HTTPException: larger than ``most`` bytes, or slower than ``SLOWEST`` or ``idle`` seconds between two pieces.
        InputError: there is no such part.
    """
    form = FormData()
    try:
        if int(request.headers.get("content-length", "0")) > most:  # h11 has refused what is no number
            raise _too_large(most)
        form = await Request(request.scope, _bounded(request.receive, most, idle)).form(
            max_files=2, max_fields=4, max_part_size=LONGEST_OPTIONS
        )
        audio, options = form.get("audio"), form.get("options", "{}")
        if isinstance(options, UploadFile):
            options = (await options.read(LONGEST_OPTIONS)).decode(errors="replace")
        if not isinstance(audio, UploadFile):
            raise InputError("send a form with the part 'audio', a file, and perhaps 'options', JSON")
        if set(form) - {"audio", "options"}:
            raise InputError(f"there is no part '{min(set(form) - {'audio', 'options'})}': send 'audio' and 'options'")
        yield audio, options or "{}"
    except (MultiPartException, MultipartParseError, UnicodeDecodeError):
        raise InputError("the form cannot be read: send multipart/form-data") from None
    except HTTPException as error:
        if error.status_code == 400:
            raise InputError("the form cannot be read: send multipart/form-data") from None
        raise
    finally:
        await form.close()


def _bounded(receive: Callable[[], Awaitable[Message]], most: int, idle: float) -> Callable[[], Awaitable[Message]]:
    """Messages of a body, of so many bytes in all."""
    size, began = 0, time.monotonic()

    async def bounded() -> Message:
        nonlocal size
        left = idle + size / SLOWEST - (time.monotonic() - began)
        try:
            async with asyncio.timeout(min(idle, left)):
                message = await receive()
        except TimeoutError:
            why = f"did not go on for {idle:.0f} s" if left > idle else "comes too slowly"
            raise HTTPException(408, f"the request {why}") from None
        size += len(message.get("body", b""))
        if size > most:
            raise _too_large(most)
        return message

    return bounded


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"larger than {most / 2**20:g} MiB: this server does not take it")


def _answer(result: Result) -> Response:
    """The file, piece by piece; it is gone when it was sent, or the client has."""

    async def pieces(file: BinaryIO) -> AsyncIterator[bytes]:
        with file:
            while part := file.read(PIECE):
                yield part

    headers = attachment(result.name)
    if hasattr(result.file, "seek"):
        headers["content-length"] = str(result.file.seek(0, 2))
        result.file.seek(0)
    return StreamingResponse(pieces(result.file), media_type=result.media_type, headers=headers)
