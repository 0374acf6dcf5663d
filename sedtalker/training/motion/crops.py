"""Crops of talking that decoders are trained on.

Three sources: the tracked talker, in the own and in other voices; read speech of many, with motion made from its phones
(pseudo-labels); noise, to which the mouth stays shut. Each recording has its features in augmented copies, its aligned
phones and the motion speech alone makes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sedtalker.animation.conditioning import Style
from sedtalker.arrays import Floats
from sedtalker.face.face import Face
from sedtalker.progress import Hook, no_progress
from sedtalker.speech.features import FRAME_CLOCK, MEL_BANDS
from sedtalker.training.corpora.augmentation import Augmenter, mask_spectrum, read_augmenter, revoice, warp_bands
from sedtalker.training.corpora.feature_store import Copy, FeatureStore, open_features
from sedtalker.training.corpora.tracked_motion import TrackedClip, read_facegood, read_grid
from sedtalker.training.motion.alignment import (
    IGNORED,
    PhoneSpan,
    Utterance,
    align_corpus,
    phone_frames,
    read_speech,
    read_speech_phones,
)
from sedtalker.training.motion.spoken_motion import LipMeasure, Rest, SpokenMotion, pause, rest_pose, spoken_motion
from sedtalker.training.task import Positive, TaskConfig

Speak = Callable[[str, int], SpokenMotion]
"""Motion of a recording, by key, over a number of frames."""


# --- The sources.


@dataclass(frozen=True, eq=False)
class TrackedSpeech:
    """The tracked talker.

    Attributes:
        clips: by name.
        spans: aligned phones by name.
        spoken: what speech does, at 50 frames a second, by name.
        rest: the talker's closed mouth.
        own: features of the clips as they were recorded, and in other rooms.
        voices: features of the same clips in other voices; None if there are none.
    """

    clips: dict[str, TrackedClip]
    spans: dict[str, list[PhoneSpan]]
    spoken: dict[str, SpokenMotion]
    rest: Rest
    own: FeatureStore
    voices: FeatureStore | None

    def copies(self, store: FeatureStore, split: str) -> list[Copy]:
        """The copies of a split's clips."""
        return [c for c in store.copies if self.clips[c.key].split == split]


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


@dataclass(frozen=True, eq=False)
class UnseenSpeaker:
    """A tracked talker that nothing is trained on: takes by name and their features."""

    takes: dict[str, TrackedClip]
    store: FeatureStore


def read_tracked(
    data: Path,
    cache: Path,
    lip_measure: LipMeasure,
    augmenter: Augmenter,
    copies: int,
    voices: int,
    workers: int,
    hook: Hook = no_progress,
) -> TrackedSpeech:
    """GRID with ``copies`` of each clip in its own voice and two copies of each of ``voices`` other voices."""
    clips = read_grid(data)
    spans = align_corpus("grid", [Utterance(c.name, c.audio, c.text) for c in clips], cache, workers, hook)
    rest = rest_pose([clip for clip in clips if clip.split == "train"])
    recordings = [(clip.name, clip.audio) for clip in clips]
    own = open_features("grid", recordings, copies, augmenter, cache, workers=workers, hook=hook)
    other = open_voices("grid", recordings, voices, augmenter, cache, workers, hook) if voices else None
    spoken = {clip.name: spoken_motion(clip, spans[clip.name], rest, lip_measure) for clip in clips}
    return TrackedSpeech({clip.name: clip for clip in clips}, spans, spoken, rest, own, other)


def open_voices(
    corpus: str,
    recordings: list[tuple[str, Path]],
    voices: int,
    augmenter: Augmenter,
    cache: Path,
    workers: int,
    hook: Hook = no_progress,
) -> FeatureStore:
    """Features of (key, file) recordings in ``voices`` other voices each, two copies of each."""
    revoiced = revoice(corpus, recordings, voices, cache, workers=workers)
    return open_features(f"{corpus}_voices", revoiced, 2, augmenter, cache, workers=workers, hook=hook)


def resting_noises(data: Path) -> list[Path]:
    """Recordings of noise in which nobody speaks, so that the mouth learns to rest."""
    return sorted((data / "audio/esc10").glob("*.opus"))[::4]


def read_noise(data: Path, cache: Path, augmenter: Augmenter, workers: int, hook: Hook = no_progress) -> FeatureStore:
    """Environmental sounds, to which the mouth does not move."""
    return open_features(
        "noise", [(p.stem, p) for p in resting_noises(data)], 1, augmenter, cache, workers=workers, hook=hook
    )


# --- Crops drawn from them.


class CropConfig(TaskConfig):
    """Hyper-parameters of the crops."""

    tracked_crops: int = 10
    """Crops of the tracked talker in a batch."""
    read_crops: int = 5
    """Pseudo-labelled crops in a batch: read speech of other voices with motion made from its phones."""
    pause_crops: int = 2
    """Crops of noise in a batch: nobody speaks."""
    other_voices: float = 0.6
    """Share of tracked crops that have another voice."""
    seconds: Positive = 2.9
    """Length of a crop."""
    masked: float = 0.4
    """Share of crops of which bands and moments are dropped."""
    warp: float = 0.12
    """Largest change of the vocal tract's length, natural log."""
    tempo: float = 0.12
    """Largest change of the tempo, natural log."""
    copies: int = 4
    """Copies of every tracked clip, the first as recorded, the others augmented."""
    voices: int = 2
    """Other voices of every tracked clip (WORLD)."""
    read_speech_copies: int = 3
    """Copies of every clip of read speech."""
    readout_share: float = Field(0.0, ge=0.0, le=1.0)
    """Share of a teacher's readout in the motion of read speech (see ``pseudo_labels``); 0: its phones alone tell."""
    workers: int = 1
    """Processes that compute features and alignments."""


class TalkingCrops:
    """Draws crops of talking: tracked, pseudo-labelled, and of noise.

    Args:
        cache: of features and alignments.
        face: whose lips must close.
        lip_measure: of the same face.
        margin: frames of context on either side of a crop.
        hook: progress of features and alignments.
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
        self.config, self.face, self.lip_measure = config, face, lip_measure
        c = config
        augmenter = read_augmenter(data)
        self.limits = CropLimits(c.seconds, margin, c.tempo, c.warp, c.masked)
        self.tracked = read_tracked(data, cache, lip_measure, augmenter, c.copies, c.voices, c.workers, hook)
        self.noise = read_noise(data, cache, augmenter, c.workers, hook)
        store, held_out = read_speech(data, augmenter, cache, c.read_speech_copies, c.workers, hook)
        self.read = ReadSpeech(store, read_speech_phones(data, cache, c.workers, hook), held_out)
        takes = read_facegood(data)
        recordings = [(take.name, take.audio) for take in takes]
        unseen = open_features("facegood", recordings, 1, augmenter, cache, workers=c.workers, hook=hook)
        self.unseen_speaker = UnseenSpeaker({take.name: take for take in takes if take.split == "train"}, unseen)
        own = self.tracked.own
        self.voices = [(own, self.tracked.copies(own, "train"))] * 2
        if self.tracked.voices is not None:
            self.voices[1] = (self.tracked.voices, self.tracked.copies(self.tracked.voices, "train"))
        self.pseudo_labelled = [(store, copy) for copy in self.read.training]

    def tracked_crop(self, rng: np.random.Generator) -> SpeechCrop:
        """A crop of the tracked talker, in the own or in another voice."""
        store, copies = self.voices[int(rng.random() < self.config.other_voices)]
        copy = copies[int(rng.integers(len(copies)))]
        said = self.tracked.spoken[copy.key], self.tracked.spans[copy.key]
        return draw_crop(store, copy, rng, said, self.limits)

    def read_crop(self, rng: np.random.Generator) -> SpeechCrop:
        """A crop of read speech, at rest where nobody made its motion (``ReadSpeech.speak``)."""
        store, copy = self.pseudo_labelled[int(rng.integers(len(self.pseudo_labelled)))]
        motion = self.read.spoken.get(copy.key) or pause(round(copy.duration * FRAME_CLOCK.rate))
        return draw_crop(store, copy, rng, (motion, self.read.spans.get(copy.key, [])), self.limits)

    def pause_crop(self, rng: np.random.Generator) -> SpeechCrop:
        """A crop in which nobody speaks."""
        copy = self.noise.copies[int(rng.integers(len(self.noise.copies)))]
        return draw_crop(self.noise, copy, rng, None, self.limits)


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
    mel: Floats,
    prosody: Floats,
    log_energy: Floats,
    margin: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Digital silence where the sound is quiet, as synthesis and noise gates leave it."""
    quiet = log_energy < np.quantile(log_energy, 0.95) - rng.uniform(5.5, 8.0)
    pairs = quiet.reshape(-1, 2).min(1)[margin : margin + len(prosody)]
    floor = np.interp(np.arange(MEL_BANDS), *FLOOR_PROFILE) + rng.uniform(-0.7, 0.7)
    mel = np.where(quiet[:, None], floor.clip(-8.0), mel).astype(np.float32)
    return mel, np.where(pairs[:, None], SILENT_PROSODY, prosody).astype(np.float32)


def draw_crop(
    store: FeatureStore,
    copy: Copy,
    rng: np.random.Generator,
    said: tuple[SpokenMotion, list[PhoneSpan]] | None,
    limits: CropLimits,
) -> SpeechCrop:
    """A random stretch of a recording at another tempo and vocal-tract length.

    ``said`` is the recording's motion and phones; None: nobody speaks.
    """
    frames, margin = int(limits.seconds * FRAME_CLOCK.rate), limits.margin
    tempo = float(np.exp(rng.uniform(-limits.tempo, limits.tempo)))
    slack = copy.duration - limits.seconds * tempo
    start = float(rng.uniform(min(-0.2, slack), max(slack, 0.0) + 0.2))
    crop = store.crop(copy, start - margin / FRAME_CLOCK.rate * tempo, 2 * (frames + 2 * margin), tempo)
    mel = warp_bands(crop.mel, float(np.exp(rng.uniform(-limits.warp, limits.warp))))
    prosody = crop.prosody.reshape(-1, 2, 4).mean(1)[margin : margin + frames]
    if said is None:
        if rng.random() < 0.3:  # digital silence, centred
            mel, prosody = np.zeros_like(mel), np.tile(SILENT_PROSODY, (frames, 1))
        return SpeechCrop(mel, prosody, pause(frames), np.full(frames, IGNORED))
    mel = mask_spectrum(mel, rng) if rng.random() < limits.masked else mel
    if rng.random() < 0.2:
        mel, prosody = gate_pauses(mel, prosody, crop.prosody[:, 0], margin, rng)
    motion, spans = said
    times = crop.times.reshape(-1, 2).mean(1)[margin : margin + frames]
    inside = crop.inside.reshape(-1, 2).min(1)[margin : margin + frames]
    phones = np.where(inside, phone_frames(spans, times), IGNORED)
    return SpeechCrop(mel, prosody, motion.at(times * FRAME_CLOCK.rate - 0.5), phones)
