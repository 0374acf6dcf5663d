"""Emotional speech with true boundaries: labelled clips, and recordings joined from clips of one speaker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import SAMPLE_RATE
from sedtalker.audio.activity import speech_activity
from sedtalker.emotion.taxonomy import known_category
from sedtalker.emotion.track import CATEGORIES
from sedtalker.speech.features import FRAME_CLOCK, level_gain, pair_means, prosody
from sedtalker.training.corpora.manifest import Clip

SILENCE, UNKNOWN = len(CATEGORIES), -1
"""Labels of frames in which nobody speaks, and of frames without a label."""
FRAME = int(SAMPLE_RATE / FRAME_CLOCK.rate)
"""Samples a frame."""

NEUTRAL_LEVEL, NORMAL_LEVEL, STRONG_LEVEL, SOME_LEVEL = 0, 1, 2, 3
"""Steps of intensity: neutral < normal < strong; ``SOME_LEVEL`` is emotional with a strength nobody labelled."""

Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SpeechPiece:
    """One clip ready to be used or joined.

    Attributes:
        samples: (N,) float32.
        category: index into ``CATEGORIES``.
        level: step of intensity, see ``NEUTRAL_LEVEL`` …
        corpus: name of the corpus.
        speaker: name of the speaker.
    """

    samples: Samples
    category: int
    level: int
    corpus: str
    speaker: str


@dataclass(frozen=True, eq=False)
class Recording:
    """Speech with a label for every 20 ms.

    Attributes:
        samples: (N,) float32.
        labels: (T,) int8 index into ``CATEGORIES``, or ``SILENCE``; T = ceil(N / 320).
        levels: (T,) int8 step of intensity; ``UNKNOWN`` in silence.
        corpus: name of the corpus.
        speaker: name of the speaker.
    """

    samples: Samples
    labels: NDArray[np.int8]
    levels: NDArray[np.int8]
    corpus: str
    speaker: str


@dataclass(frozen=True)
class JoinRule:
    """How clips are joined.

    Attributes:
        pieces: fewest and most clips.
        pause: longest pause between two clips, seconds; half of the joins have none and are cross-faded.
        crossfade: shortest and longest cross-fade, seconds.
        equalise: chance that all clips of a recording are brought to one level, so loudness gives no join away.
        neutral: chance that a clip is drawn from the neutral ones (as far as the speaker has any).
        longest: stop adding clips beyond this many seconds.
    """

    pieces: tuple[int, int] = (2, 5)
    pause: float = 1.0
    crossfade: tuple[float, float] = (0.02, 0.1)
    equalise: float = 0.5
    neutral: float = 0.25
    longest: float = 14.0


def clip_labels(clip: Clip) -> tuple[int, int] | None:
    """Category index and intensity step of a clip, or ``None`` where its label is none of the categories.

    Calm counts as neutral, and neutral has no strength.
    """
    name = known_category(clip.emotion)
    if name is None:
        return None
    if name == "neutral":
        return CATEGORIES.index(name), NEUTRAL_LEVEL
    return CATEGORIES.index(name), {"normal": NORMAL_LEVEL, "strong": STRONG_LEVEL}.get(clip.intensity, SOME_LEVEL)


def clip_activity(samples: Samples) -> NDArray[np.bool_]:
    """Speech frames (T,) of a waveform at 50 Hz, T = ceil(N / 320)."""
    tracks = pair_means(prosody(np.float32(level_gain(samples)) * samples))
    return speech_activity(tracks[:, 0], tracks[:, 2], FRAME_CLOCK.rate)


def single(piece: SpeechPiece) -> Recording:
    """A clip as a recording: its label where there is speech, silence elsewhere."""
    speech = clip_activity(piece.samples)
    labels = np.where(speech, piece.category, SILENCE).astype(np.int8)
    levels = np.where(speech, piece.level, UNKNOWN).astype(np.int8)
    return Recording(piece.samples, labels, levels, piece.corpus, piece.speaker)


def choose_pieces(
    by_category: Mapping[int, Sequence[int]], rule: JoinRule, rng: np.random.Generator, count: int | None = None
) -> list[int]:
    """Clip indices of one speaker, neighbours of different categories, in random order.

    Args:
        by_category: clip indices of the speaker by category.
        rule: how many, and how often neutral.
        count: exactly so many; default: drawn from ``rule.pieces``.
    """
    count = count or int(rng.integers(rule.pieces[0], rule.pieces[1] + 1))
    chosen: list[int] = []
    previous = UNKNOWN
    for _ in range(count):
        others = [c for c in sorted(by_category) if c != previous]
        if not others:
            break
        neutral = 0 in others and rng.random() < rule.neutral
        previous = 0 if neutral else others[rng.integers(len(others))]
        chosen.append(int(by_category[previous][int(rng.integers(len(by_category[previous])))]))
    return chosen


def join(pieces: Sequence[SpeechPiece], rule: JoinRule, rng: np.random.Generator) -> Recording:
    """Join clips of one speaker with cross-fades and pauses; labels change where the sound does.

    Each clip is cut to its speech. A pause is filled with the clips' own background and labelled silence.
    """
    cut = [(*_cut_to_speech(piece), piece) for piece in pieces]
    cut = [(samples, labels, piece) for samples, labels, piece in cut if len(labels)]
    if rng.random() < rule.equalise:
        cut = [(samples * _loudness_gain(samples), labels, piece) for samples, labels, piece in cut]
    floor = min((_background(samples) for samples, _, _ in cut), default=1e-4)
    samples: Samples = np.zeros(0, np.float32)
    labels, levels = np.zeros(0, np.int8), np.zeros(0, np.int8)
    for clip, clip_label, piece in cut:
        if len(samples) + len(clip) > rule.longest * SAMPLE_RATE and len(samples):
            break
        level = np.where(clip_label == SILENCE, UNKNOWN, piece.level).astype(np.int8)
        pause = round(rng.uniform(0.0, rule.pause) * FRAME_CLOCK.rate) if rng.random() < 0.5 or not len(samples) else 0
        if pause:
            gap = (floor * rng.standard_normal(pause * FRAME)).astype(np.float32)
            samples = _crossfade(samples, gap, 0)
            labels = np.concatenate([labels, np.full(pause, SILENCE, np.int8)])
            levels = np.concatenate([levels, np.full(pause, UNKNOWN, np.int8)])
        overlap = 0 if pause or not len(samples) else round(rng.uniform(*rule.crossfade) * FRAME_CLOCK.rate)
        samples = _crossfade(samples, clip, overlap * FRAME)
        keep = len(labels) - overlap // 2
        skip = overlap - overlap // 2
        labels = np.concatenate([labels[:keep], clip_label[skip:]])
        levels = np.concatenate([levels[:keep], level[skip:]])
    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    samples = samples * np.float32(0.97 / peak) if peak > 0.97 else samples
    return Recording(samples, labels, levels, pieces[0].corpus, pieces[0].speaker)


def _cut_to_speech(piece: SpeechPiece) -> tuple[Samples, NDArray[np.int8]]:
    """Samples and labels from the first to the last speech frame; a whole number of frames."""
    speech = clip_activity(piece.samples)
    where = np.flatnonzero(speech)
    if not len(where):
        return np.zeros(0, np.float32), np.zeros(0, np.int8)
    first, last = int(where[0]), min(int(where[-1]) + 1, len(piece.samples) // FRAME)
    labels = np.where(speech[first:last], piece.category, SILENCE).astype(np.int8)
    return piece.samples[first * FRAME : last * FRAME], labels


def _loudness_gain(samples: Samples) -> np.float32:
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return np.float32(0.08 / (np.quantile(np.sqrt(np.mean(frames**2, axis=1)), 0.95) + 1e-6))


def _background(samples: Samples) -> float:
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return float(np.quantile(np.sqrt(np.mean(frames**2, axis=1)), 0.05)) if len(frames) else 1e-4


def _crossfade(first: Samples, second: Samples, overlap: int) -> Samples:
    """Two waveforms one after the other with an equal-power fade over ``overlap`` samples."""
    overlap = min(overlap, len(first), len(second))
    if overlap <= 0:
        return np.concatenate([first, second])
    angle = 0.5 * np.pi * (np.arange(overlap, dtype=np.float32) + 0.5) / overlap
    middle = first[-overlap:] * np.cos(angle) + second[:overlap] * np.sin(angle)
    return np.concatenate([first[:-overlap], middle, second[overlap:]])
