"""The messages of NVIDIA's Audio2Face-3D, and what a client asks for in them, in our terms.

Messages are made at run time from ``ace_messages.toml``. NVIDIA's own stubs are free (Apache 2.0), but their package
``nvidia-ace`` allows grpcio up to 1.67 of 2024 alone, which nobody should serve a network with. Messages carry no names
on the wire, so these and NVIDIA's read each other; a test compares them field by field. They live in a pool of their
own, so that both may be imported in one program.

Parameters, emotions and sound are honoured or refused by their names; what is left out is as in ``sedtalker stream``.
Values that NVIDIA's sample clients send and that change nothing we have are taken as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from sedtalker.arrays import Floats
from sedtalker.audio.audio import check_rate
from sedtalker.emotion.formats.keys import strengths_of
from sedtalker.emotion.shown import from_strengths
from sedtalker.emotion.taxonomy import valence_arousal
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError, one_of, said_of
from sedtalker.face.arkit import ARKIT_52, INDEX, nearest_shape
from sedtalker.reading import read_own_table

FILE = "ace"
"""Name of the file and of the package that the messages are declared in; nobody else sees it."""


def _declare(message: DescriptorProto, name: str, said: str) -> None:
    """Add a field from ``NUMBER [repeated|optional|map] TYPE``."""
    number, *label, kind = said.split()
    many = bool(label) and label[0] != "optional"
    field = message.field.add(name=name, number=int(number))
    field.label = FieldDescriptorProto.LABEL_REPEATED if many else FieldDescriptorProto.LABEL_OPTIONAL
    if label == ["map"]:
        entry = message.nested_type.add(name="".join(word.title() for word in name.split("_")) + "Entry")
        entry.options.map_entry = True
        _declare(entry, "key", "1 string")
        _declare(entry, "value", f"2 {kind}")
        kind = f"{message.name}.{entry.name}"
    if label == ["optional"]:
        field.proto3_optional, field.oneof_index = True, len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
    if kind.islower():
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
    else:
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{FILE}.{kind}"


def _messages() -> dict[str, Any]:
    file = FileDescriptorProto(name=FILE, package=FILE, syntax="proto3")
    table = read_own_table(__file__, "ace_messages.toml")
    for name, fields in table.items():
        message = file.message_type.add(name=name)
        for field, said in fields.items():
            _declare(message, field, said)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{FILE}.{name}")) for name in table}


MESSAGES: dict[str, Any] = _messages()
"""The class of each message by its name."""


def made(name: str, **fields: Any) -> Any:
    """A new message of that name."""
    return MESSAGES[name](**fields)


def read(name: str, data: bytes) -> Any:
    """A message from its bytes.

    Raises:
        InputError: they are none.
    """
    message: Message = MESSAGES[name]()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise InputError(f"a message cannot be read: send {name}") from None
    return message


# --- What a client asks for.


ACE_FPS = 30.0
"""Frames a second that Audio2Face-3D sends."""
STEP = 1 / ACE_FPS
"""Seconds in which the emotion passes to that of the next time code, where a client says no time."""
MOST_KEYS = 1000
"""Emotions with a time code that may lie in the future of a stream."""


class Dial(NamedTuple):
    """How a parameter of the face is honoured.

    Attributes:
        least, most: its range.
        shapes: beginnings of the names of the shapes that it is about; or the name of an ``offset`` of ``LiveMotion``.
        what: it does with them: a factor, an offset (``-offset`` where ours goes the other way), seconds of smoothing;
            None: nothing here does it.
        unchanged: values that are taken all the same where nothing does it: those of NVIDIA's sample clients.
    """

    least: float
    most: float
    shapes: tuple[str, ...] = ()
    what: Literal["factor", "offset", "-offset", "smoothing"] | None = None
    unchanged: tuple[float, ...] = ()


UPPER_FACE = ("brow", "eyeSquint", "eyeWide", "cheekSquint")
"""Shapes of the upper face; lids and gaze have parameters of their own."""
LOWER_FACE = ("jaw", "mouth", "cheekPuff", "noseSneer", "tongue")
"""Shapes of the lower face."""
FACE: Mapping[str, Dial] = {
    "upperFaceStrength": Dial(0.0, 2.0, UPPER_FACE, "factor"),
    "lowerFaceStrength": Dial(0.0, 2.0, LOWER_FACE, "factor"),
    "skinStrength": Dial(0.0, 2.0, UPPER_FACE + LOWER_FACE, "factor"),
    "blinkStrength": Dial(0.0, 2.0, ("eyeBlink",), "factor"),
    "upperFaceSmoothing": Dial(0.0, 0.1, UPPER_FACE, "smoothing"),
    "lowerFaceSmoothing": Dial(0.0, 0.1, LOWER_FACE, "smoothing"),
    "eyelidOpenOffset": Dial(-1.0, 1.0, ("lids",), "-offset"),
    "lipOpenOffset": Dial(-0.2, 0.2, ("lips",), "offset"),
    "tongueStrength": Dial(0.0, 3.0, ("tongue",), "factor"),
    "tongueHeightOffset": Dial(-3.0, 3.0, unchanged=(0.0,)),
    "tongueDepthOffset": Dial(-3.0, 3.0, unchanged=(0.0,)),
    "faceMaskLevel": Dial(0.0, 1.0, unchanged=(0.6,)),
    "faceMaskSoftness": Dial(0.001, 0.5, unchanged=(0.008, 0.0085)),
}
"""Parameters of the face by NVIDIA's names."""


@dataclass(eq=False)
class Finish:
    """The last step, on weights as they are sent: ``factor · weight + offset``, smoothed.

    Attributes:
        factor, offset, smoothing: (52,) each; smoothing is a time constant, seconds.
        clamp: whether weights stay in [0, 1].
    """

    factor: Floats
    offset: Floats
    smoothing: Floats
    clamp: bool = True
    _last: Floats | None = None

    def __call__(self, weights: Floats) -> Floats:
        """The next frames (T, 52), ``ACE_FPS`` a second; after those of the call before."""
        made = self.factor * weights + self.offset
        if self.smoothing.any():
            share = 1.0 - np.exp(-STEP / np.maximum(self.smoothing, 1e-6))
            for row in made:
                if self._last is not None:
                    row += (1.0 - share) * (self._last - row)
                self._last = row
        return np.asarray(np.clip(made, 0.0, 1.0) if self.clamp else made, np.float32)


@dataclass(frozen=True)
class AceRequest:
    """What a client wants.

    Attributes:
        motion: options of ``LiveMotion`` by name.
        share: of the emotions that it gives, in what is shown; 0: they are left out, as it said.
        onset: seconds with which the face takes on a recognised emotion; None: the usual.
        transition: seconds from a given emotion to the next.
        beginning: strengths of the categories at the beginning, where it gives them.
    """

    finish: Finish
    motion: dict[str, Any]
    share: float = 1.0
    onset: float | None = None
    transition: float = STEP
    beginning: list[float] | None = None


def wanted(face: Any, post: Any, shapes: Any, emotion: Any = None) -> AceRequest:
    """From the messages ``FaceParameters``, ``EmotionPostProcessingParameters``, ``BlendShapeParameters`` and so on.

    Raises:
        InputError: something that is not honoured, by its name.
    """
    for kind in ("integer_params", "float_array_params"):
        for name in sorted(getattr(face, kind)):
            raise InputError(f"face_params.{kind}: there is no '{name}'; the parameters of the face are float_params")
    finish, offset = _finish(face, shapes)
    motion: dict[str, Any] = {"offset": offset} if offset else {}
    asked: dict[str, Any] = {"finish": finish, "motion": motion}
    for name, kept, least, most, of in (
        ("emotion_strength", "intensity", 0.0, 1.0, motion),
        ("emotion_contrast", "contrast", 0.3, 3.0, motion),
        ("max_emotions", "at_most", 1, 6, motion),
        ("preferred_emotion_strength", "share", 0.0, 1.0, asked),
        ("live_blend_coef", "onset", 0.0, 0.999, asked),
    ):
        if post.HasField(name):
            of[kept] = _within(name, getattr(post, name), least, most)
    if "onset" in asked:  # share of the emotion of the frame before
        asked["onset"] = -STEP / math.log(asked["onset"]) if asked["onset"] else 1e-3
    if post.HasField("enable_preferred_emotion") and not post.enable_preferred_emotion:
        asked["share"] = 0.0
    if emotion is not None and emotion.HasField("live_transition_time"):
        asked["transition"] = max(1e-3, _within("live_transition_time", emotion.live_transition_time, 0.0, 60.0))
    if emotion is not None and emotion.beginning_emotion:
        asked["beginning"] = strengths_of(emotion.beginning_emotion, "beginning_emotion")
    return AceRequest(**asked)


def _finish(face: Any, shapes: Any) -> tuple[Finish, dict[str, float]]:
    """What parameters of the face and of single shapes do with the weights, and offsets of ``LiveMotion``."""
    clamp = not shapes.HasField("enable_clamping_bs_weight") or shapes.enable_clamping_bs_weight
    count = len(ARKIT_52)
    made = Finish(np.ones(count, np.float32), np.zeros(count, np.float32), np.zeros(count, np.float32), clamp)
    offset = dict[str, float]()
    for name, value in face.float_params.items():
        if name not in FACE:
            raise InputError(f"face_params: there is no '{name}': {one_of(name, FACE)}")
        dial = FACE[name]
        value = _within(name, value, dial.least, dial.most)
        columns = [shape.startswith(dial.shapes) for shape in ARKIT_52]
        if dial.what in ("offset", "-offset"):
            if value:
                offset[dial.shapes[0]] = value if dial.what == "offset" else -value
        elif dial.what == "factor":
            made.factor[columns] *= value
        elif dial.what == "smoothing":
            made.smoothing[columns] = value
        elif not any(math.isclose(value, known, abs_tol=1e-6) for known in dial.unchanged):
            known = " or ".join(f"{v:g}" for v in dial.unchanged)
            raise InputError(f"face_params: {name}={value:g} is not honoured here; leave it out, or send {known}")
    for name, value in shapes.bs_weight_multipliers.items():
        if (place := _shape(name)) is not None:
            made.factor[place] *= _within(f"bs_weight_multipliers: {name}", value, 0.0, 10.0)
    for name, value in shapes.bs_weight_offsets.items():
        if (place := _shape(name)) is not None:
            made.offset[place] += _within(f"bs_weight_offsets: {name}", value, -1.0, 1.0)
        elif value:
            raise InputError(f"bs_weight_offsets: there is no shape '{name}' to move: leave its offset out")
    return made, offset


def _shape(name: str) -> int | None:
    """Place of a shape among the 52, by ARKit's name or with a capital; None: one of NVIDIA's for the tongue."""
    place = INDEX.get(name[:1].lower() + name[1:])
    if place is None and not name.startswith("Tongue"):
        raise InputError(f"blendshape_params: there is no shape '{name}' of ARKit: {nearest_shape(name)}")
    return place


def _within(name: str, value: float, least: float, most: float) -> float:
    """The value, which lies in its range."""
    if not least - 1e-6 <= value <= most + 1e-6:  # floats of 32 bits
        raise InputError(f"{name}: {value:g} is out of range: send {least:g} to {most:g}")
    return min(max(value, least), most)


def checked_sound(header: Any) -> int:
    """Samples a second of sound that an ``AudioHeader`` announces.

    Raises:
        InputError: it is not PCM of 16 bits and one channel, or has a rate that no recording has.
    """
    if header.audio_format != 0:
        raise InputError(f"audio_format {header.audio_format}: send AUDIO_FORMAT_PCM")
    if header.channel_count != 1:
        raise InputError(f"channel_count {header.channel_count}: send one channel")
    if header.bits_per_sample != 16:
        raise InputError(f"bits_per_sample {header.bits_per_sample}: send 16")
    with said_of("samples_per_second"):
        check_rate(header.samples_per_second)
    return int(header.samples_per_second)


class GivenEmotions:
    """Emotions at time codes that come while a stream runs; each holds until the next.

    Args:
        transition: seconds from one to the next.
        beginning: strengths before the first.
    """

    def __init__(self, transition: float, beginning: list[float] | None = None):
        self.transition = transition
        self._keys: dict[float, list[float]] = {} if beginning is None else {0.0: beginning}

    def add(self, emotions: Iterable[Any], past: float = 0.0) -> bool:
        """Add messages ``EmotionWithTimeCode``; whether there were any.

        Args:
            past: seconds before which all frames are final: what has ended by then is forgotten.

        Raises:
            InputError: an unknown emotion, a strength or a time that cannot be, or too many.
        """
        some = False
        for message in emotions:
            time = message.time_code
            if not 0.0 <= time < 1e6:
                raise InputError(f"emotions: the time_code {time:g} is no time of a stream")
            self._keys[time] = strengths_of(message.emotion, f"emotions: at {time:g} s")
            some = True
        over = sorted(time for time in self._keys if time + self.transition < past)[:-1]
        for time in over:
            del self._keys[time]
        if len(self._keys) > MOST_KEYS:
            raise InputError(f"emotions: more than {MOST_KEYS} lie ahead")
        return some

    @property
    def from_beginning(self) -> bool:
        """Whether there is one at every time."""
        return bool(self._keys) and min(self._keys) <= 0.0

    def track(self) -> EmotionTrack | None:
        """The emotion by time from the first time code on, of what is known; None: none is."""
        times, values = list[float](), list[list[float]]()
        for time, strengths in sorted(self._keys.items()):
            if times:
                begin = max(time, times[-1] + 1e-6)
                times += [begin, max(time + self.transition, begin + 1e-6)]
                values += [values[-1], strengths]
            else:
                times, values = [time], [strengths]
        if not times:
            return None
        posterior, intensity = from_strengths(np.array(values))
        return EmotionTrack(np.array(times), posterior, intensity, *valence_arousal(posterior, intensity))
