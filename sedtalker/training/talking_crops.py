"""Crops of talking that ears and decoders are trained on: the tracked talker, read speech of many, and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from sedtalker.datasets.facegood import read_facegood
from sedtalker.datasets.feature_store import open_features
from sedtalker.datasets.lip_gauge import LipGauge
from sedtalker.datasets.spoken_motion import pause
from sedtalker.datasets.surroundings import read_surroundings
from sedtalker.datasets.talking import ReadSpeech, Stranger, read_noise, read_tracked
from sedtalker.face.face import Face
from sedtalker.training.decoder_crops import RATE, CropLimits, HeardCrop, hear_crop
from sedtalker.training.read_speech import read_speech, read_speech_phones


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
