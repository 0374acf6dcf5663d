"""Who speaks when in a recording of one channel: speaker diarization.

Stretches of a second and a half are clustered by their voices into more speakers than there are; then every cluster's
voice is looked for in the whole recording, frame by frame, and made anew of the frames in which it speaks alone.
Clusters that speak at the same times are one person, and those that hardly speak alone are nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.ndimage import binary_closing, binary_opening, uniform_filter1d

from sedtalker.arrays import Floats, Mask, softmax
from sedtalker.audio import Audio
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.speakers.separation import NAME
from sedtalker.speakers.speaker_model import SPEAKER_CLOCK, STRIDE, SpeakerModel
from sedtalker.speakers.turns import MOST_SPEAKERS, Turns, turns_of
from sedtalker.speech.features import analysis_of

WINDOW = round(60 * SPEAKER_CLOCK.rate)
"""Frames that go through the network at once."""
MARGIN = 128
"""Frames that windows see of their neighbours."""
MOST_STRETCHES = 2000
"""Stretches that are clustered; of longer recordings an even choice."""


@dataclass(frozen=True)
class DiarizationRule:
    """Constants of ``find_turns``, chosen on dialogues of validation speakers. Times are frames of ``SPEAKER_CLOCK``.

    Attributes:
        stretch, hop: length of a stretch whose voice is clustered, and the step to the next.
        spoken: share of a stretch that has to be speech of one person.
        apart: cosine distance of two clusters (average linkage) below which they are one at first.
        most: clusters at first, at most.
        rounds: how often voices are made anew.
        same: share of the shorter of two speakers' time that they have in common from which on they are one person.
        alike: cosine of two voices from which on they are one person.
        fewest: frames that somebody speaks alone at least.
        several: probability of several speakers from which on the second one talks, too.
        beside: and their own probability.
        smooth: frames over which probabilities are averaged.
        shortest, bridged: frames of a turn, and of a pause inside one, at least.
    """

    stretch: int = 38
    hop: int = 12
    spoken: float = 0.6
    apart: float = 0.55
    most: int = 10
    rounds: int = 3
    same: float = 0.5
    alike: float = 0.75
    fewest: int = 30
    several: float = 0.4
    beside: float = 0.3
    smooth: int = 7
    shortest: int = 7
    bridged: int = 8


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


def encoded(model: SpeakerModel, mel: Floats) -> tuple[Floats, Floats]:
    """Frames (T, W) of log-mels, and the probability (T, 3) of no, one and more speakers in each."""
    mel = np.pad(mel, ((0, -len(mel) % STRIDE), (0, 0)), mode="edge").astype(np.float32)
    total = len(mel) // STRIDE
    parts, numbers = [], []
    for start in range(0, total, WINDOW):
        first, last = max(0, start - MARGIN), min(total, start + WINDOW + MARGIN)
        frames, logits = model.frames(mel[None, first * STRIDE : last * STRIDE])
        kept = slice(start - first, min(start + WINDOW, total) - first)
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
    speech = uniform_filter1d(1.0 - number[:, 0], 5) > 0.5
    alone = speech & (number[:, 2] < 0.5)
    if not alone.any():
        return np.zeros((0, len(frames)), bool)
    weights = _clusters(model, frames, alone, count, rule)
    for _ in range(rule.rounds):
        voices = _voices(model, frames, weights)
        voices, chance = _merged(model, frames, voices, speech, count, rule)
        weights = _alone(chance, alone)
        if count is None:
            lasting = weights.sum(1) >= rule.fewest
            weights = weights[lasting] if lasting.any() else weights[weights.sum(1).argmax()][None]
    chance = _chances(model, frames, _voices(model, frames, weights), rule)
    return _decided(chance, speech, number[:, 2], rule)


def _clusters(model: SpeakerModel, frames: Floats, alone: Mask, count: int | None, rule: DiarizationRule) -> Floats:
    """(S, T) weights of the frames of each cluster of stretches."""
    starts = np.arange(0, max(1, len(frames) - rule.stretch + 1), rule.hop)
    share = np.array([alone[s : s + rule.stretch].mean() for s in starts])
    chosen = starts[share >= min(rule.spoken, share.max())]
    if len(chosen) > MOST_STRETCHES:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_STRETCHES).astype(int)]
    stretches = np.stack([_cut(frames, s, rule.stretch) for s in chosen])
    weight = np.stack([_cut(alone[:, None].astype(np.float32), s, rule.stretch)[:, 0] for s in chosen])
    voices = np.concatenate(
        [model.voices(stretches[k : k + 64], weight[k : k + 64]) for k in range(0, len(chosen), 64)]
    )
    if len(chosen) == 1:
        labels = np.ones(1, int)
    else:
        tree = linkage(voices, "average", "cosine")
        labels = fcluster(tree, rule.apart, "distance")
        if count is not None and labels.max() < count:
            labels = fcluster(tree, count, "maxclust")
        elif labels.max() > max(rule.most, count or 0):
            labels = fcluster(tree, max(rule.most, count or 0), "maxclust")
    weights = np.zeros((labels.max(), len(frames)), np.float32)
    for start, label in zip(chosen, labels, strict=True):
        weights[label - 1, start : start + rule.stretch] += 1.0
    return np.asarray((weights == weights.max(0)) * (weights > 0) * alone, np.float32)


def _cut(values: Floats, start: int, length: int) -> Floats:
    part = values[start : start + length]
    return np.pad(part, ((0, length - len(part)), (0, 0)))


def _voices(model: SpeakerModel, frames: Floats, weights: Floats) -> Floats:
    """(S, E) the voice of each row of weights (S, T), of the frames that count alone."""
    voices = []
    for row in weights:
        own = np.flatnonzero(row > 0)[: 10 * WINDOW]
        voices.append(model.voices(frames[None, own], row[None, own])[0])
    return np.stack(voices)


def _chances(model: SpeakerModel, frames: Floats, voices: Floats, rule: DiarizationRule) -> Floats:
    """(S, T) probability that each voice speaks, smoothed."""
    chance = np.empty((len(voices), len(frames)), np.float32)
    for start in range(0, len(frames), WINDOW):
        first, last = max(0, start - MARGIN), min(len(frames), start + WINDOW + MARGIN)
        part = np.repeat(frames[None, first:last], len(voices), 0)
        logits = model.activity(part, voices.astype(np.float32))
        chance[:, start : start + WINDOW] = 1 / (1 + np.exp(-logits[:, start - first :][:, :WINDOW]))
    return np.asarray(uniform_filter1d(chance, rule.smooth, axis=1))


def _merged(
    model: SpeakerModel, frames: Floats, voices: Floats, speech: Mask, count: int | None, rule: DiarizationRule
) -> tuple[Floats, Floats]:
    """Voices and their chances, those of one person made one: the pair that shares most time first."""
    chance = _chances(model, frames, voices, rule)
    while len(voices) > max(1, count or 1):
        active = (chance > 0.5) & speech
        size = np.maximum(active.sum(1), 1)
        shared = (active.astype(np.float32) @ active.T.astype(np.float32)) / np.minimum(size[:, None], size[None])
        alike = voices @ voices.T
        score = np.maximum(shared / rule.same, alike / rule.alike) if count is None else shared + alike
        np.fill_diagonal(score, -np.inf)
        a, b = np.unravel_index(int(score.argmax()), score.shape)
        if count is None and score[a, b] < 1.0:
            break
        both = size[a] * voices[a] + size[b] * voices[b]
        voices[a] = both / np.linalg.norm(both)
        voices = np.delete(voices, b, 0)
        chance = _chances(model, frames, voices, rule)
    while len(voices) > MOST_SPEAKERS:
        least = int(((chance > 0.5) & speech).sum(1).argmin())
        voices, chance = np.delete(voices, least, 0), np.delete(chance, least, 0)
    return voices, chance


def _alone(chance: Floats, alone: Mask) -> Floats:
    """(S, T) weights of the frames in which each speaker is the likeliest, and likely."""
    first = chance == chance.max(0)
    return np.asarray(first * (chance > 0.4) * alone, np.float32)


def _decided(chance: Floats, speech: Mask, several: Floats, rule: DiarizationRule) -> Mask:
    """(S, T) who speaks: the likeliest where there is speech, and the second where several people are heard."""
    place = (-chance).argsort(0).argsort(0)
    both = uniform_filter1d(several, rule.smooth) > rule.several
    active = speech & ((place == 0) | ((place == 1) & both & (chance > rule.beside)))
    closed = binary_closing(np.pad(active, ((0, 0), (rule.bridged, rule.bridged))), np.ones((1, rule.bridged)))
    opened = binary_opening(closed[:, rule.bridged : -rule.bridged or None], np.ones((1, rule.shortest)))
    return np.asarray(opened[opened.any(1)])
