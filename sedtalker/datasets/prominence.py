"""What a voice does that the face follows, whatever is said: loudness and pitch accents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Floats = NDArray[np.float32]

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
