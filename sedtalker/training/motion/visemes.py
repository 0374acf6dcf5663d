"""Mouth motion from aligned phones by rule: targets a phone, blended by dominance functions.

Each phone pulls the mouth to its target with a strength that falls off on either side of it; the mouth is where the
pulls balance (Cohen and Massaro 1993, after Löfqvist 1990). Jaw and lips are separate axes as in JALI (Edwards et al.
2016). The targets are ours, from the phonetics of American English.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.speech.features import SILENCE
from sedtalker.training.motion.alignment import PhoneSpan

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


# --- What a voice does that the face follows, whatever is said: loudness and pitch accents.


RATE = 50.0
VOICED = 0.45
ACCENT_RANGE = 0.25
"""Natural-log pitch above the surroundings that counts as a full accent."""


def liveliness_of(log_energy: Floats, rate: float = RATE) -> Floats:
    """(T,) in [0, 1]: loudness of level-fixed speech smoothed over 0.3 s (log energy as ``prosody`` gives it)."""
    return gaussian_filter1d(1.0 / (1.0 + np.exp(-(log_energy + 6.5) / 1.2)), 0.3 * rate).astype(np.float32)


def loudness_of(log_energy: Floats) -> Floats:
    """(T,) log energy smoothed over 0.06 s, 0 on loud syllables."""
    smooth = gaussian_filter1d(log_energy, 0.06 * RATE)
    return np.asarray(smooth - np.quantile(smooth, 0.8), np.float32)


@dataclass(frozen=True, eq=False)
class Prominence:
    """What the voice does that the face follows, whatever is said.

    Attributes:
        liveliness: (T,) in [0, 1], loudness smoothed over 0.3 s.
        loudness: (T,) log energy smoothed over 0.06 s, 0 on loud syllables.
        accent: (T,) in [0, 1], how far the pitch stands above its surroundings.
    """

    liveliness: Floats
    loudness: Floats
    accent: Floats


def prominence_of(prosody: Floats) -> Prominence:
    """From (T, 4) prosody at 50 frames a second (``PROSODY_CHANNELS``)."""
    energy, pitch, voicing = prosody[:, 0], prosody[:, 1], prosody[:, 2]
    weight = ((voicing > VOICED) & (pitch != 0.0)).astype(np.float32)
    near, around = (
        gaussian_filter1d(pitch * weight, s * RATE) / (gaussian_filter1d(weight, s * RATE) + 0.05) for s in (0.08, 0.8)
    )
    voiced = gaussian_filter1d(weight, 0.08 * RATE)
    accent = np.clip((near - around - 0.04) / ACCENT_RANGE, 0.0, 1.0) * voiced
    return Prominence(liveliness_of(energy), loudness_of(energy), accent.astype(np.float32))


def even_voice(frames: int) -> Prominence:
    """A voice of middling loudness without accents."""
    zero = np.zeros(frames, np.float32)
    return Prominence(zero + 0.5, zero - 1.0, zero)
