"""Augmentation of log-mels, for networks that imitate a teacher which reads the same log-mels.

Other voices (a shift of the mel axis: vocal tract length perturbation, Jaitly and Hinton 2013), other rates, noise,
other talkers behind, lost bands, reverberation and microphones. All of it is cheap, so that no two crops are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from sedtalker.arrays import Doubles, Floats, Mask, Reals
from sedtalker.audio.activity import LOUD
from sedtalker.speech.features import LOG_FLOOR, MEL_BANDS, mel_edges
from sedtalker.training.corpora.augmentation import warp_bands

Mels = Floats
"""Natural-log mels (n, 80) at 100 Hz, the mean of each band over speech taken out."""
BANDS = np.arange(MEL_BANDS)
"""Numbers of the bands."""
LARGEST = 9.0
"""Centred log-mels are clipped to this, either way."""
FEWEST = 20
"""Frames of speech that a crop is centred on; with fewer, on all its frames."""
LOG_WIDTHS = np.log((mel_edges()[2:] - mel_edges()[:-2]) / 2)
"""Logarithm of the bands' widths in Hz: a band holds the mean power between its edges."""


@dataclass(frozen=True)
class MelRecipe:
    """Each chance is drawn when its turn comes."""

    warped: float = 0.6
    """Chance of another voice: bands are read at another scale."""
    warp: float = 0.11
    """Deviation of the logarithm of that scale."""
    stretched: float = 0.6
    """Chance of another rate."""
    stretch: float = 0.16
    """Deviation of the logarithm of the rate."""
    noise: float = 0.55
    """Chance of a background."""
    talker: float = 0.45
    """Share of backgrounds that are another crop; the others are noise of a random spectrum."""
    snr: tuple[float, float] = (-0.5, 7.0)
    """Range of how far the background lies below the speech, nepers of power."""
    narrow: float = 0.15
    """Chance of a lost band, above or below."""
    room: float = 0.2
    """Chance of reverberation."""
    microphone: float = 0.5
    """Chance of what is left of a microphone after centring."""
    own_channel: float = 0.75
    """Chance of a crop's own long-term spectrum; otherwise it has that of another recording."""
    equaliser: float = 0.6
    """Chance of a smooth change of that spectrum."""
    equaliser_deviation: float = 1.4
    """Largest deviation of that change at its seven knots, nepers of power."""
    level_deviation: float = 0.5
    """Standard deviation of the level to which crops are brought, nepers of power: whole recordings vary as much."""
    reversed: float = 0.06
    """Chance of a crop that runs backwards: other sequences of sounds than the corpora's languages have."""

    def draw_rate(self, rng: np.random.Generator) -> float:
        """Frames of the clip to a frame of the crop."""
        return float(np.exp(rng.normal(0.0, self.stretch))) if rng.random() < self.stretched else 1.0

    def voice(self, mel: Mels, rng: np.random.Generator) -> Mels:
        """With its chance, the mels of a longer or shorter vocal tract."""
        if rng.random() >= self.warped:
            return mel
        return warp_bands(mel, float(np.exp(-rng.normal(0.0, self.warp))))

    def degrade(self, mel: Mels, speech: Mask, other: Mels, rng: np.random.Generator) -> Mels:
        """Background, lost bands, reverberation and microphone; centred again over the speech.

        Args:
            speech: (n,) where there is speech.
            other: another crop of the same length, for the background.
        """
        x = mel.astype(np.float64)
        if rng.random() < self.noise:
            x = self._add_background(x, other, rng)
        if rng.random() < self.narrow:
            x = _lose_bands(x, rng)
        if rng.random() < self.room:
            decay, gain = rng.uniform(0.5, 0.88), rng.uniform(0.05, 0.35)
            power = np.exp(x.clip(-LARGEST, LARGEST))
            x = np.log(power + gain * lfilter([0.0, 1.0], [1.0, -decay], power, axis=0))
        spoken = speech if speech.sum() > FEWEST else np.ones(len(x), bool)
        x = (x - x[spoken].mean(0)).clip(-LARGEST, LARGEST)
        if rng.random() < self.microphone:
            x = x + _spectrum(rng, 5, 0.25)
        return x.astype(np.float32)

    def channel(self, mel: Mels, speech: Mask, spectrum: Reals, level: float, rng: np.random.Generator) -> Mels:
        """A centred crop in a room of its own again, at a fixed level.

        Args:
            mel: (n, 80) from ``degrade``.
            speech: (n,) where there is speech.
            spectrum: (80,) long-term log-mels, of the crop's recording or of another.
            level: ``loudness`` of the result, but for a little.
        """
        x = mel + spectrum
        if rng.random() < self.equaliser:
            x = x + _spectrum(rng, 7, rng.uniform(0.0, self.equaliser_deviation))
        x = x + level + rng.normal(0.0, self.level_deviation) - loudness(x, speech)
        return np.logaddexp(x, np.log(LOG_FLOOR)).astype(np.float32)

    def _add_background(self, x: Doubles, other: Mels, rng: np.random.Generator) -> Doubles:
        shape = _spectrum(rng, 6, 1.6) - rng.uniform(0.0, 0.04) * BANDS * rng.random()
        if rng.random() < self.talker:
            background = np.roll(other, int(rng.integers(len(x))), 0) + 0.5 * shape
        else:
            background = shape + 0.7 * rng.standard_normal(x.shape)
        return np.logaddexp(x, background - rng.uniform(*self.snr))


def loudness(mel: Reals, speech: Mask) -> float:
    """Power of the loud frames of speech (95th percentile) of log-mels (n, 80), natural logarithm."""
    spoken = mel[speech] if speech.sum() > FEWEST else mel
    return float(np.quantile(np.logaddexp.reduce(spoken + LOG_WIDTHS, axis=-1), LOUD))


def _spectrum(rng: np.random.Generator, knots: int, deviation: float) -> Doubles:
    """A smooth random spectrum (80,)."""
    return np.interp(BANDS, np.linspace(0, MEL_BANDS - 1, knots), rng.normal(0.0, deviation, knots))


def _lose_bands(x: Doubles, rng: np.random.Generator) -> Doubles:
    """The highest bands, the lowest, both or none brought to their floor."""
    x = x.copy()
    if rng.random() < 0.6:
        above = x[:, int(rng.integers(50, 74)) :]
        above[:] = np.minimum(above, above.min() + 0.5 * rng.random())
    if rng.random() < 0.5:
        below = x[:, : int(rng.integers(2, 9))]
        below[:] = np.minimum(below, below.min() + rng.random())
    return x
