"""Dialogues made of single recordings: turns of several speakers with pauses and overlaps, and who speaks when.

The networks of ``sedtalker.speakers`` are trained on them, and the measures of ``evaluate conversation`` are taken on
those of speakers never trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sedtalker.arrays import Floats, Mask
from sedtalker.audio import SAMPLE_RATE
from sedtalker.speakers.speaker_model import STRIDE
from sedtalker.speech.features import HOP_LENGTH, level_gain, log_mel, speech_mask
from sedtalker.training.corpora.augmentation import Samples

SPEAKER_FRAME = STRIDE * HOP_LENGTH
"""Samples of a frame of the speaker network."""
CLIP_FADE = 160
"""Samples over which a piece of a clip comes and goes."""


@dataclass(frozen=True)
class DialogueRule:
    """How people take turns; times are seconds.

    Attributes:
        overlap: chance that a turn begins before the one before it has ended.
        overlapping: range of how long before; never more than ``deepest`` of either turn.
        deepest: see above.
        pause: range of the pause otherwise.
        turn: range of the length of a turn.
        same: chance that the same speaker goes on after a pause.
        levels: range of the speakers' levels, dB.
    """

    overlap: float = 0.3
    overlapping: tuple[float, float] = (0.1, 1.5)
    deepest: float = 0.6
    pause: tuple[float, float] = (0.05, 1.0)
    turn: tuple[float, float] = (0.7, 4.0)
    same: float = 0.15
    levels: tuple[float, float] = (-5.0, 5.0)


@dataclass(frozen=True)
class PlacedClip:
    """A clip of a speaker in a dialogue: whose, which of their clips, and the seconds that it takes there."""

    speaker: int
    clip: int
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class Dialogue:
    """A dialogue of S speakers.

    Attributes:
        samples: (N,) float32 the sum of all.
        apart: (S, N) float32 each of them alone.
        active: (S, T) bool who speaks in each frame of ``SPEAKER_CLOCK``.
        pieces: what it is made of, in order of time.
    """

    samples: Samples
    apart: Floats
    active: Mask
    pieces: tuple[PlacedClip, ...]


def make_dialogue(
    clips: Sequence[Sequence[Samples]],
    seconds: float,
    rng: np.random.Generator,
    rule: DialogueRule = DialogueRule(),
    *,
    whole: bool = False,
) -> Dialogue:
    """A dialogue of speakers.

    Args:
        clips: recordings (n,) at 16 kHz of each speaker.
        seconds: its length.
        rng: draws everything.
        rule: how they take turns.
        whole: whether a turn is one whole clip, as emotion needs it; else a part of one, or of several.
    """
    count = int(seconds * SAMPLE_RATE) // SPEAKER_FRAME * SPEAKER_FRAME
    apart, active = np.zeros((len(clips), count), np.float32), np.zeros((len(clips), count // SPEAKER_FRAME), bool)
    gains = 10 ** (rng.uniform(*rule.levels, len(clips)) / 20)
    pieces, speaker, end, before = list[PlacedClip](), int(rng.integers(len(clips))), 0, 0
    while True:
        choice = int(rng.integers(len(clips[speaker])))
        sound = clips[speaker][choice]
        sound = np.float32(level_gain(sound) * gains[speaker]) * (sound if whole else _part(sound, rule, rng))
        start = end + int(SAMPLE_RATE * rng.uniform(*rule.pause))
        if pieces and pieces[-1].speaker != speaker and rng.random() < rule.overlap:
            deepest = rule.deepest * min(len(sound), before)
            start = end - int(min(SAMPLE_RATE * rng.uniform(*rule.overlapping), deepest))
        start = max(0, start) // SPEAKER_FRAME * SPEAKER_FRAME
        if start >= count - SAMPLE_RATE // 2 or (whole and start + len(sound) > count and pieces):
            break
        sound = sound[: count - start] * _faded(len(sound[: count - start]))
        apart[speaker, start : start + len(sound)] += sound
        spoken = _spoken(sound)[: active.shape[1] - start // SPEAKER_FRAME]
        active[speaker, start // SPEAKER_FRAME : start // SPEAKER_FRAME + len(spoken)] |= spoken
        pieces.append(PlacedClip(speaker, choice, start / SAMPLE_RATE, (start + len(sound)) / SAMPLE_RATE))
        end, before = max(end, start + len(sound)), len(sound)
        if len(clips) > 1 and rng.random() >= rule.same:
            speaker = (speaker + int(rng.integers(1, len(clips)))) % len(clips)
    return Dialogue(apart.sum(0), apart, active, tuple(pieces))


def _part(sound: Samples, rule: DialogueRule, rng: np.random.Generator) -> Samples:
    """A stretch of a clip, of a random length of ``rule.turn``."""
    length = min(len(sound), int(SAMPLE_RATE * rng.uniform(*rule.turn)))
    first = int(rng.integers(len(sound) - length + 1))
    return sound[first : first + length]


def _faded(length: int) -> Floats:
    """Gain (length,) that comes and goes within ``CLIP_FADE`` samples."""
    ramp = np.minimum(np.arange(length), np.arange(length)[::-1]) / CLIP_FADE
    return np.minimum(ramp, 1.0).astype(np.float32)


def _spoken(sound: Samples) -> Mask:
    """Frames (T,) in which a clean piece is loud enough to be speech."""
    mask = speech_mask(log_mel(np.float32(level_gain(sound)) * sound))
    return np.asarray(np.pad(mask, (0, -len(mask) % STRIDE)).reshape(-1, STRIDE).mean(1) >= 0.5)
