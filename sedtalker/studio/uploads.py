"""Bodies of requests: small ones as JSON, files straight to the disk, never more than they may be."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from sedtalker.errors import InputError
from sedtalker.reading import parse_json

LONGEST_NAME = 120
"""Bytes that are kept of a file's name."""


async def read_body(request: Request, most: int) -> bytes:
    """The body of a request.

    Raises:
        HTTPException: larger than ``most`` bytes.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


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
    """Write the body to a new file below ``folder``, under the name that the page gives (``?name=``).

    Raises:
        InputError: it is empty, or cannot be written.
        HTTPException: larger than ``most`` bytes.
        ClientDisconnect: the page has gone; nothing is left.
    """
    name = plain_name(request.query_params.get("name", ""))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=folder)) / name
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from None
    size = 0
    try:
        with path.open("wb") as file:
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_large(most)
                file.write(part)
        if not size:
            raise InputError(f"{name}: the file is empty")
    except OSError as error:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise InputError(f"{name}: cannot be stored ({error.strerror})") from None
    except BaseException:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise
    return path


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"larger than {most / 2**20:.0f} MiB: it is not taken")


def plain_name(given: str) -> str:
    """A file name without folders and signs that a system could not take; its ending stays."""
    name = Path(given.replace("\\", "/")).name
    name = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in name).strip(" .")
    stem, suffix = Path(name).stem, Path(name).suffix[:20]
    room = LONGEST_NAME - len(suffix.encode("utf-8", "replace"))  # systems count bytes
    kept = stem.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    return f"{kept}{suffix}" or "upload"


@contextmanager
def called(path: Path, name: str | None = None) -> Iterator[None]:
    """Messages of the block name a file as the user knows it, not where its copy lies."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(path), name or path.name)) from None
