"""Who may ask: holders of the token, under a name of this server, and no web page of elsewhere.

The token comes in the header ``Authorization: Bearer TOKEN``; a browser, which cannot set headers of a WebSocket,
offers the subprotocols ``bearer, TOKEN``. On the loopback interface ``Host`` must be the loopback's, so that a foreign
name that was pointed here is refused. ``Origin``, where a browser sends it, must be the server or one that was allowed.
"""

from __future__ import annotations

import asyncio
import errno
import hmac
import os
import secrets
import socket
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

from sedtalker.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts that only this machine can reach."""
WAITING = 1024
"""Connections that may wait to be taken."""
HEADERS = 10.0
"""Seconds in which the line and the headers of a request must come."""
GONE = (WebSocketDisconnect, RuntimeError, OSError)
"""What sending by a WebSocket raises where the client has gone."""
LINGER = 10.0
"""Seconds that a client of a WebSocket has to take what was sent before its end."""
UNREAD = 2**17
"""Bytes that the system receives of a WebSocket ahead of the server, which reads messages in their order: where this
were as much as Linux allows, the ping of a client would wait for minutes of sound, and the client would give up."""


def bound_socket(port: int, host: str = "127.0.0.1") -> socket.socket:
    """A socket that takes connections from now on.

    Args:
        port: 0 for any that is free.

    Raises:
        InputError: the port is in use or must not be used, or this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, port), family=family, backlog=WAITING)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio asks only for sockets of a named protocol
        return made
    except OSError as error:
        if error.errno is not None and error.errno < 0:  # those of looking a name up
            raise InputError(f"{host}: no such address; give 127.0.0.1, or 0.0.0.0 for every interface") from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise InputError(f"{host}: this machine does not have that address") from None
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise InputError(f"port {port} cannot be used ({why}): choose another with --port, or --port 0") from None


class PromptProtocol(H11Protocol):
    """HTTP of uvicorn that ends connections whose next request does not come within ``HEADERS`` seconds.

    uvicorn waits for it for ever, also of those who have no token.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._watch()

    def _watch(self) -> None:
        """Wait for a request where none is worked on; a WebSocket has taken the connection over."""
        ours = not self.transport.is_closing() and self.transport.get_protocol() is self
        waiting = ours and (self.cycle is None or self.cycle.response_complete)
        if waiting and self._late is None:
            self._late = self.loop.call_later(HEADERS, self.transport.abort)
        elif not waiting and self._late is not None:
            self._late.cancel()
            self._late = None


class EndingProtocol(AutoWebSocketsProtocol):  # type: ignore[misc,valid-type]
    """WebSockets of uvicorn that receive little ahead, and go even if the client never reads what was sent last."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD)
        super().connection_made(transport)

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self.loop.call_later(LINGER, self.transport.abort)


def configured(app: Any, grace: float, largest: int, **options: Any) -> uvicorn.Config:
    """What the servers of this package tell uvicorn: no log of requests, no name of the server.

    Args:
        grace: seconds that requests have to end.
        largest: bytes of a message of a WebSocket, at most.
        options: further ones of uvicorn.
    """
    options |= {"timeout_graceful_shutdown": round(grace), "ws_max_size": largest}
    options |= {"http": PromptProtocol, "ws": EndingProtocol}
    return uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", server_header=False, **options)


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


OPEN = ("/", "/v1/health", "/openapi.json")
"""Paths that anybody may read: they hold nothing of anybody's."""
BEARER = "bearer"
"""Scheme of the token, and the subprotocol before it."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""The Content-Security-Policy of the page: text and style, nothing that runs."""


class Access:
    """ASGI middleware: refuses with 401 or 403 what may not ask.

    Args:
        token: None: nobody needs one.
        origins: further pages that may ask, as ``https://example.org``.
    """

    def __init__(self, app: ASGIApp, token: str | None, host: str, port: int, origins: Sequence[str] = ()):
        self.app, self.token = app, token
        names = [f"[{name}]" if ":" in name else name for name in (*LOOPBACK, host)]
        own = {f"{name}:{port}" for name in names}
        self.hosts = own if host in LOOPBACK else None
        self.origins = {f"http://{name}" for name in own} | set(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is not None:
            await refuse(scope, receive, send, *refusal)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = POLICY
                headers["referrer-policy"] = "no-referrer"
                headers["x-content-type-options"] = "nosniff"
                headers["cache-control"] = "no-store"
            await send(message)

        await self.app(scope, receive, protected)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Status and why a request is refused, or None."""
        if self.hosts is not None and (
            headers.get("host", "").lower() not in self.hosts or len(headers.getlist("host")) != 1
        ):
            return 403, "this address is not the server's"
        if any(origin not in self.origins for origin in headers.getlist("origin")):
            return 403, "pages of other origins are refused; the server allows them with --allow-origin"
        if self.token is None or (scope["type"] == "http" and scope["path"] in OPEN):
            return None
        offered = list(scope.get("subprotocols", ()))
        given = bearer(headers.get("authorization", "")) + (offered[1:2] if offered[:1] == [BEARER] else [])
        if not is_among(self.token, given):
            return 401, "a token is needed: send the header 'Authorization: Bearer TOKEN'"
        return None


def bearer(authorization: str) -> list[str]:
    """The token of a header or of metadata ``Bearer TOKEN`` (RFC 6750); none where it says something else."""
    scheme, _, value = authorization.partition(" ")
    return [value.strip()] if scheme.lower() == BEARER else []


def is_among(token: str, given: Iterable[str]) -> bool:
    """Whether a client brings the token; how long the comparison takes tells nothing of it."""
    return any(hmac.compare_digest(one.encode(), token.encode()) for one in given)


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
    """Answer with one line as JSON; a WebSocket is not even opened."""
    headers = {"x-content-type-options": "nosniff", "cache-control": "no-store"}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": why})
            return
    await JSONResponse({"error": why}, status, headers)(scope, receive, send)


def attachment(name: str) -> dict[str, str]:
    """The header that has a browser save an answer as a file."""
    return {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}


def error_answers(more: str) -> dict[Any, Any]:
    """Handlers by exception, as ``Starlette`` takes them.

    Args:
        more: where an unexpected error says more, ``the server's log``.
    """

    async def bad_input(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, 400)

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)

    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=499)  # nobody reads it

    async def unexpected(request: Request, error: Exception) -> Response:
        said = f"something went wrong ({type(error).__name__}); {more} says more"
        return JSONResponse({"error": said}, 500)  # where is logged

    return {InputError: bad_input, HTTPException: known, ClientDisconnect: gone, Exception: unexpected}
