"""Crops of talking that decoders are trained on.

Three sources: the tracked talker, in the own and in other voices; read speech of many, with motion made from its phones
(pseudo-labels); noise, to which the mouth stays shut. Each recording has its features in augmented copies, its aligned
phones and the motion speech alone makes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sedtalker.animation.conditioning import Style
from sedtalker.arrays import Floats
from sedtalker.face.face import Face
from sedtalker.progress import Hook, no_progress
from sedtalker.speech.features import FRAME_CLOCK, MEL_BANDS
from sedtalker.training.corpora.augmentation import SpeechAugmenter, mask_spectrum, read_material, revoice, warp_bands
from sedtalker.training.corpora.feature_store import Copy, FeatureStore, OpenStore, open_features
from sedtalker.training.corpora.speech import nothing_of
from sedtalker.training.corpora.tracked_motion import read_facegood
from sedtalker.training.motion.alignment import (
    IGNORED,
    READ_SPEECH,
    PhoneSpan,
    phone_frames,
    read_speech,
    read_speech_clips,
    read_speech_phones,
)
from sedtalker.training.motion.spoken_motion import LipMeasure, SpokenMotion, pause, read_talker
from sedtalker.training.task import Count, Positive, TaskConfig

Speak = Callable[[str, int], SpokenMotion]
"""Motion of a recording, by key, over a number of frames."""


# --- The sources.


@dataclass(frozen=True, eq=False)
class ReadSpeech:
    """Recordings of many speakers whose phones are known and whose faces are not."""

    store: FeatureStore
    spans: dict[str, list[PhoneSpan]]
    held_out: set[str]
    spoken: dict[str, SpokenMotion] = field(default_factory=dict)

    @property
    def training(self) -> list[Copy]:
        """Copies of the training speakers' recordings whose phones are known."""
        return [c for c in self.store.copies if c.key not in self.held_out and self.spans[c.key]]

    @property
    def unseen(self) -> list[Copy]:
        """Unchanged recordings of the held-out speakers."""
        return [c for c in self.store.copies if c.copy == 0 and c.key in self.held_out and self.spans[c.key]]

    def speak(self, motion: Speak) -> None:
        """Make the motion of every training recording."""
        for copy in self.training:
            if copy.key not in self.spoken:
                frames = int(copy.duration * FRAME_CLOCK.rate) + 1
                self.spoken[copy.key] = motion(copy.key, frames)


def resting_noises(data: Path) -> list[Path]:
    """Recordings of noise in which nobody speaks, so that the mouth learns to rest."""
    return sorted((data / "audio/esc10").glob("*.opus"))[::4]


# --- Crops drawn from them.


class StretchedCropConfig(TaskConfig):
    """Copies of recordings, and crops of them at another tempo and vocal-tract length."""

    tracked_crops: int
    """Crops of the tracked talker in a batch."""
    seconds: Positive = 2.9
    """Length of a crop."""
    warp: float
    """Largest change of the vocal tract's length, natural log."""
    tempo: float = 0.12
    """Largest change of the tempo, natural log."""
    copies: Count = 4
    """Copies of every tracked recording: the first as recorded, the others augmented."""
    read_speech_copies: Count = 3
    """The same of read speech."""
    workers: Count = 1
    """Processes that compute features and align phones."""

    def draw_start(self, copy: Copy, tempo: float, rng: np.random.Generator) -> float:
        """Seconds of a recording at which a crop begins, which may reach a little beyond either end."""
        slack = copy.duration - self.seconds * tempo
        return float(rng.uniform(min(-0.2, slack), max(slack, 0.0) + 0.2))


class CropConfig(StretchedCropConfig):
    """Hyper-parameters of the crops."""

    tracked_crops: int = 10
    read_crops: int = 5
    """Pseudo-labelled crops in a batch: read speech of other voices with motion made from its phones."""
    pause_crops: int = 2
    """Crops of noise in a batch: nobody speaks."""
    other_voices: float = 0.6
    """Share of tracked crops that have another voice."""
    masked: float = 0.4
    """Share of crops of which bands and moments are dropped."""
    warp: float = 0.12
    voices: int = 2
    """Other voices of every tracked clip (WORLD)."""
    readout_share: float = Field(0.0, ge=0.0, le=1.0)
    """Share of a teacher's readout in the motion of read speech (see ``pseudo_labels``); 0: its phones alone tell."""


class TalkingCrops:
    """Draws crops of talking: tracked, pseudo-labelled, and of noise.

    Args:
        cache: of features and alignments.
        face: whose lips must close.
        lip_measure: of the same face.
        margin: frames of context on either side of a crop.
        hook: progress of features and alignments.

    Attributes:
        own: features of the talker's clips as they were recorded, and in other rooms.
        voices: the talker's own voice and others, or the own twice: features and the copies of training clips.
        noise: environmental sounds, to which the mouth does not move.
        unseen, unseen_takes: a tracked talker that nothing is trained on: features, and takes by name.
        open_store: how features are opened, as those of the other sources were.
    """

    def __init__(
        self,
        config: CropConfig,
        data: Path,
        cache: Path,
        face: Face,
        lip_measure: LipMeasure,
        margin: int,
        hook: Hook = no_progress,
    ):
        self.config, self.face, self.lip_measure, self.margin = config, face, lip_measure, margin
        c = config
        augmenter = SpeechAugmenter(*read_material(data))
        self.open_store: OpenStore = partial(
            open_features, augmenter=augmenter, cache=cache, workers=c.workers, hook=hook
        )
        self.talker = read_talker(data, lip_measure, cache, c.workers, hook)
        recordings = [(clip.name, clip.audio) for clip in self.talker.clips.values()]
        clips = read_speech_clips(data)
        # What needs an extra of the package comes before the minutes that features take.
        other_voices = revoice("grid", recordings, c.voices, cache, workers=c.workers) if c.voices else []
        phones, noises = read_speech_phones(clips, cache, c.workers, hook), resting_noises(data)
        if c.read_crops and not clips:
            raise nothing_of(data, READ_SPEECH)
        if c.pause_crops and not noises:
            raise nothing_of(data, ["esc10"])
        self.own = self.open_store("grid", recordings, c.copies)
        self.voices = [(self.own, self.talker.copies(self.own, "train"))] * 2
        if c.voices:
            other = self.open_store("grid_voices", other_voices, 2)
            self.voices[1] = (other, self.talker.copies(other, "train"))
        self.noise = self.open_store("noise", [(path.stem, path) for path in noises], 1)
        read, held_out = read_speech(clips, c.read_speech_copies, self.open_store)
        self.read = ReadSpeech(read, phones, held_out)
        takes = read_facegood(data)
        self.unseen = self.open_store("facegood", [(take.name, take.audio) for take in takes], 1)
        self.unseen_takes = {take.name: take for take in takes if take.split == "train"}
        self.pseudo_labelled = [(read, copy) for copy in self.read.training]

    def tracked_crop(self, rng: np.random.Generator) -> SpeechCrop:
        """A crop of the tracked talker, in the own or in another voice."""
        store, copies = self.voices[int(rng.random() < self.config.other_voices)]
        copy = copies[int(rng.integers(len(copies)))]
        said = self.talker.spoken[copy.key], self.talker.spans[copy.key]
        return self._drawn(store, copy, rng, said)

    def read_crop(self, rng: np.random.Generator) -> SpeechCrop:
        """A crop of read speech, at rest where nobody made its motion (``ReadSpeech.speak``)."""
        store, copy = self.pseudo_labelled[int(rng.integers(len(self.pseudo_labelled)))]
        motion = self.read.spoken.get(copy.key) or pause(round(copy.duration * FRAME_CLOCK.rate))
        return self._drawn(store, copy, rng, (motion, self.read.spans.get(copy.key, [])))

    def pause_crop(self, rng: np.random.Generator) -> SpeechCrop:
        """A crop in which nobody speaks."""
        copy = self.noise.copies[int(rng.integers(len(self.noise.copies)))]
        return self._drawn(self.noise, copy, rng, None)

    def _drawn(
        self,
        store: FeatureStore,
        copy: Copy,
        rng: np.random.Generator,
        said: tuple[SpokenMotion, list[PhoneSpan]] | None,
    ) -> SpeechCrop:
        """A random stretch of a recording at another tempo and vocal-tract length.

        ``said`` is the recording's motion and phones; None: nobody speaks.
        """
        c, margin = self.config, self.margin
        frames, tempo = int(c.seconds * FRAME_CLOCK.rate), float(np.exp(rng.uniform(-c.tempo, c.tempo)))
        start = c.draw_start(copy, tempo, rng) - margin / FRAME_CLOCK.rate * tempo
        crop = store.crop(copy, start, 2 * (frames + 2 * margin), tempo)
        mel = warp_bands(crop.mel, float(np.exp(rng.uniform(-c.warp, c.warp))))
        prosody = crop.prosody.reshape(-1, 2, 4).mean(1)[margin : margin + frames]
        if said is None:
            if rng.random() < 0.3:  # digital silence, centred
                mel, prosody = np.zeros_like(mel), np.tile(SILENT_PROSODY, (frames, 1))
            return SpeechCrop(mel, prosody, pause(frames), np.full(frames, IGNORED))
        mel = mask_spectrum(mel, rng) if rng.random() < c.masked else mel
        if rng.random() < 0.2:
            mel, prosody = gate_pauses(mel, prosody, crop.prosody[:, 0], margin, rng)
        motion, spans = said
        times = crop.times.reshape(-1, 2).mean(1)[margin : margin + frames]
        inside = crop.inside.reshape(-1, 2).min(1)[margin : margin + frames]
        phones = np.where(inside, phone_frames(spans, times), IGNORED)
        return SpeechCrop(mel, prosody, motion.at(times * FRAME_CLOCK.rate - 0.5), phones)


# --- One crop: its features, and what speech does in it.

SILENT_PROSODY = np.array([-16.1, 0.0, 0.0, 0.0], np.float32)
"""Prosody of digital silence: the floor of the log energy, nothing voiced."""
FLOOR_PROFILE = ([0, 20, 40, 79], [-8.0, -6.5, -4.5, -1.2])
"""Bands and centred log-mels of digital silence beside speech: what centring makes of the floor."""


@dataclass(frozen=True, eq=False)
class CropEmotion:
    """The emotion of a crop: the mixture of categories (T, 7), the intensity (T,) and the style."""

    posterior: Floats
    intensity: Floats
    style: Style


@dataclass(frozen=True, eq=False)
class SpeechCrop:
    """Features of a crop, with the encoder's context around, and what speech does in it."""

    mel: Floats
    prosody: Floats
    motion: SpokenMotion
    phones: NDArray[np.int64]
    """(T,) indices of ``PHONES``, ``IGNORED`` where nobody knows."""


def gate_pauses(
    mel: Floats, prosody: Floats, log_energy: Floats, margin: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Digital silence where the sound is quiet, as synthesis and noise gates leave it."""
    quiet = log_energy < np.quantile(log_energy, 0.95) - rng.uniform(5.5, 8.0)
    pairs = quiet.reshape(-1, 2).min(1)[margin : margin + len(prosody)]
    floor = np.interp(np.arange(MEL_BANDS), *FLOOR_PROFILE) + rng.uniform(-0.7, 0.7)
    mel = np.where(quiet[:, None], floor.clip(-8.0), mel).astype(np.float32)
    return mel, np.where(pairs[:, None], SILENT_PROSODY, prosody).astype(np.float32)
