"""Speech with true boundaries: labelled clips, recordings joined from those of one speaker, dialogues of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Mask
from sedtalker.audio import SAMPLE_RATE
from sedtalker.audio.activity import speech_activity
from sedtalker.emotion.taxonomy import known_category
from sedtalker.emotion.track import CATEGORIES
from sedtalker.speakers.speaker_model import STRIDE
from sedtalker.speech.features import (
    FRAME_CLOCK,
    FRAME_LENGTH,
    HOP_LENGTH,
    level_gain,
    log_mel,
    pair_means,
    prosody,
    speech_mask,
)
from sedtalker.training.corpora.augmentation import Samples
from sedtalker.training.corpora.manifest import Clip

SILENCE, UNKNOWN = len(CATEGORIES), -1
"""Labels of frames in which nobody speaks, and of frames without a label."""

NEUTRAL_LEVEL, NORMAL_LEVEL, STRONG_LEVEL, SOME_LEVEL = 0, 1, 2, 3
"""Steps of intensity: neutral < normal < strong; ``SOME_LEVEL`` is emotional with a strength nobody labelled."""


@dataclass(frozen=True, eq=False)
class SpeechPiece:
    """One clip ready to be used or joined.

    Attributes:
        samples: (N,) float32.
        category: index into ``CATEGORIES``.
    """

    samples: Samples
    category: int
    corpus: str
    speaker: str


@dataclass(frozen=True, eq=False)
class Recording:
    """Speech with a label for every 20 ms.

    Attributes:
        samples: (N,) float32.
        labels: (T,) int8 index into ``CATEGORIES``, or ``SILENCE``; T = ceil(N / 320).
    """

    samples: Samples
    labels: NDArray[np.int8]
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
        same: chance that a clip has the category of the one before it, if the speaker has another one of it.
        longest: stop adding clips beyond this many seconds.
    """

    pieces: tuple[int, int] = (2, 5)
    pause: float = 1.0
    crossfade: tuple[float, float] = (0.02, 0.1)
    equalise: float = 0.5
    neutral: float = 0.25
    same: float = 0.0
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


def category_of(clip: Clip) -> int:
    """Index into ``CATEGORIES`` of a clip's label; -1 where it is none of them."""
    labels = clip_labels(clip)
    return -1 if labels is None else labels[0]


def clip_activity(samples: Samples) -> Mask:
    """Speech frames (T,) of a waveform at 50 Hz, T = ceil(N / 320)."""
    tracks = pair_means(prosody(np.float32(level_gain(samples)) * samples))
    return speech_activity(tracks[:, 0], tracks[:, 2], FRAME_CLOCK.rate)


def choose_pieces(by_category: Mapping[int, Sequence[int]], rule: JoinRule, rng: np.random.Generator) -> list[int]:
    """Clip indices of one speaker, neighbours of different categories but for ``rule.same``, in random order.

    Args:
        by_category: clip indices of the speaker by category.
        rule: how many, and how often neutral.
    """
    chosen: list[int] = []
    previous = UNKNOWN
    for _ in range(int(rng.integers(rule.pieces[0], rule.pieces[1] + 1))):
        again = [i for i in by_category.get(previous, ()) if i != chosen[-1]]
        if again and rule.same and rng.random() < rule.same:
            chosen.append(int(again[int(rng.integers(len(again)))]))
            continue
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
    cut = [(samples, labels) for samples, labels in map(_cut_to_speech, pieces) if len(labels)]
    if rng.random() < rule.equalise:
        cut = [(samples * np.float32(0.08 / (_level(samples, 0.95) + 1e-6)), labels) for samples, labels in cut]
    floor = min((float(_level(samples, 0.05)) for samples, _ in cut), default=1e-4)
    samples: Samples = np.zeros(0, np.float32)
    labels = np.zeros(0, np.int8)
    for clip, clip_label in cut:
        if len(samples) + len(clip) > rule.longest * SAMPLE_RATE and len(samples):
            break
        pause = round(rng.uniform(0.0, rule.pause) * FRAME_CLOCK.rate) if rng.random() < 0.5 or not len(samples) else 0
        if pause:
            gap = (floor * rng.standard_normal(pause * FRAME_LENGTH)).astype(np.float32)
            samples = _crossfade(samples, gap, 0)
            labels = np.concatenate([labels, np.full(pause, SILENCE, np.int8)])
        overlap = 0 if pause or not len(samples) else round(rng.uniform(*rule.crossfade) * FRAME_CLOCK.rate)
        samples = _crossfade(samples, clip, overlap * FRAME_LENGTH)
        keep = len(labels) - overlap // 2
        skip = overlap - overlap // 2
        labels = np.concatenate([labels[:keep], clip_label[skip:]])
    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    samples = samples * np.float32(0.97 / peak) if peak > 0.97 else samples
    return Recording(samples, labels, pieces[0].corpus, pieces[0].speaker)


def _cut_to_speech(piece: SpeechPiece) -> tuple[Samples, NDArray[np.int8]]:
    """Samples and labels from the first to the last speech frame; a whole number of frames."""
    speech = clip_activity(piece.samples)
    where = np.flatnonzero(speech)
    if not len(where):
        return np.zeros(0, np.float32), np.zeros(0, np.int8)
    first, last = int(where[0]), min(int(where[-1]) + 1, len(piece.samples) // FRAME_LENGTH)
    labels = np.where(speech[first:last], piece.category, SILENCE).astype(np.int8)
    return piece.samples[first * FRAME_LENGTH : last * FRAME_LENGTH], labels


def _level(samples: Samples, share: float) -> np.floating:
    """Root mean square that a share of the frames lies below."""
    frames = samples[: len(samples) // FRAME_LENGTH * FRAME_LENGTH].reshape(-1, FRAME_LENGTH)
    return np.quantile(np.sqrt(np.mean(frames**2, axis=1)), share)


def _crossfade(first: Samples, second: Samples, overlap: int) -> Samples:
    """Two waveforms one after the other with an equal-power fade over ``overlap`` samples."""
    overlap = min(overlap, len(first), len(second))
    if overlap <= 0:
        return np.concatenate([first, second])
    angle = 0.5 * np.pi * (np.arange(overlap, dtype=np.float32) + 0.5) / overlap
    middle = first[-overlap:] * np.cos(angle) + second[:overlap] * np.sin(angle)
    return np.concatenate([first[:-overlap], middle, second[overlap:]])


# --- Dialogues: turns of several speakers with pauses and overlaps, and who speaks when.
#
# The networks of ``sedtalker.speakers`` are trained on them, and the measures of ``evaluate conversation`` are taken on
# those of speakers never trained on.


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


class PlannedTurn(NamedTuple):
    """A stretch of a speaker's clip: where it begins in that and in the dialogue, and its length, samples or frames."""

    speaker: int
    clip: int
    first: int
    start: int
    length: int


@dataclass(frozen=True, eq=False)
class Dialogue:
    """A dialogue of S speakers.

    Attributes:
        samples: (N,) float32 the sum of all.
        apart: (S, N) float32 each of them alone.
        active: (S, T) bool who speaks in each frame of ``SPEAKER_CLOCK``.
        turns: what it is made of, in order of time, in samples.
    """

    samples: Samples
    apart: Floats
    active: Mask
    turns: list[PlannedTurn]


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
    lengths = [[len(sound) for sound in own] for own in clips]
    turns = plan_turns(lengths, count, SAMPLE_RATE, rng, rule, grid=SPEAKER_FRAME, whole=whole)
    for who, clip, first, start, length in turns:
        gain = np.float32(level_gain(clips[who][clip]) * gains[who])
        sound = gain * clips[who][clip][first : first + length] * _faded(length)
        apart[who, start : start + length] += sound
        spoken = _spoken(sound)[: active.shape[1] - start // SPEAKER_FRAME]
        active[who, start // SPEAKER_FRAME : start // SPEAKER_FRAME + len(spoken)] |= spoken
    return Dialogue(apart.sum(0), apart, active, turns)


def plan_turns(
    lengths: Sequence[Sequence[int]],
    total: int,
    rate: float,
    rng: np.random.Generator,
    rule: DialogueRule,
    *,
    grid: int = 1,
    whole: bool = False,
) -> list[PlannedTurn]:
    """How speakers take turns in a dialogue of ``total`` samples or frames, ``rate`` a second.

    ``lengths``: of the clips of each speaker; ``grid``: turns begin at multiples of it; ``whole``: see
    ``make_dialogue``.
    """
    turns, speaker, end, before = list[PlannedTurn](), int(rng.integers(len(lengths))), 0, 0
    while True:
        clip = int(rng.integers(len(lengths[speaker])))
        first, length = 0, lengths[speaker][clip]
        if not whole:
            length = min(length, max(1, int(rate * rng.uniform(*rule.turn))))
            first = int(rng.integers(lengths[speaker][clip] - length + 1))
        start = end + int(rate * rng.uniform(*rule.pause))
        if turns and turns[-1].speaker != speaker and rng.random() < rule.overlap:
            deepest = rule.deepest * min(length, before)
            start = end - int(min(rate * rng.uniform(*rule.overlapping), deepest))
        start = max(0, start) // grid * grid
        if start >= total - rate / 2 or (whole and start + length > total and turns):
            return turns
        length = min(length, total - start)
        turns.append(PlannedTurn(speaker, clip, first, start, length))
        end, before = max(end, start + length), length
        if len(lengths) > 1 and rng.random() >= rule.same:
            speaker = (speaker + int(rng.integers(1, len(lengths)))) % len(lengths)


def _faded(length: int) -> Floats:
    """Gain (length,) that comes and goes within ``CLIP_FADE`` samples."""
    ramp = np.minimum(np.arange(length), np.arange(length)[::-1]) / CLIP_FADE
    return np.minimum(ramp, 1.0).astype(np.float32)


def _spoken(sound: Samples) -> Mask:
    """Frames (T,) in which a clean piece is loud enough to be speech."""
    mask = speech_mask(log_mel(np.float32(level_gain(sound)) * sound))
    return np.asarray(np.pad(mask, (0, -len(mask) % STRIDE)).reshape(-1, STRIDE).mean(1) >= 0.5)
