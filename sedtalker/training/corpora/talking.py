"""What the decoder learns talking from: the tracked talker, the same words in other voices, and read speech of many.

Each recording has its features in augmented copies, its aligned phones and the motion speech alone makes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.training.corpora.augmentation import Augmenter, revoice
from sedtalker.training.corpora.feature_store import Copy, FeatureStore, open_features
from sedtalker.training.corpora.tracked_motion import TrackedClip, read_grid
from sedtalker.training.motion.alignment import PhoneSpan, Utterance, align_corpus
from sedtalker.training.motion.lip_gauge import LipGauge
from sedtalker.training.motion.spoken_motion import Rest, SpokenMotion, rest_pose, speak
from sedtalker.training.motion.visemes import RATE, loudness_of

EMPHASIS = 0.15
"""Relative change of the lip opening by a unit of log energy."""
SpeakPhones = Callable[[list[PhoneSpan], int], SpokenMotion]


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
    def taught(self) -> list[Copy]:
        """Copies of the training speakers."""
        return [c for c in self.store.copies if c.key not in self.held_out and self.spans[c.key]]

    @property
    def unseen(self) -> list[Copy]:
        """Unchanged recordings of the held-out speakers."""
        return [c for c in self.store.copies if c.copy == 0 and c.key in self.held_out and self.spans[c.key]]

    def speak(self, network: SpeakPhones) -> None:
        """Make the motion of every training recording."""
        for copy in self.taught:
            if copy.key not in self.spoken:
                frames = int(copy.duration * RATE) + 1
                self.spoken[copy.key] = network(self.spans[copy.key], frames)


@dataclass(frozen=True, eq=False)
class Stranger:
    """A tracked talker that nothing is trained on: takes by name and their features."""

    takes: dict[str, TrackedClip]
    store: FeatureStore


def spoken_motion(clip: TrackedClip, spans: list[PhoneSpan], rest: Rest, gauge: LipGauge) -> SpokenMotion:
    """A tracked clip's motion at 50 frames a second."""
    times = (np.arange(len(clip.times) * 2) + 0.5) / RATE
    return speak(clip, spans, rest, gauge, times)


def read_tracked(
    data: Path, cache: Path, gauge: LipGauge, augmenter: Augmenter, copies: int, voices: int, workers: int
) -> TrackedSpeech:
    """GRID with ``copies`` of each clip in its own voice and two copies of each of ``voices`` other voices."""
    clips = read_grid(data)
    spans = align_corpus("grid", [Utterance(c.name, c.audio, c.text) for c in clips], cache, workers)
    rest = rest_pose([clip for clip in clips if clip.split == "train"])
    recordings = [(clip.name, clip.audio) for clip in clips]
    own = open_features("grid", recordings, copies, augmenter, cache, workers=workers)
    other = open_voices("grid", recordings, voices, augmenter, cache, workers) if voices else None
    spoken = {clip.name: spoken_motion(clip, spans[clip.name], rest, gauge) for clip in clips}
    return TrackedSpeech({clip.name: clip for clip in clips}, spans, spoken, rest, own, other)


def open_voices(
    corpus: str,
    recordings: list[tuple[str, Path]],
    voices: int,
    augmenter: Augmenter,
    cache: Path,
    workers: int,
) -> FeatureStore:
    """Features of (key, file) recordings in ``voices`` other voices each, two copies of each."""
    revoiced = revoice(corpus, recordings, voices, cache, workers=workers)
    return open_features(f"{corpus}_voices", revoiced, 2, augmenter, cache, workers=workers)


def read_noise(data: Path, cache: Path, augmenter: Augmenter, workers: int) -> FeatureStore:
    """Environmental sounds, to which the mouth does not move."""
    noises = sorted((data / "audio/esc10").glob("*.opus"))[::4]
    return open_features("noise", [(p.stem, p) for p in noises], 1, augmenter, cache, workers=workers)


def emphasis(log_energy: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T,) factor of the lip opening: louder syllables open wider, which phones alone do not tell."""
    return np.exp(EMPHASIS * (loudness_of(log_energy) + 1.0)).clip(0.6, 1.35).astype(np.float32)


def emphasised(motion: SpokenMotion, log_energy: NDArray[np.float32]) -> SpokenMotion:
    """The motion with its lip opening following the loudness."""
    return replace(motion, gap=motion.gap * emphasis(log_energy))
