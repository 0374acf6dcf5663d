"""A conversation: who speaks when, and an emotion track for each speaker, on one clock.

A speaker's track is made of their own speech alone, as one recording: the long windows of the diarizer then describe
how *they* speak in general, not the mixture of everybody. The frames go back to their places before the track is made,
so that pauses, onsets and segments are those of the conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import SAMPLE_RATE, Audio
from sedtalker.emotion.inference import FrameEmotions
from sedtalker.emotion.track import EmotionTrack
from sedtalker.speakers.separation import MARGIN_SECONDS, Speakers
from sedtalker.speakers.turns import Turns
from sedtalker.speech.features import FRAME_CLOCK

FRAME = round(SAMPLE_RATE / FRAME_CLOCK.rate)
"""Samples of a frame of the emotion track."""


@dataclass(frozen=True, eq=False)
class Conversation:
    """Who speaks when, and what each of them expresses.

    Attributes:
        speakers: the recording, the turns, and each speaker's own sound.
        tracks: the emotion track of each speaker by name, as long as the recording.
    """

    speakers: Speakers
    tracks: Mapping[str, EmotionTrack]

    @property
    def turns(self) -> Turns:
        """Who speaks when."""
        return self.speakers.turns

    @property
    def names(self) -> tuple[str, ...]:
        """The speakers, in the order in which they first speak."""
        return self.speakers.names

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.speakers.mixed.duration

    def renamed(self, names: Mapping[str, str]) -> Conversation:
        """With other names of speakers, each its own (``Speakers.renamed`` merges, which needs new tracks)."""
        return Conversation(
            self.speakers.renamed(names), {names.get(name, name): track for name, track in self.tracks.items()}
        )


def own_frames(turns: Turns, speaker: str, frames: int) -> NDArray[np.int64]:
    """Indices of the frames, 50 a second, in which a speaker talks, their turns a little widened."""
    chosen = np.zeros(frames, bool)
    for start, end in turns.of(speaker):
        first, last = FRAME_CLOCK.index(start - MARGIN_SECONDS), FRAME_CLOCK.index(end + MARGIN_SECONDS) + 1
        chosen[max(first, 0) : max(last, 0)] = True
    return np.flatnonzero(chosen)


def joined(sound: Audio, frames: NDArray[np.int64]) -> Audio:
    """The samples of some frames of a recording, one after another."""
    padded = np.pad(sound.samples, (0, -len(sound.samples) % FRAME)).reshape(-1, FRAME)
    return replace(sound, samples=np.ascontiguousarray(padded[frames[frames < len(padded)]].reshape(-1)))


def scattered(part: FrameEmotions, frames: NDArray[np.int64], count: int) -> FrameEmotions:
    """Emotions of some frames in their places among ``count``; others are silent and hold the nearest one's values."""
    part_count = min(len(frames), len(part.posterior))
    frames = frames[:part_count]
    nearest = np.abs(np.searchsorted(frames, np.arange(count)).clip(0, part_count - 1))
    spoken = np.zeros(count, bool)
    spoken[frames] = part.speech[:part_count]

    def placed(values: NDArray[np.float32] | None, fill: float | None = None) -> NDArray[np.float32] | None:
        if values is None:
            return None
        made = np.array(values[nearest])
        if fill is not None:
            made[~spoken] = fill
        return made

    posterior, intensity = placed(part.posterior), placed(part.intensity)
    assert posterior is not None
    assert intensity is not None
    return FrameEmotions(posterior, intensity, spoken, placed(part.boundary, 0.0), placed(part.distance))
