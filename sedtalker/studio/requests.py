"""Requests to the studio: who may ask, which is the page that this server gave out and nobody else, and bodies.

The server is on the loopback interface, where every program and every web page of the machine can reach it. So the
first segment of each path is a random token, which only the printed address has; ``Host`` must be the loopback's (a
foreign name that was pointed here is refused), and ``Origin``, where a browser sends it, must be the server itself.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sedtalker.errors import InputError, written
from sedtalker.reading import parse_json
from sedtalker.server.access import refuse
from sedtalker.storage import plain_name

NAMES = ("127.0.0.1", "localhost")
"""Hosts under which the studio may be asked."""
INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
"""Scripts inside a page."""


def content_policy(port: int, page: bytes = b"") -> str:
    """The Content-Security-Policy: nothing from elsewhere, and of scripts inside the page only those it has now."""
    hashes = [base64.b64encode(hashlib.sha256(s).digest()).decode() for s in INLINE_SCRIPT.findall(page)]
    scripts = " ".join(["'self'", *(f"'sha256-{value}'" for value in hashes)])
    sockets = " ".join(f"ws://{name}:{port}" for name in NAMES)
    return "; ".join(
        [
            "default-src 'self'",
            f"connect-src 'self' blob: data: {sockets}",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            "style-src 'self' 'unsafe-inline'",
            f"script-src {scripts}",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


class Guard:
    """ASGI middleware: refuses with 403 what does not come from the page; takes the token off the path.

    Args:
        token: first segment of every path.
    """

    def __init__(self, app: ASGIApp, token: str, port: int):
        self.app, self.token, self.port = app, token, port
        self.hosts = {f"{name}:{port}" for name in NAMES}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope), scope["path"])
        if refusal is not None:
            await refuse(scope, receive, send, 403, refusal)
            return
        rest = scope["path"][len(self.token) + 1 :]
        inner = {**scope, "path": rest or "/"}
        inner.pop("raw_path", None)
        started = False

        async def protected(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("content-security-policy", content_policy(self.port))
                headers["referrer-policy"] = "no-referrer"
                headers["x-content-type-options"] = "nosniff"
                headers["cross-origin-resource-policy"] = "same-origin"
                headers["cache-control"] = "no-store"
            await send(message)

        try:
            await self.app(inner, receive, protected)
        except asyncio.CancelledError:
            # The studio ends, and did not wait for this answer any longer. Nobody needs a traceback of it.
            if not started:
                await refuse(scope, receive, send, 503, "the studio has ended")

    def _refusal(self, headers: Headers, path: str) -> str | None:
        """Why a request is refused, or None."""
        if headers.get("host", "").lower() not in self.hosts or len(headers.getlist("host")) != 1:
            return "this address is not the studio's"
        if any(origin not in self.origins for origin in headers.getlist("origin")):
            return "requests from other pages are refused"
        given = path.split("/")[1] if path.startswith("/") else ""
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return "open the address that `sedtalker studio` printed: it has a token in it"
        return None


# --- Bodies of requests: small ones as JSON, files straight to the disk, never more than they may be.


def name_of(request: Request) -> str:
    """The name that the page gives a file (``?name=``), without folders and strange signs."""
    return plain_name(request.query_params.get("name", ""), "upload")


async def _pieces(request: Request, most: int) -> AsyncIterator[bytes]:
    """The body of a request, piece by piece.

    Raises:
        HTTPException: larger than ``most`` bytes.
    """
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise HTTPException(413, f"larger than {most / 2**20:.0f} MiB: it is not taken")
        yield part


async def read_body(request: Request, most: int) -> bytes:
    """The body of a request; see ``_pieces``."""
    return b"".join([part async for part in _pieces(request, most)])


async def read_json(request: Request, most: int = 2**20) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        InputError: it is none.
        HTTPException: larger than ``most`` bytes.
    """
    body = await read_body(request, most)
    values = parse_json(body or b"{}", "the request")
    if not isinstance(values, dict):
        raise InputError("the request is not a JSON object")
    return values


async def receive_file(request: Request, folder: Path, most: int) -> Path:
    """Write the body to a new file below ``folder``, under the name that the page gives.

    Raises:
        InputError: it is empty, or cannot be written.
        HTTPException: larger than ``most`` bytes.
        ClientDisconnect: the page has gone; nothing is left.
    """
    name = name_of(request)
    with written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=folder)) / name
    try:
        with path.open("wb") as file:
            async for part in _pieces(request, most):
                file.write(part)
        if not path.stat().st_size:
            raise InputError(f"{name}: the file is empty")
    except BaseException as error:
        shutil.rmtree(path.parent, ignore_errors=True)
        if isinstance(error, OSError):
            raise InputError(f"{name}: cannot be stored ({error.strerror})") from None
        raise
    return path
