"""What is answered by HTTP when something goes wrong: ``{"error": "one line"}``, and never a traceback."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from sedtalker.errors import InputError


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
