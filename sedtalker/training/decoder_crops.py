"""Crops that the decoder is trained on: how they sound, and how they are acted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.conditioning import Style
from sedtalker.datasets.alignment import IGNORED, PhoneSpan, phone_frames
from sedtalker.datasets.feature_store import Copy, FeatureStore
from sedtalker.datasets.spoken_motion import SpokenMotion, pause
from sedtalker.speech.features import MEL_BANDS
from sedtalker.training.speech_encoder import mask_spectrum, warp_bands

RATE = 50.0
SILENT_PROSODY = np.array([-16.1, 0.0, 0.0, 0.0], np.float32)
"""Prosody of digital silence: the floor of the log energy, nothing voiced."""
FLOOR_PROFILE = ([0, 20, 40, 79], [-8.0, -6.5, -4.5, -1.2])
"""Bands and centred log-mels of digital silence beside speech: what centring makes of the floor."""


@dataclass(frozen=True, eq=False)
class Scene:
    """How a crop is acted: the mixture of categories (T, 7), the intensity (T,) and the style."""

    posterior: NDArray[np.float32]
    intensity: NDArray[np.float32]
    style: Style


@dataclass(frozen=True, eq=False)
class HeardCrop:
    """A crop as it sounds, with the encoder's context around, and what speech does in it."""

    mel: NDArray[np.float32]
    prosody: NDArray[np.float32]
    motion: SpokenMotion
    phones: NDArray[np.int64]
    """(T,) indices of ``PHONES``, ``IGNORED`` where nobody knows."""


@dataclass(frozen=True)
class CropLimits:
    """Seconds of a crop, frames of the encoder's context on either side, and largest changes (natural log).

    ``masked`` is the share of crops that lose bands and moments (``mask_spectrum``).
    """

    seconds: float
    margin: int
    tempo: float
    warp: float
    masked: float


def gate_pauses(
    mel: NDArray[np.float32],
    prosody: NDArray[np.float32],
    log_energy: NDArray[np.float32],
    margin: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Digital silence where the sound is quiet, as synthesis and noise gates leave it."""
    quiet = log_energy < np.quantile(log_energy, 0.95) - rng.uniform(5.5, 8.0)
    pairs = quiet.reshape(-1, 2).min(1)[margin : margin + len(prosody)]
    floor = np.interp(np.arange(MEL_BANDS), *FLOOR_PROFILE) + rng.uniform(-0.7, 0.7)
    mel = np.where(quiet[:, None], floor.clip(-8.0), mel).astype(np.float32)
    return mel, np.where(pairs[:, None], SILENT_PROSODY, prosody).astype(np.float32)


def hear_crop(
    store: FeatureStore,
    copy: Copy,
    rng: np.random.Generator,
    said: tuple[SpokenMotion, list[PhoneSpan]] | None,
    limits: CropLimits,
) -> HeardCrop:
    """A random stretch of a recording at another tempo and vocal-tract length.

    ``said`` is the recording's motion and phones; None: nobody speaks.
    """
    frames, margin = int(limits.seconds * RATE), limits.margin
    tempo = float(np.exp(rng.uniform(-limits.tempo, limits.tempo)))
    slack = copy.duration - limits.seconds * tempo
    start = float(rng.uniform(min(-0.2, slack), max(slack, 0.0) + 0.2))
    crop = store.crop(copy, start - margin / RATE * tempo, 2 * (frames + 2 * margin), tempo)
    mel = warp_bands(crop.mel, float(np.exp(rng.uniform(-limits.warp, limits.warp))))
    prosody = crop.prosody.reshape(-1, 2, 4).mean(1)[margin : margin + frames]
    if said is None:
        if rng.random() < 0.3:  # digital silence, centred
            mel, prosody = np.zeros_like(mel), np.tile(SILENT_PROSODY, (frames, 1))
        return HeardCrop(mel, prosody, pause(frames), np.full(frames, IGNORED))
    mel = mask_spectrum(mel, rng) if rng.random() < limits.masked else mel
    if rng.random() < 0.2:
        mel, prosody = gate_pauses(mel, prosody, crop.prosody[:, 0], margin, rng)
    motion, spans = said
    times = crop.times.reshape(-1, 2).mean(1)[margin : margin + frames]
    inside = crop.inside.reshape(-1, 2).min(1)[margin : margin + frames]
    phones = np.where(inside, phone_frames(spans, times), IGNORED)
    return HeardCrop(mel, prosody, motion.at(times * RATE - 0.5), phones)
