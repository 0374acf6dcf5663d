"""Crops of talking that ears and decoders are trained on: the tracked talker, read speech of many, and noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sedtalker.animation.conditioning import Style
from sedtalker.face.face import Face
from sedtalker.speech.features import MEL_BANDS
from sedtalker.training.corpora.augmentation import read_surroundings
from sedtalker.training.corpora.feature_store import Copy, FeatureStore, open_features
from sedtalker.training.corpora.talking import ReadSpeech, Stranger, read_noise, read_tracked
from sedtalker.training.corpora.tracked_motion import read_facegood
from sedtalker.training.motion.alignment import IGNORED, PhoneSpan, phone_frames, read_speech, read_speech_phones
from sedtalker.training.motion.lip_gauge import LipGauge
from sedtalker.training.motion.spoken_motion import SpokenMotion, pause
from sedtalker.training.tasks.speech_encoder import mask_spectrum, warp_bands


class CropConfig(BaseModel):
    """Hyper-parameters of the crops."""

    model_config = ConfigDict(extra="forbid")

    tracked_crops: int = 10
    taught_crops: int = 5
    """Read speech of other voices."""
    pause_crops: int = 2
    """Noise: nobody speaks."""
    other_voices: float = 0.6
    """Share of tracked crops that are heard in another voice."""
    seconds: float = 2.9
    masked: float = 0.4
    """Share of crops of which bands and moments are dropped."""
    warp: float = 0.12
    tempo: float = 0.12
    copies: int = 4
    voices: int = 2
    """Other voices of every tracked clip (WORLD)."""
    read_speech_copies: int = 3
    workers: int = 1


class TalkingCrops:
    """Draws crops from everything that teaches talking.

    Args:
        config: how many and how.
        data: folder of the data sets.
        cache: of features and alignments.
        face: whose lips must close.
        gauge: of the same face.
        margin: frames of context on either side of a crop.
    """

    def __init__(self, config: CropConfig, data: Path, cache: Path, face: Face, gauge: LipGauge, margin: int):
        self.config, self.face, self.gauge = config, face, gauge
        c = config
        surroundings = read_surroundings(data)
        self.limits = CropLimits(c.seconds, margin, c.tempo, c.warp, c.masked)
        self.tracked = read_tracked(data, cache, gauge, surroundings, c.copies, c.voices, c.workers)
        self.noise = read_noise(data, cache, surroundings, c.workers)
        store, held_out = read_speech(data, surroundings, cache, c.read_speech_copies, c.workers)
        self.read = ReadSpeech(store, read_speech_phones(data, cache, c.workers), held_out)
        takes = read_facegood(data)
        recordings = [(take.name, take.audio) for take in takes]
        unseen = open_features("facegood", recordings, 1, surroundings, cache, workers=c.workers)
        self.stranger = Stranger({take.name: take for take in takes if take.split == "train"}, unseen)
        own = self.tracked.own
        self.pools = [(own, self.tracked.copies(own, "train"))] * 2
        if self.tracked.voices is not None:
            self.pools[1] = (self.tracked.voices, self.tracked.copies(self.tracked.voices, "train"))
        self.taught = self.read.taught

    def tracked_crop(self, rng: np.random.Generator) -> HeardCrop:
        """A crop of the tracked talker, in the own or in another voice."""
        store, copies = self.pools[int(rng.random() < self.config.other_voices)]
        copy = copies[int(rng.integers(len(copies)))]
        said = self.tracked.spoken[copy.key], self.tracked.spans[copy.key]
        return hear_crop(store, copy, rng, said, self.limits)

    def read_crop(self, rng: np.random.Generator) -> HeardCrop:
        """A crop of read speech, at rest where nobody made its motion (``ReadSpeech.speak``)."""
        copy = self.taught[int(rng.integers(len(self.taught)))]
        motion = self.read.spoken.get(copy.key) or pause(round(copy.duration * RATE))
        return hear_crop(self.read.store, copy, rng, (motion, self.read.spans[copy.key]), self.limits)

    def pause_crop(self, rng: np.random.Generator) -> HeardCrop:
        """A crop in which nobody speaks."""
        copy = self.noise.copies[int(rng.integers(len(self.noise.copies)))]
        return hear_crop(self.noise, copy, rng, None, self.limits)


# --- Crops that the decoder is trained on: how they sound, and how they are acted.

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
