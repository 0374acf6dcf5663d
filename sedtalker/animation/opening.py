"""How far the mouth opens: as far as people's do, and further under a raised voice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.mouth_rules import RULES, MouthRules
from sedtalker.arrays import Floats, Reals, clamped
from sedtalker.face.arkit import ARKIT_52, TALKING_SHAPES, TALKING_SIDES

OPENING = [
    index
    for index, name in enumerate(ARKIT_52)
    if name.startswith(
        ("jawOpen", "mouthClose", "mouthRoll", "mouthShrug", "mouthPress", "mouthLowerDown", "mouthUpperUp")
    )
]
"""Indices of the shapes that open and close the mouth; corners, and how round lips are, stay as they are."""
ROUND = [TALKING_SHAPES.index(name) for name in ("mouthPucker", "mouthFunnel")]
"""Places of the shapes that round the lips, in ``TALKING_SHAPES``."""
OPENING_STEP, OPENING_STEPS = 0.002, 256
"""Gaps between the lips are counted in steps of this, and so many of them."""
LOWEST_LEVEL, LEVEL_STEP, LEVELS = -16.0, 0.25, 72
"""Levels of a voice, natural log of the power, are counted from here on in so many steps."""
LOWEST_TILT, TILT_STEP, TILTS = -12.0, 0.1, 180
"""Its spectral tilts, see ``PROSODY_CHANNELS``, too."""


def opening_of(mouth: Floats, voice: Floats | None = None, rules: MouthRules = RULES) -> float:
    """The factor of ``OpeningMeasure`` for a whole recording."""
    measured = OpeningMeasure(rules)
    measured.add(mouth, voice)
    return measured.factor


class OpeningMeasure:
    """How far the mouth opens that is read out of the sound, and the factor that makes this what the voice asks for.

    Networks shrink the mouths of people whom they were not trained on towards the mean. The louder somebody talks, the
    further jaw and lips open, by half as much again in loud speech (Schulman 1989; Geumann 2001), and at any level of
    the recording the balance of the spectrum above and below 1 kHz tells it (Sluijter and van Heuven 1996). Frames may
    come one by one.
    """

    def __init__(self, rules: MouthRules = RULES) -> None:
        self.rules = rules
        self.counts = np.zeros(OPENING_STEPS, np.int64)
        """Frames with open lips by their gap."""
        self.voices = np.zeros((LEVELS, TILTS), np.int64)
        """Voiced frames by their level and their tilt."""
        self.effort = 0.0
        """Change of the opening by vocal effort, natural log."""

    def add(self, mouth: Floats, voice: Floats | None = None) -> None:
        """Count the next frames.

        Args:
            mouth: (n, S) of ``TALKING_SHAPES``.
            voice: (n, 4) prosody, zero where nobody speaks; None: the voice does not count.
        """
        steps, rows, columns = self._places(mouth, voice)
        voiced = rows >= 0
        np.add.at(self.counts, steps[steps >= 0], 1)
        np.add.at(self.voices, (rows[voiced], columns[voiced]), 1)
        self.effort = self._effort()

    def factors(self, mouth: Floats, voice: Floats) -> Floats:
        """(n, 1) the factor as of each of the next frames, which are counted, see ``add``."""
        made = np.empty((len(mouth), 1), np.float32)
        for frame, (step, row, column) in enumerate(self._places(mouth, voice).T.tolist()):
            if step >= 0:
                self.counts[step] += 1
            if row >= 0:
                self.voices[row, column] += 1
                self.effort = self._effort()
            made[frame] = self.factor
        return made

    def _places(self, mouth: Floats, voice: Floats | None) -> NDArray[np.int64]:
        """(3, n) where frames are counted: the gap, and level and tilt of the voice; -1 where they are not."""
        gaps, places = _gaps(mouth, self.rules), np.full((3, len(mouth)), -1, np.int64)
        places[0] = np.where(gaps > self.rules.apart_gap, np.minimum(gaps / OPENING_STEP, OPENING_STEPS - 1), -1)
        if voice is not None:
            level, tilt = (voice[:, 0] - LOWEST_LEVEL) / LEVEL_STEP, (voice[:, 3] - LOWEST_TILT) / TILT_STEP
            voiced = voice[:, 1] != 0.0
            places[1] = np.where(voiced, np.minimum(np.maximum(level, 0), LEVELS - 1), -1)
            places[2] = np.where(voiced, np.minimum(np.maximum(tilt, 0), TILTS - 1), -1)
        return places

    def _effort(self) -> float:
        """By the median tilt of the louder half of the voice."""
        rules, levels = self.rules, self.voices.sum(1).cumsum()
        count = int(levels[-1])
        if not count:
            return 0.0
        middle = int(levels.searchsorted(0.5 * count, side="right"))
        tilts = self.voices[middle:].sum(0).cumsum()
        tilt = LOWEST_TILT + TILT_STEP * (0.5 + float(tilts.searchsorted(0.5 * float(tilts[-1]))))
        asked = min(max(rules.tilt_opens * (tilt - rules.usual_tilt), -rules.most_effort), rules.most_effort)
        return asked * count / (count + rules.few_frames)

    @property
    def factor(self) -> float:
        """The factor of ``OPENING``, from all frames so far."""
        rules, total, wide = self.rules, self.counts.cumsum(), 0.0
        count = float(total[-1])
        if count:
            below = (1.0 - rules.widest_part) * count
            step = int(total.searchsorted(below))
            wide = OPENING_STEP * float(step + 1 - (total[step] - below) / self.counts[step])
        shown = rules.few_frames * rules.read_opening + count * wide
        shown /= rules.few_frames + count
        least, most = rules.opening_range
        return min(max(float(rules.usual_opening * np.exp(self.effort) / shown), least), most)


def opened(motion: Floats, factor: Floats | np.float32, kept: Floats) -> Floats:
    """A motion (T, 52) whose speech opens the mouth further by a factor, one or (T, 1); what emotion adds stays.

    Args:
        kept: (T, 52) what a neutral face would have more of each shape, so that ``motion + kept`` is what speech does.
    """
    wider = np.asarray(motion, np.float32).copy()
    wider[:, OPENING] += (factor - 1.0) * clamped(motion + kept)[:, OPENING]
    return clamped(wider)


def mouth_pose(mouth: Floats | None) -> Floats | None:
    """(T, 2) how far a mouth (T, S) of ``TALKING_SHAPES`` opens, and how round it is (pucker and funnel).

    The opening is a share of the 95th percentile of the recording's frames with open lips. None where no mouth is read.
    """
    if mouth is None:
        return None
    gaps = _gaps(mouth, RULES)
    apart = gaps[gaps > RULES.apart_gap]
    widest = float(np.percentile(apart, 95)) if len(apart) else RULES.apart_gap
    return np.asarray(np.stack([gaps / widest, mouth[:, ROUND].sum(1)], 1), np.float32)


def _gaps(mouth: Floats, rules: MouthRules) -> Reals:
    """(T,) the gap between the lips of a mouth (T, S), outer-eye distances."""
    return (mouth @ TALKING_SIDES) @ rules.gaps
