"""What clients may ask for, checked before any work: options of recordings, and the first message of a stream.

Nothing a client says names a file of this machine: where the command line takes a path, only the other forms are taken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter

from sedtalker.animation.option_fields import Targets
from sedtalker.animation.performance import FillScale, LiveMotion, Motion, Performance, StreamSettings
from sedtalker.audio.audio import check_rate
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.formats.json import track_from_json
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError, one_of
from sedtalker.export.formats import export_formats, parse_formats
from sedtalker.face.arkit import ARKIT_52, nearest_shape
from sedtalker.phonetics.pronunciation import ENGLISH, MOST_CHARACTERS, SpokenWord
from sedtalker.phonetics.recognition import checked_words
from sedtalker.phonetics.words import AUTO, pronounce_script
from sedtalker.reading import checked, parse_json
from sedtalker.render.light import light_names
from sedtalker.version import __version__

VIDEO, TRACK = "mp4", "track"
"""Results that are no export formats: the video, and the emotion track as ``sedtalker diarize --json`` prints it."""
Constant = Annotated[str, Field(pattern=r"^[A-Za-z]+(:[0-9.]+)?$", examples=["happy:0.8"])]
"""``LABEL`` or ``LABEL:INTENSITY``, in small or capital letters as on the command line."""
M = TypeVar("M")
"""A kind of options."""


def about(text: str, **limits: Any) -> Any:
    """The description and the limits of a field."""
    return Field(description=text, **limits)


@dataclass(frozen=True)
class AnimateOptions(Motion):
    """Options of ``POST /v1/animate``: how a face moves, as for ``sedtalker animate``, and what a client may name."""

    to: Annotated[
        tuple[str, ...], about("Results: track, mp4 and any export format; several come as a zip.", min_length=1)
    ] = ("glb",)
    face: Annotated[str | None, about("A face of the server; default: the built-in one.", max_length=80)] = None
    emotion: Annotated[
        Constant | list[dict[str, Any]] | dict[str, Any] | None,
        about("LABEL:INTENSITY, a list of segments, or a whole track; default: what the diarizer says."),
    ] = None
    fill_scale: FillScale = False
    transcript: Annotated[
        str | None,
        about("What is said, by which the lips are corrected; auto: what is recognised.", max_length=MOST_CHARACTERS),
    ] = None
    language: Annotated[
        str | None,
        about(
            "Language of the transcript; default: en, or what is found.",
            pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9_-]{1,30})?$",
        ),
    ] = None
    targets: Annotated[Targets, about("Blend shapes of GLB, FBX and USD.")] = Performance.targets
    size: Annotated[int, about("Width and height of the video, pixels.", ge=64, le=1080)] = 512
    light: Annotated[str, about("Light of the video.", max_length=40)] = Performance.light

    def check(self) -> None:
        """Look at what types do not say, but for segments and tracks, which need the length of the recording.

        Raises:
            InputError: an unknown format, gain, style, light or emotion, a transcript that nobody can pronounce, or a
                language of none.
        """
        known = (TRACK, VIDEO, *export_formats())
        for name in self.to:
            if name not in known:
                raise InputError(f"to: there is no format {name!a}: {one_of(name, known)}")
        parse_formats([name for name in self.to if name not in (VIDEO, TRACK)] or ["npz"])
        check_motion(self)
        if self.light not in light_names():
            raise InputError(f"light: there is no '{self.light}': {one_of(self.light, light_names())}")
        if isinstance(self.emotion, str):
            self.track(1.0)
        self.words()

    def words(self) -> list[SpokenWord] | str | None:
        """The words of the transcript with their phones, or ``auto``; a name of a file is a text here.

        Raises:
            InputError: see ``pronounce`` and ``checked_words``.
        """
        if self.transcript is None and self.language is not None:
            raise InputError("language: it is that of the transcript: give one, or auto, or leave it out")
        if self.transcript is None or self.transcript == AUTO:
            return self.transcript and checked_words(AUTO, self.language)
        return pronounce_script(self.transcript, self.language or ENGLISH)

    def track(self, duration: float) -> EmotionTrack | None:
        """The given emotion, for a recording of so many seconds."""
        if self.emotion is None:
            return None
        if isinstance(self.emotion, str):
            return constant_track(self.emotion, duration)
        return track_from_json(json.dumps(self.emotion), duration, "emotion")

    def suffixes(self) -> dict[str, str]:
        """How the files of the results end, by name, each once."""
        own = {VIDEO: ".mp4", TRACK: ".emotion.json"}
        return {name: own.get(name) or export_formats()[name].suffix for name in dict.fromkeys(self.to)}


@dataclass(frozen=True)
class DiarizeOptions:
    """Options of ``POST /v1/diarize``."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    min_confidence: Annotated[float, about("Segments below it are labelled uncertain.", ge=0.0, le=1.0)] = 0.0


@dataclass(frozen=True)
class StreamHello(LiveMotion):
    """The first message of a stream."""

    rate: Annotated[int, about("Samples a second.")] = 16_000
    format: Annotated[Literal["s16le", "f32le"], about("Format of a sample; the sound is mono.")] = "s16le"
    reply: Annotated[Literal["json", "binary"], about("How frames come back.")] = "json"
    shapes: Annotated[tuple[str, ...], about("Names of the shapes wanted.", min_length=1, max_length=52)] = ARKIT_52
    emotion: Annotated[Constant | None, about("LABEL:INTENSITY; default: what the diarizer says.")] = None
    fps: Annotated[float, about("Frames a second.", ge=1.0, le=120.0)] = StreamSettings.fps
    look_ahead: Annotated[float, about("Seconds that a frame waits for.", ge=0.0, le=5.0)] = StreamSettings.look_ahead
    hop: Annotated[float, about("Seconds of sound between results.", ge=0.08, le=2.0)] = StreamSettings.hop

    def settings(self) -> StreamSettings:
        """Settings of the stream.

        Raises:
            InputError: an unknown gain, style, emotion, shape or rate.
        """
        check_rate(self.rate)
        unknown = [name for name in self.shapes if name not in ARKIT_52]
        if unknown:
            raise InputError(f"shapes: ARKit has no '{unknown[0]}': {nearest_shape(unknown[0])}")
        if self.emotion is not None:
            constant_track(self.emotion, 1.0)
        check_motion(self)
        return StreamSettings(
            **{held.name: getattr(self, held.name) for held in fields(StreamSettings) if held.name != "enroll"}
        )


def check_motion(motion: LiveMotion) -> None:
    """Look at what types do not say of a motion.

    Raises:
        InputError: an unknown gain or style, the name of a file, or a seed that is too large.
    """
    if motion.style.endswith(".json"):
        raise InputError("style: give a name or values such as articulation=0.5; the server reads no files")
    motion.check_names()


def parsed(model: type[M], values: object, where: str) -> M:
    """Options of a client.

    Args:
        values: JSON text, or a mapping.
        where: what to call them in messages.
    """
    if isinstance(values, str | bytes):
        values = parse_json(values, where)
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: give a JSON object")
    made: M = checked(model, dict(values), where)
    return made


# --- What can be asked of a server, in the words of OpenAPI 3.1.

ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
"""An error: one line."""
HEALTH = {
    "type": "object",
    "required": ["live", "ready"],
    "properties": {"live": {"type": "boolean"}, "ready": {"type": "boolean"}},
}
"""Schema of the answer whether the server is ready: while networks are opened, and while it ends, it is not."""
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
        schemas[model.__name__] = TypeAdapter(model).json_schema()  # no model has models inside
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
            "/v1/health": {"get": _plain("Whether it is ready; 503: not.", "application/json", True, HEALTH, "503")},
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


def _refusals(*codes: str) -> dict[str, Any]:
    return {code: {"$ref": f"#/components/responses/Error{code}"} for code in codes}


def _plain(about: str, media_type: str, is_open: bool, schema: Any = None, *codes: str) -> dict[str, Any]:
    """What is read without a body; ``codes``: further ones with the same content."""
    content = {media_type: {"schema": schema or {"type": "object" if media_type.endswith("json") else "string"}}}
    answers = {code: {"description": about, "content": content} for code in ("200", *codes)}
    refused = _refusals("403") if is_open else _refusals("401", "403")
    return {"summary": about, **({"security": []} if is_open else {}), "responses": answers | refused}


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
