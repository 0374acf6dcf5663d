"""Every option of a performance, declared once: its name, type, range, default, help text and what it belongs to.

Whoever takes options takes a class of this module, or one derived from it: the command line makes its flags from the
fields, manifests of a batch their columns, the server and the studio their schemas, presets their keys. So a new
option is a new field here, and the line that does what it says. ``NOT_OFFERED`` says which ones some doors lack, and
why.

Nothing heavy is imported here, because every ``--help`` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from sedtalker.animation.option_fields import (
    Backend,
    Option,
    ShotKind,
    Targets,
    check_ranges,
    factors_like,
    listed,
    read_factors,
    read_speakers,
)
from sedtalker.errors import InputError
from sedtalker.reading import is_folder

if TYPE_CHECKING:
    from sedtalker.animation.conditioning import Style
    from sedtalker.animation.gains import Gains
    from sedtalker.emotion.shown import Direction

LABELS = "neutral, happy, sad, angry, fear, disgust, surprise"
"""The categories, for help texts; the same as ``emotion.track.CATEGORIES`` (a test)."""
Factor = Annotated[float, Option("Motion", "A factor.", 0.0, 2.0)]
"""A factor on a part of the motion; 1 leaves it as it is."""
Offset = Annotated[float, Option("Motion", "What is added to a shape.", -1.0, 1.0)]
"""What is added to a weight; 0 leaves it as it is."""
Limit = Annotated[float, Option("Motion", "The most that a shape reaches.", 0.0, 1.0)]
"""The highest value of a weight; 1 leaves it as it is."""
ShortTime = Annotated[float, Option("Motion", "Seconds.", 0.0, 1.0)]
"""A short time."""
FramesPerSecond = Annotated[float, Option("Video", "Frames a second.", 1.0, 120.0)]
"""The rate of an animation."""
FillScale = Annotated[
    bool,
    Option(
        "Emotion",
        "Scale intensity to the range of the recording: its strongest emotion is fully shown, its mildest not at all.",
        flags=("--fill-scale",),
    ),
]
"""Whether the diarizer's strength fills the scale of a recording, see ``TrackRule``."""

UNCHANGED = {"gain": 1.0, "offset": 0.0, "limit": 1.0, "smooth": 0.0}
"""The number that changes nothing, of each option that holds numbers by name."""


@dataclass(frozen=True)
class LiveMotion:
    """How a face moves: what is known while somebody still speaks. Every field says what it is in its ``Option``."""

    __pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}  # noqa: RUF012 - pydantic's name; read only

    intensity: Annotated[float, Option("Emotion", "Scales the strength of emotion.", 0.0, 3.0)] = 1.0
    contrast: Annotated[
        float,
        Option(
            "Emotion", "How far the strongest emotion stands out of the others; below 1 they are more alike.", 0.3, 3.0
        ),
    ] = 1.0
    at_most: Annotated[int, Option("Emotion", "So many emotions show at once; 1: the strongest alone.", 1, 6)] = 6
    prefer: Annotated[
        str | None,
        Option(
            "Emotion",
            f"An emotion that is mixed into all others: LABEL or LABEL:SHARE, share from 0 to 1; labels: {LABELS}.",
            metavar="LABEL[:SHARE]",
        ),
    ] = None
    transition: Annotated[
        float, Option("Emotion", "Seconds that a change from one emotion to the next takes at least.", 0.0, 5.0)
    ] = 0.0
    expressivity: Annotated[float, Option("Motion", "Scales what emotion adds to the motion.", 0.0, 2.0)] = 1.0
    articulation: Annotated[
        float, Option("Motion", "Scales how far speech moves jaw and lips; closed lips stay closed.", 0.0, 2.0)
    ] = 1.0
    gain: Annotated[
        Mapping[str, Factor],
        Option(
            "Motion",
            "Scales the emotion of a region (upper, lower, brows, eyes, cheeks, nose, jaw, mouth, smile or frown: "
            "brows=1.3), or a shape of ARKit in the finished motion (jawOpen=1.2). Repeatable.",
            metavar="NAME=FACTOR",
            read=read_factors,
        ),
    ] = field(default_factory=dict)
    offset: Annotated[
        Mapping[str, Offset],
        Option(
            "Motion",
            "Adds to a shape of ARKit in the finished motion, or to lids (positive: further closed) or lips (positive: "
            "further apart; closed lips stay closed): lids=0.1. Repeatable.",
            metavar="NAME=NUMBER",
            read=factors_like("lids=0.1"),
        ),
    ] = field(default_factory=dict)
    limit: Annotated[
        Mapping[str, Limit],
        Option(
            "Motion",
            "The most that a shape of ARKit, lids or lips reach in the finished motion (jawOpen=0.6). Repeatable.",
            metavar="NAME=NUMBER",
            read=factors_like("jawOpen=0.6"),
        ),
    ] = field(default_factory=dict)
    style: Annotated[
        str,
        Option(
            "Motion",
            "How the talker speaks: natural, clear, mumbled, broad, lively or even; articulation, rounding, dynamics "
            "and crispness from -1 to 1, as dynamics=0.5,crispness=1; or a .json file of sedtalker style.",
            names="json",
        ),
    ] = "natural"
    seed: Annotated[
        int,
        Option(
            "Motion",
            "Number from which blinks, gaze, brows and head motion are drawn; each gives another take.",
            least=0,
            most=2**53,
            flags=("--seed", "--take"),
        ),
    ] = 0
    blinks: Annotated[bool, Option("Motion", "Add blinks.", flags=("--blinks/--no-blinks",))] = True
    gaze: Annotated[bool, Option("Motion", "Add eye motion.", flags=("--gaze/--no-gaze",))] = True
    head: Annotated[bool, Option("Motion", "Add head motion.", flags=("--head/--no-head",))] = True
    eye_contact: Annotated[
        float,
        Option("Motion", "Share of the time that the eyes look at the camera; at 1 they never look away.", 0.0, 1.0),
    ] = 0.7

    @cached_property
    def gains(self) -> Gains:
        """Factors, offsets and limits.

        Raises:
            InputError: an unknown region or shape, or a number out of range.
        """
        from sedtalker.animation.gains import Gains
        from sedtalker.face.arkit import ARKIT_52

        shapes = {name: value for name, value in self.gain.items() if name in ARKIT_52}
        regions = {name: value for name, value in self.gain.items() if name not in ARKIT_52}
        return Gains(self.expressivity, self.articulation, regions, shapes, self.offset, self.limit)

    @cached_property
    def direction(self) -> Direction:
        """What is asked of the emotion.

        Raises:
            InputError: ``prefer`` is none.
        """
        from sedtalker.emotion.shown import Direction, Preference

        preference = None if self.prefer is None else Preference.read(self.prefer)
        return Direction(self.intensity, self.contrast, self.at_most, preference, self.transition)

    @cached_property
    def talking_style(self) -> Style:
        """The style that ``style`` names.

        Raises:
            InputError: there is no such style, or it cannot be read.
        """
        from sedtalker.animation.style import parse_style

        return parse_style(self.style)

    def check_names(self) -> None:
        """Look at names that stand in the options, and at their numbers, before any work.

        Raises:
            InputError: an unknown region, shape, emotion or style, or a number out of range.
        """
        check_ranges(self)
        _ = self.gains, self.direction, self.talking_style


@dataclass(frozen=True)
class Motion(LiveMotion):
    """How a face moves to a recording that is known as a whole."""

    min_confidence: Annotated[
        float,
        Option(
            "Emotion",
            "Segments below this confidence are labelled 'uncertain', and the face stays neutral there.",
            0.0,
            1.0,
        ),
    ] = 0.0
    smooth: Annotated[
        Mapping[str, ShortTime],
        Option(
            "Motion",
            "Seconds over which the finished motion is averaged above the mouth (upper) or at mouth and jaw (lower; "
            "closed lips stay closed): upper=0.2. Repeatable.",
            metavar="NAME=SECONDS",
            read=factors_like("upper=0.2"),
        ),
    ] = field(default_factory=dict)
    liveliness: Annotated[
        float,
        Option("Motion", "Scales how far brows, head and breath follow the rhythm of speech; 0: not at all.", 0.0, 2.0),
    ] = 1.0
    fps: FramesPerSecond = 30.0

    def check_names(self) -> None:
        super().check_names()
        if self.smooth:
            from sedtalker.animation.gains import check_smoothing

            check_smoothing(self.smooth)


Emotion = Annotated[
    str | None,
    Option(
        "Emotion",
        f"A track file, LABEL or LABEL:INTENSITY in place of the predicted emotion; labels: {LABELS}.",
        names="file",
    ),
]
"""The emotion, where it is given."""
Enroll = Annotated[
    tuple[Path, ...],
    Option("Emotion", "Another recording of the same speaker and microphone, as a baseline; repeatable.", read=listed),
]
"""Other recordings of the speaker."""
Light = Annotated[str, Option("Video", "Light: studio, soft, dramatic or a .json file.", names="json")]
"""The light of a picture."""


@dataclass(frozen=True)
class StreamSettings(LiveMotion):
    """How a face moves while somebody speaks.

    The diarizer's emotion follows the lips up to a second later. Gains at closed lips look 80 ms ahead, so other gains
    than 1 add that to the delay.
    """

    look_ahead: Annotated[
        float, Option("Time", "Seconds of future sound that a frame waits for (look-ahead).", 0.0, 5.0)
    ] = 0.2
    hop: Annotated[float, Option("Time", "Seconds of sound between results (hop).", 0.02, 2.0)] = 0.08
    fps: Annotated[float, Option("Time", "Frames a second.", 1.0, 120.0, flags=("--fps", "--rate"))] = 60.0
    emotion: Emotion = None
    enroll: Enroll = ()


@dataclass(frozen=True)
class Performance(Motion):
    """All that can be said of the animation of one recording: face, emotion, motion, words, picture and files."""

    mesh: Annotated[Path | None, Option("Face", "Your head mesh, or its .sedface; default: the built-in face.")] = None
    mesh_head: Annotated[int | None, Option("Face", "Which head of the mesh; default: the largest.", least=1)] = None
    landmarks: Annotated[Path | None, Option("Face", "Landmarks of the mesh (.json), as for mesh register.")] = None
    rig: Annotated[Path | None, Option("Face", "Your own blend shapes of the mesh, as for mesh register.")] = None
    open_mouth: Annotated[
        bool, Option("Face", "Cut sealed lips apart, as mesh register does.", flags=("--open-mouth",))
    ] = False
    mouth: Annotated[
        str,
        Option(
            "Face",
            "What is added behind open lips: auto adds missing mouth bag, teeth and tongue, after the file's vertices; "
            "keep adds nothing and reports a missing mouth; none adds nothing without a message.",
        ),
    ] = "auto"
    eyes: Annotated[
        str,
        Option(
            "Face",
            "What is added behind open lids: auto adds missing eyeballs, after the file's vertices; keep adds none; "
            "add also puts them in front of flat eyes.",
        ),
    ] = "auto"
    strength: Annotated[
        float, Option("Face", "Scales all expressions, 0.3 to 2; blinks, gaze and the jaw are not scaled.")
    ] = 1.0
    rig_names: Annotated[
        str | None,
        Option(
            "Face",
            "Names of another rig's shapes: metahuman, oculus, reallusion, vrm or a .json file. Read in the mesh and "
            "in --performance, written in GLB, FBX, USD and the arkit CSV.",
            flags=("--map", "--rig-names"),
            names="json",
        ),
    ] = None
    face: Annotated[str | None, Option("Face", "A built-in face (sedtalker face list), or random-SEED.")] = None
    speakers: Annotated[
        str | None,
        Option(
            "Speakers",
            "A conversation, a face for each speaker: auto, how many there are, channels (a speaker each), or an .rttm "
            "file that says who speaks when; default: one speaker.",
            metavar="auto|N|channels|FILE",
            read=read_speakers,
            names="file",
        ),
    ] = None
    others: Annotated[
        tuple[str, ...],
        Option(
            "Speakers",
            "The face or head file of a further speaker, as repeating --face and --mesh says; repeatable. Speakers "
            "without one get other built-in faces.",
            flags=("--other",),
            metavar="FACE|FILE",
            read=listed,
        ),
    ] = ()
    listening: Annotated[
        float,
        Option(
            "Speakers",
            "How much a face does while others speak: 0, it looks at them and blinks; 1, it also nods and answers with "
            "small expressions.",
            0.0,
            1.0,
        ),
    ] = 1.0
    shot: Annotated[
        ShotKind,
        Option("Speakers", "The video: all heads in one picture, a cut to whoever speaks, or a split picture."),
    ] = "two-shot"
    emotion: Emotion = None
    model: Annotated[
        str | None, Option("Emotion", "A diarizer's folder, or hf:NAME, as for diarize.", names="folder")
    ] = None
    encoder: Annotated[
        str | None,
        Option(
            "Emotion",
            "The speech encoder: builtin, whisper-base (from the Hugging Face hub; slower, with more accurate emotion "
            "and, in animate, lips), or a folder with the weights of openai/whisper-base.",
            names="folder",
        ),
    ] = None
    enroll: Enroll = ()
    trust: Annotated[
        float,
        Option("Emotion", "How far intensity shrinks where the prediction is uncertain; 0: not at all.", 0.0, 1.0),
    ] = 1.0
    fill_scale: FillScale = False
    coordinates: Annotated[
        str | None,
        Option(
            "Emotion",
            "Valence and arousal of each emotion: a .json file, russell1977 (default) or dietrich2026.",
            metavar="FILE|NAME",
            names="file",
        ),
    ] = None
    decoder: Annotated[
        Path | None, Option("Motion", "A decoder's checkpoint folder; a vertex decoder also needs its --mesh.")
    ] = None
    transcript: Annotated[
        str | None,
        Option(
            "Words",
            "The spoken words: text, a .txt file, or auto (recognised in the sound); the lips become more accurate.",
            metavar="FILE|TEXT|auto",
        ),
    ] = None
    words: Annotated[
        Path | None,
        Option("Words", "Words or phrases with times: .ctm, .TextGrid, .vtt, .srt, or .json of Whisper."),
    ] = None
    language: Annotated[
        str | None,
        Option(
            "Words",
            "Language of the words: en, de, fr, es, zh, ko, hi or any other name of espeak-ng; default: en, of auto "
            "that which is recognised.",
            metavar="CODE",
        ),
    ] = None
    size: Annotated[
        str, Option("Video", "Size of the picture, pixels: 512, or 1280x720.", metavar="N|WxH", read=str)
    ] = "512"
    camera: Annotated[
        str,
        Option(
            "Video", "The camera: front, three-quarter, left, right or a .json file.", metavar="NAME|FILE", names="json"
        ),
    ] = "front"
    background: Annotated[
        str | None,
        Option(
            "Video",
            "A colour (white, #88aacc), two colours with a comma (top, bottom), a picture, or transparent (WebM, "
            "GIF, PNG); default: the light's own.",
            metavar="COLOUR|FILE",
            names="file",
        ),
    ] = None
    light: Light = "studio"
    renderer: Annotated[
        Backend,
        Option("Video", "numba needs no graphics library, pyrender needs EGL; auto: pyrender on a real GPU."),
    ] = "auto"
    video: Annotated[bool, Option("Video", "Render the video.", flags=("--video/--no-video",))] = True
    video_format: Annotated[
        Literal["mp4", "mov", "mkv", "webm", "gif"],
        Option("Video", "Video format; webm and gif can be transparent, a gif is silent."),
    ] = "mp4"
    to: Annotated[tuple[str, ...], Option("Files", "Also write these formats, separated by commas.", read=listed)] = ()
    targets: Annotated[
        Targets,
        Option(
            "Files",
            "Blend shapes of GLB, FBX and USD: few (some 32), arkit (with the tongue's) or all (with correctives).",
        ),
    ] = "arkit"
    max_seconds: Annotated[float, Option("Files", "Refuse longer audio.", least=1.0)] = 3600.0

    def said(self) -> str | Path | None:
        """The words of the recording: a text, a file, or None.

        Raises:
            InputError: they are given twice, or are the name of a folder; a word of that name needs a full stop.
        """
        text = self.transcript
        if text is None:
            return self.words
        if self.words is not None:
            raise InputError("give one of --transcript and --words")
        if is_folder(Path(text)):
            what = "takes a file, or the words (this word with a full stop)"
            raise InputError(f"{text} is a folder: --transcript {what}")
        return text
