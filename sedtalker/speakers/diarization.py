"""Who speaks when in a recording of one channel: speaker diarization.

Stretches of speech between pauses are clustered by their voices, in several ways and into one, two and more speakers.
For each of these guesses every speaker's voice is looked for in the recording, frame by frame, and made anew of the
frames in which it speaks alone. The guess is taken under which each frame has one likely speaker and no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.ndimage import binary_closing, binary_opening, uniform_filter1d

from sedtalker.arrays import Floats, Mask, softmax, stretches
from sedtalker.audio import Audio
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.speakers.speaker_model import SPEAKER_CLOCK, STRIDE, SpeakerModel
from sedtalker.speakers.turns import NAME, Turns, turns_of
from sedtalker.speech.features import analysis_of

WHOLE_WINDOW = round(60 * SPEAKER_CLOCK.rate)
"""Frames that go through the network at once."""
WINDOW_MARGIN = 128
"""Frames that windows see of their neighbours."""
MOST_SPANS = 1500
"""Stretches that are clustered; of longer recordings an even choice."""
BLOCK, MOST_BLOCKS = round(20 * SPEAKER_CLOCK.rate), 8
"""Guesses about long recordings are compared on so many stretches of so many frames, evenly spread."""
WAYS = ("average", "ward", "complete")
"""Linkages of the clustering."""


@dataclass(frozen=True)
class DiarizationRule:
    """Constants of ``find_turns``, chosen on dialogues of validation speakers. Times are frames of ``SPEAKER_CLOCK``.

    Attributes:
        longest, shortest: length of a stretch whose voice is clustered, at most and if possible at least.
        most: speakers that are guessed at most where their number is not known.
        rounds: how often voices are made anew.
        alike: cosine of two voices from which on they are one person's.
        likeness: weight of the mean cosine of each stretch's voice and that of its speaker, beside ``_fit``.
        single: what a guess of a single speaker loses, which has no second one to be mistaken for.
        further: what a guess loses with each speaker after the second.
        fewest: frames that somebody speaks alone at least, or there is no such speaker.
        share: of the frames of one speaker, which everybody has at least, but from ``lasting[0]`` to ``lasting[1]``
            frames; fewer make a guess a bad one, unless the number of speakers is given.
        several: probability of several speakers from which on the second one talks, too.
        beside: and their own probability.
        smooth: frames over which probabilities are averaged.
        turn, bridged: frames of a turn, and of a pause inside one, at least.
    """

    longest: int = 75
    shortest: int = 12
    most: int = 6
    rounds: int = 2
    alike: float = 0.55
    likeness: float = 4.0
    single: float = 0.4
    further: float = 0.05
    fewest: int = 10
    share: float = 0.08
    lasting: tuple[int, int] = (40, 70)
    several: float = 0.4
    beside: float = 0.3
    smooth: int = 7
    turn: int = 7
    bridged: int = 8


Indices = NDArray[np.int64]
"""Indices of frames, or labels of stretches."""
RULE = DiarizationRule()
"""The constants that are used."""


def find_turns(sound: Audio, count: int | None = None, rule: DiarizationRule = RULE) -> Turns:
    """Who speaks when.

    Args:
        sound: the recording.
        count: how many speakers there are; None: as many as are found.
        rule: constants.

    Raises:
        InputError: nobody speaks.
    """
    model: SpeakerModel = open_model("speakers")
    frames, number = encoded(model, analysis_of(sound).mel)
    found = speakers_of(model, frames, number, count, rule)
    if not found.any():
        raise InputError("nobody was found to speak in the recording")
    order = np.argsort([int(row.argmax()) for row in found], kind="stable")
    names = [f"{NAME}{k + 1}" for k in range(len(found))]
    return turns_of(found[order], SPEAKER_CLOCK.times(found.shape[1]), names, sound.duration)


def speech_frames(sound: Audio) -> Mask:
    """(T,) in which frames of ``SPEAKER_CLOCK`` somebody speaks, by the network: noise between words is no speech."""
    model: SpeakerModel = open_model("speakers")
    return _speech(encoded(model, analysis_of(sound).mel)[1])


def _speech(number: Floats) -> Mask:
    return np.asarray(uniform_filter1d(1.0 - number[:, 0], 5) > 0.5)


def encoded(model: SpeakerModel, mel: Floats) -> tuple[Floats, Floats]:
    """Frames (T, W) of log-mels, and the probability (T, 3) of no, one and more speakers in each."""
    mel = np.pad(mel, ((0, -len(mel) % STRIDE), (0, 0)), mode="edge").astype(np.float32)
    total = len(mel) // STRIDE
    parts, numbers = [], []
    for start in range(0, total, WHOLE_WINDOW):
        first, last = max(0, start - WINDOW_MARGIN), min(total, start + WHOLE_WINDOW + WINDOW_MARGIN)
        frames, logits = model.frames(mel[None, first * STRIDE : last * STRIDE])
        kept = slice(start - first, min(start + WHOLE_WINDOW, total) - first)
        parts.append(frames[0, kept])
        numbers.append(softmax(logits[0, kept], -1))
    return np.concatenate(parts), np.concatenate(numbers)


def speakers_of(
    model: SpeakerModel, frames: Floats, number: Floats, count: int | None = None, rule: DiarizationRule = RULE
) -> Mask:
    """(S, T) who speaks in which frame; no rows where nobody does.

    Args:
        model: see ``SpeakerModel``.
        frames: (T, W), see ``encoded``.
        number: (T, 3), see ``encoded``.
        count: S; None: found.
        rule: constants.
    """
    speech = _speech(number)
    alone = speech & (number[:, 2] < 0.5)
    if not alone.any():
        return np.zeros((0, len(frames)), bool)
    voices = _best_voices(model, frames, alone, count, rule)
    weights = _alone(_chances(model, frames, voices, rule), alone)
    said = weights.any(1)
    voices = _voices(model, frames, weights[said]) if said.any() else voices
    return _decided(_chances(model, frames, voices, rule), speech, number[:, 2], rule)


def _best_voices(model: SpeakerModel, frames: Floats, alone: Mask, count: int | None, rule: DiarizationRule) -> Floats:
    """(S, E) the voices of the guess that explains the recording best."""
    spans = _spans(alone, rule)
    spoken = _span_voices(model, frames, alone, spans)
    lengths = np.array([last - first for first, last in spans], np.float32)
    lengths, compared = lengths / lengths.sum(), _compared(len(frames))
    lasting = np.clip(rule.share * alone[compared].sum(), *rule.lasting)
    best, most = spoken[:1], -np.inf
    trees = _trees(spoken)
    for size in [count] if count is not None else range(1, rule.most + 1):
        for labels in _partitions(trees, len(spoken), size):
            weights = np.zeros((labels.max() + 1, len(frames)), np.float32)
            for (first, last), label in zip(spans, labels, strict=True):
                weights[label, first:last] = alone[first:last]
            voices, chance = _refined(model, frames, alone, compared, _voices(model, frames, weights), rule)
            fit = _fit(chance[:, alone[compared]]) + rule.likeness * float((spoken @ voices.T).max(1) @ lengths)
            fit -= rule.single if len(voices) == 1 else rule.further * (len(voices) - 2)
            close = np.max(voices @ voices.T - 2.0 * np.eye(len(voices)))
            least = _alone(chance, alone[compared]).sum(1).min()
            sound = close < rule.alike and (least >= lasting or len(voices) == 1)
            if fit > most and (sound or count is not None):
                best, most = voices, fit
    return best


def _refined(
    model: SpeakerModel, frames: Floats, alone: Mask, compared: Indices, voices: Floats, rule: DiarizationRule
) -> tuple[Floats, Floats]:
    """Voices made anew of the frames in which they speak alone, and their chances (S, T) in the compared frames."""
    part, single = frames[compared], alone[compared]
    for _ in range(rule.rounds):
        weights = _alone(_chances(model, part, voices, rule), single)
        lasting = weights.sum(1) >= rule.fewest
        if not lasting.any():
            break
        voices = _voices(model, part, weights[lasting])
    return voices, _chances(model, part, voices, rule)


def _fit(chance: Floats) -> float:
    """How well chances (S, T) explain frames of one speaker: mean log-probability of the likeliest and of no second."""
    ordered = np.sort(np.clip(chance, 0.02, 0.98), 0)[::-1]
    return float((np.log(ordered[0]) + (np.log(1 - ordered[1]) if len(ordered) > 1 else 0.0)).mean())


def _compared(count: int) -> Indices:
    """Frames on which guesses are compared: all, or ``MOST_BLOCKS`` stretches of ``BLOCK``."""
    if count <= MOST_BLOCKS * BLOCK:
        return np.arange(count)
    starts = np.linspace(0, count - BLOCK, MOST_BLOCKS).astype(int)
    return np.concatenate([np.arange(start, start + BLOCK) for start in starts])


def _spans(alone: Mask, rule: DiarizationRule) -> list[tuple[int, int]]:
    """Stretches of one speaker's speech, first and last frame + 1: between pauses, long ones cut in equal parts."""
    spoken = binary_closing(np.pad(alone, 3), np.ones(3))[3:-3]
    spans = list[tuple[int, int]]()
    for first, last in stretches(spoken):
        cuts = np.linspace(first, last, -(-(last - first) // rule.longest) + 1).astype(int).tolist()
        spans += pairwise(cuts)
    long = [span for span in spans if span[1] - span[0] >= rule.shortest] or spans
    if len(long) > MOST_SPANS:
        long = [long[k] for k in np.linspace(0, len(long) - 1, MOST_SPANS).astype(int)]
    return long


def _span_voices(model: SpeakerModel, frames: Floats, alone: Mask, spans: list[tuple[int, int]]) -> Floats:
    """(N, E) the voice of each stretch."""
    longest = max(last - first for first, last in spans)
    counted, voices = alone[:, None].astype(np.float32), []
    for start in range(0, len(spans), 64):
        part = spans[start : start + 64]
        stretches = np.stack([_cut(frames, a, b, longest) for a, b in part])
        weights = np.stack([_cut(counted, a, b, longest)[:, 0] for a, b in part])
        voices.append(model.voices(stretches, weights))
    return np.concatenate(voices)


def _trees(voices: Floats) -> list[NDArray[np.float64]]:
    """How voices (N, E) are joined step by step, in each of ``WAYS``; none of a single voice."""
    if len(voices) < 2:
        return []
    return [linkage(voices, way, "euclidean" if way == "ward" else "cosine") for way in WAYS]


def _partitions(trees: list[NDArray[np.float64]], stretches: int, size: int) -> list[Indices]:
    """Different ways to cluster so many stretches into ``size`` speakers, as labels (N,) from 0."""
    if stretches <= size:
        return [np.arange(stretches)]
    found = dict[bytes, Indices]()
    for tree in trees:
        labels = fcluster(tree, size, "maxclust").astype(np.int64) - 1
        found[labels.tobytes()] = labels
    return list(found.values())


def _cut(values: Floats, first: int, last: int, length: int) -> Floats:
    """Rows ``first`` to ``last``, and zeros up to a length."""
    return np.pad(values[first:last], ((0, length - (last - first)), (0, 0)))


def _voices(model: SpeakerModel, frames: Floats, weights: Floats) -> Floats:
    """(S, E) the voice of each row of weights (S, T), of the frames that count alone."""
    voices = []
    for row in weights:
        own = np.flatnonzero(row > 0)[: 10 * WHOLE_WINDOW]
        voices.append(model.voices(frames[None, own], row[None, own])[0])
    return np.stack(voices)


def _chances(model: SpeakerModel, frames: Floats, voices: Floats, rule: DiarizationRule) -> Floats:
    """(S, T) probability that each voice speaks, smoothed."""
    chance = np.empty((len(voices), len(frames)), np.float32)
    for start in range(0, len(frames), WHOLE_WINDOW):
        first, last = max(0, start - WINDOW_MARGIN), min(len(frames), start + WHOLE_WINDOW + WINDOW_MARGIN)
        part = np.repeat(frames[None, first:last], len(voices), 0)
        logits = model.activity(part, voices.astype(np.float32))
        chance[:, start : start + WHOLE_WINDOW] = 1 / (1 + np.exp(-logits[:, start - first :][:, :WHOLE_WINDOW]))
    return np.asarray(uniform_filter1d(chance, rule.smooth, axis=1))


def _alone(chance: Floats, alone: Mask) -> Floats:
    """(S, T) weights of the frames in which each speaker is the likeliest, and likely."""
    first = chance == chance.max(0)
    return np.asarray(first * (chance > 0.4) * alone, np.float32)


def _decided(chance: Floats, speech: Mask, several: Floats, rule: DiarizationRule) -> Mask:
    """(S, T) who speaks: the likeliest where there is speech, and the second where several people speak."""
    place = (-chance).argsort(0).argsort(0)
    both = uniform_filter1d(several, rule.smooth) > rule.several
    active = speech & ((place == 0) | ((place == 1) & both & (chance > rule.beside)))
    closed = binary_closing(np.pad(active, ((0, 0), (rule.bridged, rule.bridged))), np.ones((1, rule.bridged)))
    opened = binary_opening(closed[:, rule.bridged : -rule.bridged or None], np.ones((1, rule.turn)))
    return np.asarray(opened[opened.any(1)])
