"""Gains on finished motion: how much of the emotion shows, how far the mouth opens, and how strong each region is.

Offsets and limits of single shapes, and smoothing by region, are here as well. The decoder run twice, under the track
and under neutral, splits its motion into a speech part (what it does under neutral) and an emotional part (what the
track adds). They are scaled apart; lips that both leave closed stay closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import scipy

from sedtalker.animation.articulation import held_closed
from sedtalker.animation.mouth_rules import RULES, MouthRules
from sedtalker.arrays import Floats, Mask
from sedtalker.errors import InputError, meant, one_of
from sedtalker.face.arkit import ARKIT_52, nearest_shape
from sedtalker.face.face import Face
from sedtalker.metrics.motion import lip_aperture

MAX_GAIN = 2.0
"""Largest factor of any gain."""
MAX_OFFSET = 1.0
"""Largest amount that an offset adds or takes away."""
MAX_SMOOTHING = 1.0
"""Longest time over which a region is smoothed, seconds."""
UPPER, LOWER = "upper", "lower"
"""The two regions that are smoothed apart."""
WINDOW_DEVIATION = 0.25
"""Standard deviation of the window of ``smoothed``, as a share of its length."""
REGIONS: dict[str, tuple[str, ...]] = {
    UPPER: ("brow", "eyeBlink", "eyeSquint", "eyeWide", "cheek", "nose"),
    LOWER: ("jaw", "mouth"),
    "brows": ("brow",),
    "eyes": ("eyeBlink", "eyeSquint", "eyeWide"),
    "cheeks": ("cheek",),
    "nose": ("nose",),
    "jaw": ("jaw",),
    "mouth": ("mouth",),
    "smile": ("mouthSmile", "mouthDimple"),
    "frown": ("mouthFrown",),
}
"""Regions of the face by the beginnings of ARKit names; they overlap: a smile is also of the mouth, and lower."""
SHAPE_GROUPS: dict[str, tuple[str, ...]] = {
    "lids": ("eyeBlinkLeft", "eyeBlinkRight"),
    "lips": ("mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight"),
}
"""Shapes that offsets and limits name by one word."""
ARTICULATORS = ("jaw", "mouth", "tongue")
"""Shapes that speech itself moves."""
AROUND_THE_MOUTH = (*ARTICULATORS, "noseSneer", "cheek")
"""Shapes that move the lips at all."""
PARTING = (
    "jaw", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRoll", "mouthShrug", "mouthPress", "mouthLowerDown",
    "mouthUpperUp",
)  # fmt: skip
"""Shapes that part or seal the lips; reduced first when a gain would break a closure."""


def _columns(beginnings: Sequence[str]) -> Mask:
    """(52,) the ARKit shapes whose names begin so."""
    return np.array([name.startswith(tuple(beginnings)) for name in ARKIT_52])


@dataclass(frozen=True)
class Gains:
    """Factors from 0 to 2; 1 leaves things as they are.

    Attributes:
        expressivity: of the emotional part; 0 is the motion under a neutral track.
        articulation: of the speech part of jaw, lips and tongue, about the closed mouth.
        regions: of the emotional part in a region (see ``REGIONS``), on top of ``expressivity``. A shape of two regions
            takes both factors.
        shapes: of single ARKit shapes of the finished motion, blinks and gaze included; the result stays in [0, 1].
        offsets: -1 to 1, added to such a shape, or to those that ``SHAPE_GROUPS`` names, after the factors.
        limits: 0 to 1, the most that such a shape reaches, after the offsets.

    Raises:
        InputError: a number out of range, or an unknown region or shape.
    """

    expressivity: float = 1.0
    articulation: float = 1.0
    regions: Mapping[str, float] = field(default_factory=dict)
    shapes: Mapping[str, float] = field(default_factory=dict)
    offsets: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.regions:
            if name not in REGIONS:
                more = ", or a shape of ARKit, such as jawOpen (`sedtalker face list --json` names them)"
                known = meant(name, ARKIT_52, 1) or one_of(name, REGIONS, more)
                raise InputError(f"there is no region '{name}' of the face: {known}")
        for names, groups in ((self.shapes, ()), (self.offsets, SHAPE_GROUPS), (self.limits, SHAPE_GROUPS)):
            if unknown := [name for name in names if name not in ARKIT_52 and name not in groups]:
                known = meant(unknown[0], groups, 1) or nearest_shape(unknown[0])
                raise InputError(f"there is no shape '{unknown[0]}' of ARKit: {known}")
        named = {"expressivity": self.expressivity, "articulation": self.articulation, **self.regions, **self.shapes}
        _check_ranges(named, "the gain", 0.0, MAX_GAIN)
        _check_ranges(self.offsets, "the offset", -MAX_OFFSET, MAX_OFFSET)
        _check_ranges(self.limits, "the limit", 0.0, 1.0)

    @property
    def leaves_motion_as_is(self) -> bool:
        """Whether every factor is 1."""
        return not self.split_motion and not self._changes_shapes

    @property
    def _changes_shapes(self) -> bool:
        """Whether single shapes of the finished motion become others."""
        numbers = [*self.shapes.values(), *self.limits.values()]
        return any(value != 1.0 for value in numbers) or any(self.offsets.values())

    @property
    def split_motion(self) -> bool:
        """Whether a factor scales the speech part or the emotional part, so that both are needed."""
        return any(value != 1.0 for value in (self.expressivity, self.articulation, *self.regions.values()))

    def of_speech(self) -> Floats:
        """(52,) factors of the speech part."""
        return np.where(_columns(ARTICULATORS), self.articulation, 1.0).astype(np.float32)

    def of_emotion(self) -> Floats:
        """(52,) factors of the emotional part."""
        factors = np.full(len(ARKIT_52), self.expressivity, np.float32)
        for name, value in self.regions.items():
            factors[_columns(REGIONS[name])] *= value
        return factors

    def of_shapes(self, coefficients: Floats, names: Sequence[str]) -> Floats:
        """Finished coefficients (T, K) of ``names`` with factors, offsets and limits; closed lips stay closed."""
        if not self._changes_shapes:
            return coefficients
        offsets, limits = _by_shape(self.offsets), _by_shape(self.limits)
        before, after = dict(zip(names, coefficients.T, strict=True)), dict[str, Floats]()
        for name, weight in before.items():
            factor, offset, limit = self.shapes.get(name, 1.0), offsets.get(name, 0.0), limits.get(name, 1.0)
            changed = (factor, offset, limit) != (1.0, 0.0, 1.0)
            after[name] = np.clip(weight * np.float32(factor) + np.float32(offset), 0.0, limit) if changed else weight
        held = held_closed(after, before)
        return np.stack([held[name] for name in names], axis=1).astype(np.float32)

    def described(self) -> dict[str, Any]:
        """For provenance; what single shapes get is named where there is something."""
        kept = ("expressivity", "articulation", "regions")
        return {key: value for key, value in asdict(self).items() if value or key in kept}


def _by_shape(numbers: Mapping[str, float]) -> dict[str, float]:
    """Numbers by shapes, where some are given for several together; of a shape itself the number counts."""
    spread = {name: value for word, value in numbers.items() for name in SHAPE_GROUPS.get(word, ())}
    return spread | {name: value for name, value in numbers.items() if name not in SHAPE_GROUPS}


def check_smoothing(seconds: Mapping[str, float]) -> None:
    """Raise ``InputError`` where something else than the upper and the lower face is to be smoothed, or too long."""
    if strange := sorted(set(seconds) - {UPPER, LOWER}):
        raise InputError(f"'{strange[0]}' cannot be smoothed: use {UPPER} or {LOWER}")
    _check_ranges(seconds, "smoothing", 0.0, MAX_SMOOTHING, " seconds")


def _check_ranges(numbers: Mapping[str, float], what: str, least: float, most: float, unit: str = "") -> None:
    """Raise ``InputError`` for the first of some numbers by name that is out of range."""
    for name, value in numbers.items():
        if not least <= value <= most:
            raise InputError(f"{what} {name}={value:g} is out of range: use {least:g} to {most:g}{unit}")


def smoothed(weights: Mapping[str, Floats], seconds: Mapping[str, float], fps: float) -> dict[str, Floats]:
    """ARKit weights by name, (T,) each, averaged over ``seconds`` by region; closed lips stay closed."""
    made = dict(weights)
    for region, length in seconds.items():
        for name in weights:
            if length and name.startswith(REGIONS[region]):
                made[name] = scipy.ndimage.gaussian_filter1d(
                    weights[name], WINDOW_DEVIATION * length * fps, mode="nearest"
                )
    return held_closed(made, weights)


def apply_gains(expressive: Floats, neutral: Floats, gains: Gains, face: Face, rules: MouthRules = RULES) -> Floats:
    """The decoder's motion with its speech and emotional parts scaled.

    Args:
        expressive: (T, 52) coefficients in [0, 1] under the track, 50 frames a second.
        neutral: (T, 52) of the same speech under ``track.scaled(0)``.
        gains: the factors of both parts; if all are 1, the result is ``expressive`` itself.
        face: whose lips must stay closed: with the ARKit shapes first and landmarks.

    Returns:
        (T, 52) in [0, 1]. Where the mouth is closed in both motions, it is closed in the result.
    """
    if not gains.split_motion:
        return expressive
    of_speech, of_emotion = gains.of_speech(), gains.of_emotion()
    scaled = (of_speech * neutral + of_emotion * (expressive - neutral)).clip(0.0, 1.0)
    untouched = (of_speech == 1.0) & (of_emotion == 1.0)
    scaled[:, untouched] = expressive[:, untouched]
    return _keep_closures(scaled, expressive, neutral, face, rules)


def _keep_closures(scaled: Floats, expressive: Floats, neutral: Floats, face: Face, rules: MouthRules) -> Floats:
    """``scaled``, moved towards ``expressive`` where it opens a mouth that is closed in both motions."""
    rest = lip_aperture(face, np.zeros((1, len(ARKIT_52)), np.float32))[0]
    widest = np.maximum(lip_aperture(face, expressive), lip_aperture(face, neutral))
    highest, met = rest + rules.closed_gap - rules.slack, rest + rules.closed_gap
    limit = np.maximum(np.minimum(np.maximum(widest, rest) + rules.slack, highest), widest)
    opened = np.flatnonzero((widest < met) & (lip_aperture(face, scaled) > limit))
    if not len(opened):
        return scaled
    kept, tried = np.zeros(len(opened), np.float32), np.ones(len(opened), np.float32)
    for _ in range(8):  # bisection of how much of the gain can stay
        middle = 0.5 * (kept + tried)
        shut = lip_aperture(face, _give_way(scaled[opened], expressive[opened], middle)) <= limit[opened]
        kept, tried = np.where(shut, middle, kept), np.where(shut, tried, middle)
    share = np.ones(len(scaled), np.float32)
    share[opened] = kept
    closed = np.flatnonzero(widest < met)
    for _ in range(4):
        made = _give_way(scaled, expressive, _eased(share, rules.ease_frames))
        open_still = closed[lip_aperture(face, made[closed]) > limit[closed]]  # giving way may also open a little
        if not len(open_still):
            return made
        share[open_still] = 0.0
    mouth = _columns(AROUND_THE_MOUTH)
    made[np.ix_(open_still, mouth)] = expressive[np.ix_(open_still, mouth)]
    return made


def _eased(share: Floats, frames: int) -> Floats:
    """(T,) the mean of minima over the same window: never above the share itself."""
    window = 2 * frames + 1
    return scipy.ndimage.uniform_filter1d(scipy.ndimage.minimum_filter1d(share, window), window)


def _give_way(scaled: Floats, expressive: Floats, share: Floats) -> Floats:
    """From ``scaled`` at share 1 to the ``expressive`` mouth at 0: first what parts the lips, from 1/2 on the rest."""
    mouth = _columns(AROUND_THE_MOUTH)
    parting = _columns(PARTING)
    back = np.where(parting, np.clip(2 - 2 * share, 0, 1)[:, None], np.clip(1 - 2 * share, 0, 1)[:, None]) * mouth
    return (scaled + back * (expressive - scaled)).astype(np.float32)
