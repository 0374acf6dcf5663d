"""How far each shape parts and widens the lips of a face, and mouths fitted to a wanted gap and width."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.arkit import ARKIT_52, INDEX, both_sides
from sedtalker.face.face import Face
from sedtalker.metrics.motion import lip_aperture, lip_width

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LipGauge:
    """How far each shape parts the lips of a face, to first order.

    Attributes:
        rest: inner-lip gap of the resting face, outer-eye distances.
        gain: (52,) change of the gap at coefficient 1, with the jaw a little open.
        width: (52,) change of the inner-lip width, likewise.
    """

    rest: float
    gain: Floats
    width: Floats

    def gap(self, coefficients: Floats) -> Floats:
        """(T,) gap beyond the resting one."""
        return np.asarray(coefficients @ self.gain, np.float32)


def measure_lips(face: Face) -> LipGauge:
    """The gauge of a face whose first shapes are ``ARKIT_52`` (jaw open a little, as in speech)."""
    ajar = np.zeros((2, len(face.shapes)), np.float32)
    ajar[1, INDEX["jawOpen"]] = 0.3
    rest, open_gap = lip_aperture(face, ajar)
    trials = np.repeat(ajar[1:], len(ARKIT_52), axis=0)
    trials[:, : len(ARKIT_52)] += 0.1 * np.eye(len(ARKIT_52), dtype=np.float32)
    gain = (lip_aperture(face, trials) - open_gap) / 0.1
    gain[INDEX["jawOpen"]] = (open_gap - rest) / 0.3
    width = (lip_width(face, trials) - lip_width(face, ajar)[1]) / 0.1
    return LipGauge(float(rest), gain, width)


def fit_gap(coefficients: Floats, wanted: Floats, gauge: LipGauge) -> Floats:
    """Coefficients whose lip gap (beyond rest) is ``wanted`` (T,): by mouthClose first, then by the jaw."""
    fitted = np.array(coefficients, np.float32)
    jaw, close = INDEX["jawOpen"], INDEX["mouthClose"]
    for _ in range(2):
        missing = wanted - gauge.gap(fitted)
        open_more = np.maximum(missing, 0.0)
        less_close = np.minimum(fitted[:, close], open_more / -gauge.gain[close])
        fitted[:, close] -= less_close
        fitted[:, jaw] += (open_more + less_close * gauge.gain[close]) / gauge.gain[jaw]
        too_open = np.maximum(-missing, 0.0)
        limit = np.maximum(0.7 * fitted[:, jaw] * gauge.gain[jaw] / -gauge.gain[close] - fitted[:, close], 0.0)
        more_close = np.minimum(too_open / -gauge.gain[close], limit)
        fitted[:, close] += more_close
        fitted[:, jaw] -= (too_open + more_close * gauge.gain[close]) / gauge.gain[jaw]
        fitted = fitted.clip(0.0, 1.0)
    return fitted


def fit_width(coefficients: Floats, wanted: Floats, gauge: LipGauge) -> Floats:
    """Coefficients whose lip width (beyond rest) is ``wanted`` (T,): stretched wider or puckered narrower."""
    fitted = np.array(coefficients, np.float32)
    stretch, pucker = both_sides("mouthStretch"), INDEX["mouthPucker"]
    wider, narrower = float(gauge.width[stretch].sum()), -float(gauge.width[pucker])
    missing = wanted - fitted @ gauge.width
    unpucker = np.clip(missing / narrower, 0.0, fitted[:, pucker])
    unstretch = np.clip(-missing / wider, 0.0, fitted[:, stretch].mean(1))
    missing = missing - unpucker * narrower + unstretch * wider
    fitted[:, pucker] += np.maximum(-missing, 0.0) / narrower - unpucker
    fitted[:, stretch] += (np.maximum(missing, 0.0) / wider - unstretch)[:, None]
    return fitted.clip(0.0, 1.0)
