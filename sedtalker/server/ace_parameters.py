"""What a client of Audio2Face-3D asks for, in our terms: its parameters, its emotions, its sound.

Everything is honoured or refused by its name; what is left out is as in ``sedtalker stream``. Values that NVIDIA's
sample clients send and that change nothing we have are taken as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from sedtalker.audio.audio import check_rate
from sedtalker.emotion.formats.keys import strengths_of
from sedtalker.emotion.shown import from_strengths
from sedtalker.emotion.taxonomy import valence_arousal
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52

FPS = 30.0
"""Frames a second that Audio2Face-3D sends."""
STEP = 1 / FPS
"""Seconds in which the emotion passes to that of the next time code, where a client says no time."""
MOST_KEYS = 1000
"""Emotions with a time code that may lie in the future of a stream."""


class Dial(NamedTuple):
    """How a parameter is honoured.

    Attributes:
        option: of ``LiveMotion``; None: there is none.
        least, most: its range.
        unchanged: values that leave the motion as it is, beside those that ``option`` honours.
    """

    option: str | None
    least: float
    most: float
    unchanged: tuple[float, ...] = ()


FACE: Mapping[str, Dial] = {
    "upperFaceStrength": Dial(None, 0.0, 2.0, (1.0,)),
    "lowerFaceStrength": Dial(None, 0.0, 2.0, (1.0, 1.2, 1.25, 1.3)),
    "upperFaceSmoothing": Dial(None, 0.0, 0.1, (0.0, 0.001)),
    "lowerFaceSmoothing": Dial(None, 0.0, 0.1, (0.0, 0.0023, 0.006)),
    "eyelidOpenOffset": Dial(None, -1.0, 1.0, (0.0, 0.06)),
    "lipOpenOffset": Dial(None, -0.2, 0.2, (0.0, -0.03)),
    "skinStrength": Dial(None, 0.0, 2.0, (1.0, 1.1)),
    "blinkStrength": Dial(None, 0.0, 2.0, (1.0,)),
    "faceMaskLevel": Dial(None, 0.0, 1.0, (0.6,)),
    "faceMaskSoftness": Dial(None, 0.001, 0.5, (0.008, 0.0085)),
    "tongueStrength": Dial(None, 0.0, 3.0, (1.0, 1.3, 1.5)),
    "tongueHeightOffset": Dial(None, -3.0, 3.0, (0.0,)),
    "tongueDepthOffset": Dial(None, -3.0, 3.0, (0.0,)),
}
"""Parameters of the face by NVIDIA's names; what samples send besides what is honoured is what their heads need."""
EMOTION: Mapping[str, Dial] = {
    "emotion_strength": Dial("intensity", 0.0, 1.0),
    "emotion_contrast": Dial(None, 0.3, 3.0, (1.0,)),
    "max_emotions": Dial(None, 1, 6, (6,)),
}
"""Parameters of the post-processing of emotions that are options of the motion."""


@dataclass(frozen=True)
class Wanted:
    """What a client wants.

    Attributes:
        motion: options of ``LiveMotion`` by name.
        share: of the emotions that it gives, in what is shown; 0: they are left out, as it said.
        onset: seconds with which the face takes on a recognised emotion; None: the usual.
        transition: seconds from a given emotion to the next.
        beginning: strengths of the categories at the beginning, where it gives them.
    """

    motion: dict[str, Any] = field(default_factory=dict)
    share: float = 1.0
    onset: float | None = None
    transition: float = STEP
    beginning: list[float] | None = None


def wanted(face: Any, post: Any, shapes: Any, emotion: Any = None) -> Wanted:
    """From the messages ``FaceParameters``, ``EmotionPostProcessingParameters`` and so on.

    Raises:
        InputError: something that is not honoured, by its name.
    """
    for kind in ("integer_params", "float_array_params"):
        for name in sorted(getattr(face, kind)):
            raise InputError(f"face_params.{kind}: there is no '{name}'; the parameters of the face are float_params")
    options = _dialled("face_params", face.float_params, FACE)
    given = {name: getattr(post, name) for name in EMOTION if post.HasField(name)}
    options |= _dialled("emotion_post_processing_params", given, EMOTION)
    options |= _shaped(shapes)
    share, onset, transition, beginning = 1.0, None, STEP, None
    if post.HasField("preferred_emotion_strength"):
        share = _within("preferred_emotion_strength", post.preferred_emotion_strength, 0.0, 1.0)
    if post.HasField("enable_preferred_emotion") and not post.enable_preferred_emotion:
        share = 0.0
    if post.HasField("live_blend_coef"):
        kept = _within("live_blend_coef", post.live_blend_coef, 0.0, 0.999)
        onset = -STEP / math.log(kept) if kept else 1e-3
    if emotion is not None:
        if emotion.HasField("live_transition_time"):
            transition = max(1e-3, _within("live_transition_time", emotion.live_transition_time, 0.0, 60.0))
        if emotion.beginning_emotion:
            beginning = strengths_of(emotion.beginning_emotion, "beginning_emotion")
    return Wanted(options, share, onset, transition, beginning)


def _dialled(where: str, given: Mapping[str, float], dials: Mapping[str, Dial]) -> dict[str, Any]:
    """Options of given parameters."""
    options: dict[str, Any] = {}
    for name, value in given.items():
        if name not in dials:
            raise InputError(f"{where}: there is no '{name}'; honoured are {', '.join(dials)}")
        option, least, most, unchanged = dials[name]
        _within(name, value, least, most)
        if option is not None:
            options[option] = value
        elif not any(math.isclose(value, known, abs_tol=1e-6) for known in unchanged):
            known = " or ".join(f"{v:g}" for v in unchanged)
            raise InputError(f"{where}: {name}={value:g} is not honoured here; leave it out, or send {known}")
    return options


def _within(name: str, value: float, least: float, most: float) -> float:
    """The value, which lies in its range."""
    if not least - 1e-6 <= value <= most + 1e-6:  # floats of 32 bits
        raise InputError(f"{name}: {value:g} is out of range: send {least:g} to {most:g}")
    return min(max(value, least), most)


def _shaped(shapes: Any) -> dict[str, Any]:
    """Options of factors and offsets of shapes, under ARKit's names or with a capital."""
    gain, offset = dict[str, float](), dict[str, float]()
    for said, kept, unchanged in ((shapes.bs_weight_multipliers, gain, 1.0), (shapes.bs_weight_offsets, offset, 0.0)):
        for name, value in said.items():
            plain = name[:1].lower() + name[1:]
            if plain in ARKIT_52:
                if value != unchanged:
                    kept[plain] = value
            elif not name.startswith("Tongue"):  # shapes of NVIDIA's: their weights here would be 0
                raise InputError(f"blendshape_params: there is no shape '{name}' of ARKit")
            elif not unchanged and value:
                raise InputError(f"blendshape_params: there is no shape '{name}' to move: leave its offset out")
    if offset:
        raise InputError("blendshape_params: bs_weight_offsets are not honoured here; leave them out, or send 0")
    return {"gain": gain} if gain else {}


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
    try:
        check_rate(header.samples_per_second)
    except InputError as error:
        raise InputError(f"samples_per_second: {error}") from None
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
