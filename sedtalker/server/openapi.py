"""What can be asked of a server, in the words of OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from sedtalker.server.options import AnimateOptions, DiarizeOptions, StreamHello
from sedtalker.version import __version__

ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
"""An error: one line."""
REFUSALS = {
    "400": "the request cannot be used",
    "401": "no token, or a wrong one",
    "403": "a foreign host or page",
    "408": "the request came too slowly",
    "413": "larger than the server takes",
    "500": "an unexpected error",
    "503": "busy, or closing: try again later",
}
"""Status and meaning of every error."""


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    schemas: dict[str, Any] = {"Error": ERROR}
    for model in (AnimateOptions, DiarizeOptions, StreamHello):
        schemas[model.__name__] = _schema(model)
    anything = {"schema": {"type": "string", "format": "binary"}}
    results = ("application/zip", "model/gltf-binary", "video/mp4", "text/csv", "application/json")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SEDTalker",
            "version": __version__,
            "description": "Speech in, an emotional talking 3D face out: recordings by HTTP, streams by WebSocket.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": {
            "/": {"get": _plain("A page for people.", "text/html", True)},
            "/openapi.json": {"get": _plain("This document.", "application/json", True)},
            "/metrics": {"get": _plain("Counters, as Prometheus text.", "text/plain", False)},
            "/v1/health": {"get": _health()},
            "/v1/animate": {
                "post": _upload(
                    "A recording to an animation: one file, or a zip of several.",
                    "AnimateOptions",
                    {**dict.fromkeys(results, anything), "application/octet-stream": anything},
                )
            },
            "/v1/diarize": {
                "post": _upload(
                    "A recording to its emotion track, as `sedtalker diarize --json` prints it.",
                    "DiarizeOptions",
                    {"application/json": {"schema": {"type": "object"}}},
                )
            },
            "/v1/stream": {"get": _stream()},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {
                f"Error{code}": {
                    "description": why,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for code, why in REFUSALS.items()
            },
        },
    }


def _schema(model: type) -> dict[str, Any]:
    """JSON schema of a model, which has no models inside."""
    return TypeAdapter(model).json_schema(ref_template="#/components/schemas/{model}")


def _refusals(*codes: str) -> dict[str, Any]:
    return {code: {"$ref": f"#/components/responses/Error{code}"} for code in codes}


def _plain(about: str, media_type: str, is_open: bool) -> dict[str, Any]:
    schema = {"type": "object"} if media_type.endswith("json") else {"type": "string"}
    answers = {"200": {"description": about, "content": {media_type: {"schema": schema}}}}
    if is_open:
        return {"summary": about, "security": [], "responses": answers | _refusals("403")}
    return {"summary": about, "responses": answers | _refusals("401", "403")}


def _health() -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["live", "ready"],
        "properties": {"live": {"type": "boolean"}, "ready": {"type": "boolean"}},
    }
    content = {"application/json": {"schema": schema}}
    answers = {
        "200": {"description": "The server is ready.", "content": content},
        "503": {"description": "The networks are being opened, or the server is closing.", "content": content},
    }
    return {"summary": "Whether the server is ready.", "security": [], "responses": answers | _refusals("403")}


def _upload(about: str, options: str, content: dict[str, Any]) -> dict[str, Any]:
    form = {
        "type": "object",
        "required": ["audio"],
        "properties": {
            "audio": {"type": "string", "format": "binary", "description": "wav, flac, ogg, opus, mp3, m4a, mp4, webm"},
            "options": {"$ref": f"#/components/schemas/{options}"},
        },
    }
    encoding = {"options": {"contentType": "application/json"}}
    body = {"required": True, "content": {"multipart/form-data": {"schema": form, "encoding": encoding}}}
    answers = {"200": {"description": about, "content": content}}
    return {"summary": about, "requestBody": body, "responses": answers | _refusals(*REFUSALS)}


def _stream() -> dict[str, Any]:
    about = "A stream, by WebSocket: sound in, frames out."
    how = (
        "The first message is a StreamHello as JSON. Then come binary messages of PCM, cut anywhere, and "
        '{"type": "end"}. The server sends {"type": "ready"}, {"type": "frames"} and {"type": "end"}; docs/serve.md '
        "says more."
    )
    return {
        "summary": about,
        "description": how,
        "x-hello": {"$ref": "#/components/schemas/StreamHello"},
        "responses": {"101": {"description": "The socket is open."}} | _refusals("401", "403"),
    }
