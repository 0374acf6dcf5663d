"""What clients may ask for, checked before any work: options of recordings, and the first message of a stream.

Nothing a client says names a file of this machine: where the command line takes a path, only the other forms are taken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sedtalker.animation.conditioning import Style
from sedtalker.animation.gains import REGIONS, Gains
from sedtalker.animation.idle_motion import IdleMotion
from sedtalker.animation.stream import StreamSettings
from sedtalker.animation.style import parse_style
from sedtalker.audio.audio import check_rate
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.formats.json import track_from_json
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.export.formats import export_formats, parse_formats
from sedtalker.face.arkit import ARKIT_52
from sedtalker.phonetics.pronunciation import ENGLISH, MOST_CHARACTERS, SpokenWord, pronounce
from sedtalker.reading import parse_json
from sedtalker.render.light import light_names

VIDEO, TRACK = "mp4", "track"
"""Results that are no export formats: the video, and the emotion track as ``sedtalker diarize --json`` prints it."""
Factor = Annotated[float, Field(ge=0.0, le=2.0)]
"""A gain."""
Constant = Annotated[str, Field(pattern=r"^[a-z]+(:[0-9.]+)?$", examples=["happy:0.8"])]
"""``LABEL`` or ``LABEL:INTENSITY``."""
M = TypeVar("M", bound=BaseModel)
"""A kind of options."""


class MotionOptions(BaseModel):
    """What recordings and streams share; as the options of ``sedtalker animate``."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    intensity: float = Field(1.0, ge=0.0, le=3.0, description="Scales the strength of emotion.")
    expressivity: Factor = Field(1.0, description="Scales what emotion adds to the motion.")
    articulation: Factor = Field(1.0, description="Scales how far speech moves jaw and lips.")
    gain: dict[str, Factor] = Field({}, description="By region (brows, smile, …) or ARKit shape (jawOpen).")
    style: str = Field("natural", max_length=200, description="A name, or values: articulation=0.5,dynamics=1.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Of blinks, gaze and head motion.")
    blinks: bool = Field(True, description="Add blinks.")
    gaze: bool = Field(True, description="Add eye motion.")
    head: bool = Field(True, description="Add head motion.")

    @property
    def gains(self) -> Gains:
        """See ``Gains``.

        Raises:
            InputError: an unknown region or shape.
        """
        regions = {name: value for name, value in self.gain.items() if name in REGIONS}
        shapes = {name: value for name, value in self.gain.items() if name not in REGIONS}
        return Gains(self.expressivity, self.articulation, regions, shapes)

    @property
    def talking_style(self) -> Style:
        """See ``Style``.

        Raises:
            InputError: an unknown name, or the name of a file.
        """
        if self.style.endswith(".json"):
            raise InputError("style: give a name or values such as articulation=0.5; the server reads no files")
        return parse_style(self.style)

    @property
    def idle(self) -> IdleMotion:
        """See ``IdleMotion``."""
        return IdleMotion(self.blinks, self.gaze, self.head)


class AnimateOptions(MotionOptions):
    """Options of ``POST /v1/animate``."""

    to: tuple[str, ...] = Field(
        ("glb",), min_length=1, description="Results: track, mp4 and any export format; several come as a zip."
    )
    face: str | None = Field(None, max_length=80, description="A face of the server; default: the built-in one.")
    emotion: Constant | list[dict[str, Any]] | dict[str, Any] | None = Field(
        None, description="LABEL:INTENSITY, a list of segments, or a whole track; default: what the diarizer says."
    )
    transcript: str | None = Field(None, max_length=MOST_CHARACTERS, description="What is said, for surer lips.")
    language: str = Field(ENGLISH, pattern=r"^[a-z]{2,3}(-[a-z0-9-]{1,30})?$", description="Of the transcript.")
    min_confidence: float = Field(0.0, ge=0.0, le=1.0, description="Doubtful segments stay neutral.")
    fps: float = Field(30.0, ge=1.0, le=120.0, description="Frames a second.")
    targets: Literal["few", "arkit", "all"] = Field("arkit", description="Blend shapes of GLB, FBX and USD.")
    liveliness: float = Field(1.0, ge=0.0, le=2.0, description="How far brows, head and breath follow the speech.")
    eye_contact: float = Field(0.7, ge=0.0, le=1.0, description="Share of the looks that rest on the camera.")
    size: int = Field(512, ge=64, le=1080, description="Width and height of the video, pixels.")
    light: str = Field("studio", max_length=40, description="Of the video.")

    @property
    def idle(self) -> IdleMotion:
        """See ``IdleMotion``."""
        return IdleMotion(self.blinks, self.gaze, self.head, self.liveliness, self.eye_contact)

    def check(self) -> None:
        """Look at what types do not say, but for segments and tracks, which need the length of the recording.

        Raises:
            InputError: an unknown format, gain, style, light or emotion, or a transcript that nobody can pronounce.
        """
        known = (TRACK, VIDEO, *export_formats())
        for name in self.to:
            if name not in known:
                raise InputError(f"to: there is no format {name!a}; use {', '.join(known)}")
        parse_formats([name for name in self.to if name not in (VIDEO, TRACK)] or ["npz"])
        _ = self.gains, self.talking_style
        if self.light not in light_names():
            raise InputError(f"light: there is no '{self.light}'; use {', '.join(light_names())}")
        if isinstance(self.emotion, str):
            self.track(1.0)
        self.words()

    def words(self) -> list[SpokenWord] | None:
        """The words of the transcript with their phones; a name of a file is a text here.

        Raises:
            InputError: see ``pronounce``.
        """
        return None if self.transcript is None else pronounce(self.transcript, self.language)

    def track(self, duration: float) -> EmotionTrack | None:
        """The given emotion, for a recording of so many seconds.

        Raises:
            InputError: it is none.
        """
        if self.emotion is None:
            return None
        if isinstance(self.emotion, str):
            return constant_track(self.emotion, duration)
        return track_from_json(json.dumps(self.emotion), duration, "emotion")

    def suffixes(self) -> dict[str, str]:
        """How the files of the results end, by name, each once."""
        own = {VIDEO: ".mp4", TRACK: ".emotion.json"}
        return {name: own.get(name) or export_formats()[name].suffix for name in dict.fromkeys(self.to)}


class DiarizeOptions(BaseModel):
    """Options of ``POST /v1/diarize``."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    min_confidence: float = Field(0.0, ge=0.0, le=1.0, description="Segments below it are labelled uncertain.")


class StreamHello(MotionOptions):
    """The first message of a stream."""

    rate: int = Field(16_000, description="Samples a second.")
    format: Literal["s16le", "f32le"] = Field("s16le", description="Of a sample; the sound is mono.")
    reply: Literal["json", "binary"] = Field("json", description="How frames come back.")
    shapes: tuple[str, ...] = Field(ARKIT_52, min_length=1, max_length=52, description="Names of the shapes wanted.")
    emotion: Constant | None = Field(None, description="LABEL:INTENSITY; default: what the diarizer says.")
    fps: float = Field(60.0, ge=1.0, le=120.0, description="Frames a second.")
    look_ahead: float | None = Field(None, ge=0.0, le=5.0, description="Seconds that a frame waits for.")
    hop: float | None = Field(None, ge=0.08, le=2.0, description="Seconds of sound between results.")

    def settings(self) -> StreamSettings:
        """Settings of the stream.

        Raises:
            InputError: an unknown gain, style, emotion, shape or rate.
        """
        check_rate(self.rate)
        unknown = [name for name in self.shapes if name not in ARKIT_52]
        if unknown:
            raise InputError(f"shapes: ARKit has no '{unknown[0]}'")
        if self.emotion is not None:
            constant_track(self.emotion, 1.0)
        usual = StreamSettings()
        return StreamSettings(
            look_ahead=usual.look_ahead if self.look_ahead is None else self.look_ahead,
            hop=usual.hop if self.hop is None else self.hop,
            fps=self.fps,
            emotion=self.emotion,
            intensity=self.intensity,
            gains=self.gains,
            style=self.talking_style,
            seed=self.seed,
            idle=self.idle,
        )


def parsed(model: type[M], values: object, where: str) -> M:
    """Options of a client.

    Args:
        model: what they are.
        values: JSON text, or a mapping.
        where: what to call them in messages.

    Raises:
        InputError: they are no such options; one line.
    """
    try:
        if isinstance(values, str | bytes):
            values = parse_json(values, where)
        if not isinstance(values, Mapping):
            raise InputError(f"{where}: give a JSON object")
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"][:2])
        raise InputError(f"{where}: {name}: {first['msg']}") from None
