"""Mouth motion from aligned phones by rule: targets a phone, blended by dominance functions.

Each phone pulls the mouth to its target with a strength that falls off on either side of it; the mouth is where the
pulls balance (Cohen and Massaro 1993, after Löfqvist 1990). Jaw and lips are separate axes as in JALI (Edwards et al.
2016). The targets are ours, from the phonetics of American English.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.shapes import INDEX
from sedtalker.datasets.alignment import PhoneSpan
from sedtalker.face.arkit import ARKIT_52
from sedtalker.speech.phones import SILENCE

Floats = NDArray[np.float32]

AXES = ("gap", "width", "rounding", "upper", "lower", "roll", "tongue")
"""Inner-lip gap and width against rest (outer-eye distances); lips forward and together, upper lip up, lower lip down,
lower lip rolled in, tongue tip seen between the teeth: each in [0, 1]."""
JAW_SHARE = 0.75
"""How much of the gap the jaw makes; the lips make the rest."""
SLOPE = 0.055
"""Seconds over which the pull of a phone falls to 1/e beyond its ends."""

# phone: gap, width, rounding, upper, lower, roll, tongue, dominance
_TARGETS: dict[str, tuple[float, ...]] = {
    SILENCE: (0.00, 0.000, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5),
    "AA": (0.17, -0.010, 0.1, 0.2, 0.2, 0.0, 0.0, 1.0), "AE": (0.15, 0.020, 0.0, 0.3, 0.3, 0.0, 0.0, 1.0),
    "AH": (0.11, -0.010, 0.1, 0.1, 0.1, 0.0, 0.0, 0.7), "AO": (0.12, -0.050, 0.6, 0.0, 0.1, 0.0, 0.0, 1.0),
    "AW": (0.13, -0.030, 0.4, 0.1, 0.2, 0.0, 0.0, 1.0), "AY": (0.15, 0.005, 0.0, 0.2, 0.2, 0.0, 0.0, 1.0),
    "EH": (0.12, 0.010, 0.0, 0.2, 0.2, 0.0, 0.0, 0.8), "ER": (0.07, -0.030, 0.5, 0.1, 0.1, 0.0, 0.0, 0.8),
    "EY": (0.11, 0.025, 0.0, 0.2, 0.2, 0.0, 0.0, 0.9), "IH": (0.09, 0.010, 0.0, 0.2, 0.1, 0.0, 0.0, 0.6),
    "IY": (0.08, 0.030, 0.0, 0.2, 0.2, 0.0, 0.0, 0.9), "OW": (0.08, -0.060, 0.8, 0.0, 0.0, 0.0, 0.0, 1.0),
    "OY": (0.09, -0.050, 0.7, 0.0, 0.0, 0.0, 0.0, 1.0), "UH": (0.07, -0.045, 0.6, 0.0, 0.0, 0.0, 0.0, 0.8),
    "UW": (0.05, -0.065, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0),
    "B": (0.00, -0.015, 0.1, 0.0, 0.0, 0.1, 0.0, 3.0), "P": (0.00, -0.015, 0.1, 0.0, 0.0, 0.1, 0.0, 3.0),
    "M": (0.00, -0.012, 0.1, 0.0, 0.0, 0.1, 0.0, 3.0),
    "F": (0.03, -0.005, 0.0, 0.5, 0.0, 0.5, 0.0, 2.0), "V": (0.03, -0.005, 0.0, 0.5, 0.0, 0.5, 0.0, 2.0),
    "CH": (0.06, -0.035, 0.7, 0.3, 0.4, 0.0, 0.0, 1.1), "JH": (0.06, -0.035, 0.7, 0.3, 0.4, 0.0, 0.0, 1.1),
    "SH": (0.06, -0.035, 0.7, 0.3, 0.4, 0.0, 0.0, 1.1), "ZH": (0.06, -0.035, 0.7, 0.3, 0.4, 0.0, 0.0, 1.1),
    "S": (0.05, 0.010, 0.0, 0.3, 0.4, 0.0, 0.0, 0.9), "Z": (0.05, 0.010, 0.0, 0.3, 0.4, 0.0, 0.0, 0.9),
    "TH": (0.06, 0.000, 0.0, 0.2, 0.2, 0.0, 1.0, 1.0), "DH": (0.05, 0.000, 0.0, 0.2, 0.2, 0.0, 0.8, 0.8),
    "D": (0.06, 0.000, 0.0, 0.1, 0.2, 0.0, 0.0, 0.5), "T": (0.06, 0.000, 0.0, 0.1, 0.2, 0.0, 0.0, 0.5),
    "N": (0.06, 0.000, 0.0, 0.1, 0.1, 0.0, 0.0, 0.5), "L": (0.08, 0.000, 0.0, 0.1, 0.1, 0.0, 0.2, 0.6),
    "G": (0.08, 0.000, 0.0, 0.1, 0.1, 0.0, 0.0, 0.4), "K": (0.08, 0.000, 0.0, 0.1, 0.1, 0.0, 0.0, 0.4),
    "NG": (0.08, 0.000, 0.0, 0.1, 0.1, 0.0, 0.0, 0.4), "HH": (0.08, 0.000, 0.0, 0.0, 0.0, 0.0, 0.0, 0.2),
    "R": (0.06, -0.035, 0.5, 0.1, 0.1, 0.0, 0.0, 0.9), "W": (0.03, -0.065, 1.0, 0.0, 0.0, 0.0, 0.0, 1.3),
    "Y": (0.06, 0.020, 0.0, 0.2, 0.1, 0.0, 0.0, 0.6),
}  # fmt: skip


def pull(spans: list[PhoneSpan], times: NDArray[np.floating]) -> Floats:
    """(T, 7) of ``AXES`` at ``times``: the targets of the phones, weighted by their dominance there."""
    start, end = (np.array([getattr(s, side) for s in spans]) for side in ("start", "end"))
    rows = np.array([_TARGETS[s.phone] for s in spans])
    away = np.maximum(np.maximum(start - times[:, None], times[:, None] - end), 0.0)
    weight = rows[:, -1] * np.exp(-away / SLOPE) + 1e-9
    weight /= weight.sum(1, keepdims=True)
    return np.asarray(weight @ rows[:, :-1], np.float32)


def rule_coefficients(axes: Floats) -> Floats:
    """(T, 52) coefficients of (T, 7) axes, before gap and width are fitted to a face."""
    gap, width, rounding, upper, lower, roll, tongue = axes.T
    out = np.zeros((len(axes), len(ARKIT_52)), np.float32)
    out[:, INDEX["jawOpen"]] = JAW_SHARE * gap / 0.42
    out[:, INDEX["mouthPucker"]] = 0.45 * rounding
    out[:, INDEX["mouthFunnel"]] = 0.15 * rounding
    out[:, INDEX["mouthRollLower"]] = 0.5 * roll
    out[:, INDEX["tongueOut"]] = TONGUE * tongue
    for side in ("Left", "Right"):
        out[:, INDEX[f"mouthUpperUp{side}"]] = 0.35 * upper
        out[:, INDEX[f"mouthLowerDown{side}"]] = 0.25 * lower
        out[:, INDEX[f"mouthStretch{side}"]] = np.maximum(width, 0.0) / 0.16
    return out


TONGUE = 0.25
"""tongueOut of a full "th": the tip shows between the teeth, no more."""


def tongue_curve(spans: list[PhoneSpan], times: NDArray[np.floating]) -> Floats:
    """(T,) how far the tongue tip shows, in [0, 1]: 1 in a "th"."""
    if not spans:
        return np.zeros(len(times), np.float32)
    return pull(spans, times)[:, AXES.index("tongue")]
