"""Conditioning of a decoder on emotion and style, and onset and offset by region of the face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from sedtalker.arrays import Floats, clamped
from sedtalker.emotion.track import CATEGORIES, NEUTRAL
from sedtalker.face.arkit import ARKIT_52, both_sides
from sedtalker.speech.features import FRAME_CLOCK


@dataclass(frozen=True)
class Style:
    """A talking style: values in [-1, 1]; 0 is the talker of the training data.

    Attributes:
        articulation: opening of the jaw and the lips, from mumbled to over-articulated (a factor of 2^0.4).
        rounding: protrusion of the lips.
        dynamics: how much wider the mouth opens on loud syllables than on soft ones.
        crispness: from lips that slur over short sounds to lips that jump from sound to sound.
    """

    articulation: float = 0.0
    rounding: float = 0.0
    dynamics: float = 0.0
    crispness: float = 0.0

    def code(self, names: Sequence[str]) -> list[float]:
        """The values of ``names``, as a decoder that knows these takes them."""
        return [float(getattr(self, name)) for name in names]


EMOTIONAL_SLOPE = 4.0
"""Slope of ``emotional`` at intensity 0: an intensity of a quarter is three quarters of the way."""
STYLE_CODES: tuple[str, ...] = tuple(f.name for f in fields(Style))
"""Names of the values of a style, in order."""


def emotional(posterior: Floats, intensity: Floats, style: Style) -> Floats:
    """(T, 1) from 0, for neutral speech in the usual style, to 1: how far the face departs from plain talking.

    Args:
        posterior: (T, 7).
        intensity: (T,).
    """
    expressed = np.tanh(EMOTIONAL_SLOPE * intensity * (1.0 - posterior[..., NEUTRAL]))
    styled = math.tanh(EMOTIONAL_SLOPE * max(map(abs, style.code(STYLE_CODES))))
    return np.asarray(expressed + styled - expressed * styled, np.float32)[..., None]


# --- Cuts in an emotion track become onsets as faces have them.


STEEPEST = 0.12
"""Change of a category's share times intensity from one frame of 20 ms to the next that no face makes."""
HALF_ONSET = 8
"""Frames before and after a cut over which it is spread: 0.32 s in all, half way at the cut itself."""


def ease_cuts(posterior: Floats, intensity: Floats) -> tuple[Floats, Floats]:
    """Posterior (T, C) and intensity (T,) at 50 frames a second, steps spread over 0.32 s; all else as it is."""
    shown = posterior * intensity[:, None]
    jumps = np.abs(np.diff(shown, axis=0)).max(1, initial=0.0) > STEEPEST
    if not jumps.any():
        return posterior, intensity
    near = np.convolve(jumps, np.ones(2 * HALF_ONSET), mode="full")[HALF_ONSET - 1 :][: len(intensity)] > 0
    window = np.hanning(2 * HALF_ONSET + 2)[1:-1]
    columns = np.column_stack([posterior, intensity])
    padded = np.pad(columns, ((HALF_ONSET, HALF_ONSET), (0, 0)), mode="edge")
    smooth = np.stack([np.convolve(c, window / window.sum(), mode="valid") for c in padded.T], axis=1)
    smooth = 0.5 * (smooth[:-1] + smooth[1:])
    eased = np.where(near[:, None], smooth[: len(columns)], columns).astype(np.float32)
    return eased[:, :-1], eased[:, -1]


# --- Above the mouth: full strength, and a pace by region.
#
# The decoder moves all regions of a face together and leaves them restrained. At full strength actors' faces do more
# above the mouth, so that part is added; nothing here moves the lips' opening. Expressions do not come and go
# everywhere at once: lids and nose are first, brows and cheeks follow (Jack, Garrod and Schyns 2014), and offsets take
# longer than onsets (Ekman and Friesen 1982; Schmidt and Cohn 2003). All of it looks back only, so streams and
# recordings are treated alike.

FULL: dict[str, dict[str, float]] = {
    "happy": {"cheekSquint": 0.12, "eyeSquint": 0.1},
    "sad": {"browDown": 0.1, "eyeBlink": 0.1, "cheekSquint": 0.1},
    "angry": {"noseSneer": 0.25, "eyeSquint": 0.25, "cheekSquint": 0.12, "browDown": 0.2, "eyeWide": 0.3},
    "fear": {"eyeWide": 0.1},
    "disgust": {"noseSneer": 0.15, "cheekSquint": 0.15},
    "surprise": {"eyeWide": 0.08},
}
"""Added to the decoder's shapes at intensity 1, in proportion to the intensity, like the decoder's own part."""


class Pace(NamedTuple):
    """Onset and offset of a region's expression.

    Attributes:
        delay: seconds after the mouth at which it begins.
        onset, offset: time constants in seconds, of what grows and of what fades.
    """

    delay: float
    onset: float
    offset: float


PACES: dict[str, Pace] = {
    "eyeSquint": Pace(0.0, 0.03, 0.15),
    "eyeWide": Pace(0.0, 0.03, 0.15),
    "eyeBlink": Pace(0.0, 0.04, 0.15),
    "noseSneer": Pace(0.0, 0.05, 0.15),
    "brow": Pace(0.02, 0.07, 0.28),
    "cheek": Pace(0.06, 0.1, 0.35),
}
"""By the beginnings of shapes' names; all others, the whole mouth among them, keep the decoder's time."""
LONGEST_DELAY = max(round(pace.delay * FRAME_CLOCK.rate) for pace in PACES.values())
"""Frames of the longest delay."""


def _added() -> Floats:
    """(7, 52) ``FULL`` in the orders of ``CATEGORIES`` and ``ARKIT_52``."""
    table = np.zeros((len(CATEGORIES), len(ARKIT_52)), np.float32)
    for emotion, shapes in FULL.items():
        for name, weight in shapes.items():
            table[CATEGORIES.index(emotion), both_sides(name)] = weight
    return table


def _paces() -> tuple[list[int], list[int], Floats, Floats]:
    """Columns that have a pace, their delays in frames, and the shares of the way they go a frame, up and down."""
    found = [(i, pace) for i, name in enumerate(ARKIT_52) for start, pace in PACES.items() if name.startswith(start)]
    delays = [round(pace.delay * FRAME_CLOCK.rate) for _, pace in found]
    up, down = (
        (1.0 - np.exp(-1.0 / (FRAME_CLOCK.rate * np.array(taus)))).astype(np.float32)
        for taus in ([pace.onset for _, pace in found], [pace.offset for _, pace in found])
    )
    return [i for i, _ in found], delays, up, down


ADDED = _added()
"""``FULL`` as a table (7, 52)."""
COLUMNS, DELAYS, UP, DOWN = _paces()
"""Result of ``_paces``."""


class UpperFaceStream:
    """The upper face, stretch after stretch; a recording is one stretch."""

    def __init__(self, active: Floats) -> None:
        """``active``: (52,) 1 for shapes that the decoder moves at all, else 0."""
        self.full = ADDED * active
        self.added = np.zeros((0, len(ARKIT_52)), np.float32)
        """Added to frames that the decoder has not returned yet."""
        self.past: Floats | None = None
        """(LONGEST_DELAY, 24) the last frames before their delay."""
        self.shown: Floats | None = None
        """(24,) the last frame."""

    def push(self, motion: Floats, posterior: Floats, intensity: Floats) -> Floats:
        """The next frames (n, 52), in [0, 1].

        Args:
            motion: (n, 52) as the decoder moves them, in [0, 1].
            posterior: (m, 7) of the next frames; those of ``motion`` came with it or before.
            intensity: (m,) of the same frames.
        """
        self.added = np.concatenate([self.added, (posterior @ self.full) * intensity[:, None]])
        count = len(motion)
        if not count:
            return motion
        made = clamped(motion + self.added[:count])
        self.added = self.added[count:]
        made[:, COLUMNS] = self._paced(made[:, COLUMNS])
        return made

    def _paced(self, wanted: Floats) -> Floats:
        """The paced columns (n, 24) of frames that are wanted without delay."""
        past = np.repeat(wanted[:1], LONGEST_DELAY, axis=0) if self.past is None else self.past
        known = np.concatenate([past, wanted])
        self.past = known[len(known) - LONGEST_DELAY :]
        rows = np.arange(LONGEST_DELAY, len(known))[:, None] - np.array(DELAYS)
        late = known[rows, np.arange(len(DELAYS))]
        shown = late[0] if self.shown is None else self.shown
        paced = np.empty_like(late)
        for target, frame in zip(late, paced, strict=True):
            step = target - shown
            # no shape fades faster than it comes, so the larger of both is the step of its direction
            shown = np.add(shown, np.maximum(UP * step, DOWN * step), out=frame)
        self.shown = shown.copy()
        return paced
