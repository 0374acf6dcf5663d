"""Expression poses: what each emotion does to the 52 shapes.

Two sources are added: prototypes in action units, after the emotional facial action coding system (EMFACS; Ekman and
Friesen 1983), with strengths of our own so that each reads at a glance, and, where the measured table is at hand, what
24 actors' faces did on average (differences to their own neutral, RAVDESS, Livingstone and Russo 2018).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.shapes import INDEX
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52

ACTION_UNITS: dict[str, dict[str, float]] = {
    "AU01": {"browInnerUp": 1.0},
    "AU02": {"browOuterUpLeft": 1.0, "browOuterUpRight": 1.0},
    "AU04": {"browDownLeft": 1.0, "browDownRight": 1.0},
    "AU05": {"eyeWideLeft": 1.0, "eyeWideRight": 1.0},
    "AU06": {"cheekSquintLeft": 1.0, "cheekSquintRight": 1.0, "eyeSquintLeft": 0.4, "eyeSquintRight": 0.4},
    "AU07": {"eyeSquintLeft": 0.8, "eyeSquintRight": 0.8},
    "AU09": {"noseSneerLeft": 1.0, "noseSneerRight": 1.0},
    "AU10": {"mouthUpperUpLeft": 1.0, "mouthUpperUpRight": 1.0},
    "AU12": {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0},
    "AU14": {"mouthDimpleLeft": 1.0, "mouthDimpleRight": 1.0},
    "AU15": {"mouthFrownLeft": 1.0, "mouthFrownRight": 1.0},
    "AU17": {"mouthShrugLower": 1.0},
    "AU20": {"mouthStretchLeft": 1.0, "mouthStretchRight": 1.0},
    "AU22": {"mouthFunnel": 1.0},
    "AU23": {"mouthPressLeft": 0.6, "mouthPressRight": 0.6, "mouthRollLower": 0.3},
    "AU24": {"mouthPressLeft": 1.0, "mouthPressRight": 1.0},
    "AU25": {"mouthLowerDownLeft": 0.5, "mouthLowerDownRight": 0.5},
    "AU26": {"jawOpen": 0.4},
    "AU43": {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.5},
}
"""Action units (Ekman and Friesen 1978) in shapes, at full strength."""

PROTOTYPES: dict[str, dict[str, float]] = {
    "neutral": {},
    "happy": {"AU06": 0.55, "AU12": 0.70, "AU25": 0.15, "AU02": 0.10},
    "sad": {"AU01": 0.85, "AU04": 0.12, "AU15": 0.70, "AU17": 0.30, "AU43": 0.25, "AU07": 0.10},
    "angry": {"AU04": 0.95, "AU05": 0.20, "AU07": 0.45, "AU09": 0.25, "AU10": 0.05, "AU23": 0.55, "AU15": 0.30},
    "fear": {"AU01": 0.90, "AU02": 0.40, "AU04": 0.35, "AU05": 0.80, "AU20": 0.55, "AU25": 0.25, "AU26": 0.15},
    "disgust": {"AU04": 0.40, "AU07": 0.45, "AU09": 0.75, "AU10": 0.40, "AU15": 0.40, "AU17": 0.35},
    "surprise": {"AU01": 0.95, "AU02": 0.95, "AU05": 0.85, "AU26": 0.60, "AU22": 0.25},
}
"""Strength of the action units at intensity 1, beside the measured part."""

MEASURED_GAIN = 0.35
"""Weight of the measured differences: actors' averages are weaker than any one clear expression."""
UNRELIABLE: dict[str, float] = {"AU07": 0.3, "AU11": 0.0, "AU20": 0.5}
"""Detectors that vote on or off; their measured differences count less."""
NOT_MEASURED: dict[str, tuple[str, ...]] = {"surprise": ("AU12", "AU14", "AU20", "AU10")}
"""Units that a detector sees because the mouth talks; they would make the pose smile."""
MEASURED_NAMES: dict[str, str] = {"fear": "fearful_2", "surprise": "surprised_2"}

ARTICULATION: dict[str, float] = {
    "neutral": 0.0, "happy": 0.12, "sad": -0.22, "angry": 0.25, "fear": 0.05, "disgust": 0.0, "surprise": 0.18,
}  # fmt: skip
"""Relative change of the speaking amplitude at intensity 1."""


LOUD: dict[str, dict[str, float]] = {
    "happy": {"AU25": 0.25, "AU06": 0.15, "AU12": 0.10},
    "sad": {"AU43": -0.20, "AU04": 0.15, "AU20": 0.25, "AU25": 0.15, "AU06": 0.20},
    "angry": {"AU10": 0.25, "AU25": 0.35, "AU23": -0.45, "AU09": 0.15, "AU05": 0.10},
    "fear": {"AU20": 0.15, "AU25": 0.15, "AU26": 0.10, "AU05": 0.10},
    "disgust": {"AU10": 0.15, "AU25": 0.20, "AU17": -0.20},
    "surprise": {"AU26": 0.10, "AU05": 0.10},
}
"""What changes from the softest to the loudest voice: quiet anger presses the lips, loud anger bares the teeth."""


def loud_change() -> NDArray[np.float32]:
    """(7, 52) coefficients at intensity 1 of the loudest voice minus those of the softest."""
    table = np.zeros((len(CATEGORIES), len(ARKIT_52)), np.float32)
    for row, emotion in enumerate(CATEGORIES):
        for unit, strength in LOUD.get(emotion, {}).items():
            for shape, weight in ACTION_UNITS[unit].items():
                table[row, INDEX[shape]] += strength * weight
    return table


def poses(measured: Mapping[str, Mapping[str, float]] | None = None) -> NDArray[np.float32]:
    """(7, 52) coefficients of each category at intensity 1, in the order of ``CATEGORIES``; neutral is zero.

    Args:
        measured: mean differences by ``<emotion>_2`` and action unit (``emotion_au_table.json``'s ``mean_delta``).
    """
    table = np.zeros((len(CATEGORIES), len(ARKIT_52)), np.float32)
    for row, emotion in enumerate(CATEGORIES):
        strengths = dict(PROTOTYPES[emotion])
        if measured is not None and emotion != "neutral":
            for unit, delta in measured[MEASURED_NAMES.get(emotion, f"{emotion}_2")].items():
                if unit in ACTION_UNITS and unit not in NOT_MEASURED.get(emotion, ()):
                    gain = MEASURED_GAIN * UNRELIABLE.get(unit, 1.0)
                    strengths[unit] = max(0.0, strengths.get(unit, 0.0) + gain * delta)
        for unit, strength in strengths.items():
            for shape, weight in ACTION_UNITS[unit].items():
                table[row, INDEX[shape]] += strength * weight
    return table.clip(0.0, 1.0)


def articulation() -> NDArray[np.float32]:
    """(7,) relative change of the speaking amplitude by category."""
    return np.array([ARTICULATION[name] for name in CATEGORIES], np.float32)
