"""Who speaks when in a recording of one channel: speaker diarization.

Stretches of speech between pauses are joined step by step, always the two groups that are likeliest of one person; the
voice of a group is made of all its frames. The last steps are guesses: six speakers, five, and so on to one; Ward's
clustering makes another guess of each number. In each guess every speaker's voice is looked for in the recording, frame
by frame, and made anew of the frames in which it speaks alone. A weighted sum of evidence decides between the guesses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Mask, softmax, stretches
from sedtalker.audio import Audio
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.progress import in_parts, share
from sedtalker.speakers.speaker_model import SPEAKER_CLOCK, STRIDE, SpeakerModel, encoder_vectors
from sedtalker.speakers.turns import NAME, Turns, turns_of
from sedtalker.speech.features import analysis_of

WHOLE_WINDOW = round(60 * SPEAKER_CLOCK.rate)
"""Frames that go through the network at once."""
WINDOW_MARGIN = 128
"""Frames that windows see of their neighbours."""
MOST_SPANS = 600
"""Stretches that are joined; of longer recordings an even choice."""
POOLED = round(10 * SPEAKER_CLOCK.rate)
"""Frames that the voice of a group of stretches is made of; of larger groups an even choice."""
BLOCK, MOST_BLOCKS = round(20 * SPEAKER_CLOCK.rate), 8
"""Guesses about long recordings are compared on so many stretches of so many frames, evenly spread."""

EVIDENCE = ("fit", "joined", "one", "more", "short", "doubled", "changes")
"""What is known about a guess, see ``Guess``."""


@dataclass(frozen=True)
class DiarizationRule:
    """Constants of ``find_turns``, chosen on dialogues of development speakers, ``same`` and ``evidence`` by
    ``scripts/fit_speaker_count.py``. Times are frames of ``SPEAKER_CLOCK``.

    Attributes:
        longest, shortest: length of a stretch that is joined with others, at most and if possible at least.
        most: speakers that are guessed at most where their number is not known.
        same: logit of two groups being one person's: constant, by the cosine of their voices, by the logarithms of
            the seconds of the shorter and of the longer, and by the cosine times each of these.
        evidence: weights of ``EVIDENCE``.
        rounds: how often voices are made anew.
        fewest: frames that somebody speaks alone at least, or there is no such speaker.
        share: of the frames of one speaker, which everybody has at least, but from ``lasting[0]`` to ``lasting[1]``
            frames; fewer are evidence against a guess.
        several: probability of several speakers from which on the second one talks, too.
        beside: and their own probability.
        smooth: frames over which probabilities are averaged.
        turn, bridged: frames of a turn, and of a pause inside one, at least.
    """

    longest: int = 75
    shortest: int = 12
    most: int = 6
    same: tuple[float, ...] = (-2.72, 12.76, -2.11, -1.31, 1.09, 0.66)
    evidence: tuple[float, ...] = (4.29, 0.07, 1.49, -1.12, -1.42, -3.94, 85.46)
    rounds: int = 2
    fewest: int = 10
    share: float = 0.08
    lasting: tuple[int, int] = (40, 70)
    several: float = 0.4
    beside: float = 0.3
    smooth: int = 7
    turn: int = 7
    bridged: int = 8


Indices = NDArray[np.int64]
"""Indices of frames."""
RULE = DiarizationRule()
"""The constants that are used."""


@dataclass(frozen=True, eq=False)
class Guess:
    """A number of speakers, and what speaks for it.

    Attributes:
        voices: (S, E) of the speakers; fewer than were guessed, where one was found nowhere.
        evidence: one value for each of ``EVIDENCE``: ``fit``, how well the chances of the voices explain every frame;
            ``joined``, sum of the logits of the joinings since the largest guess; ``one``, whether it is a single
            speaker; ``more``, speakers after the second; ``short``, whether somebody hardly speaks; ``doubled``, the
            share of the frames of one speaker in which two voices are likely; ``changes``, the share of these frames
            at which the likeliest voice changes.
    """

    voices: Floats
    evidence: Doubles


def find_turns(sound: Audio, count: int | None = None) -> Turns:
    """Who speaks when.

    Args:
        count: how many speakers there are; None: as many as are found.

    Raises:
        InputError: nobody speaks.
    """
    with share(0.0, 0.65):
        recording = encoded(open_model("speakers"), sound)
    with share(0.65, 1.0):
        found = recording.speakers(count)
    if not found.any():
        raise InputError("nobody was found to speak in the recording")
    return numbered_turns(found, sound.duration)


def numbered_turns(active: Mask, duration: float) -> Turns:
    """The turns of speakers (S, T), who are numbered in the order in which they first speak."""
    order = np.argsort([int(row.argmax()) for row in active], kind="stable")
    names = [f"{NAME}{k + 1}" for k in range(len(active))]
    return turns_of(active[order], SPEAKER_CLOCK.times(active.shape[1]), names, duration)


def speech_frames(sound: Audio) -> Mask:
    """(T,) in which frames of ``SPEAKER_CLOCK`` somebody speaks, by the network: noise between words is no speech."""
    return encoded(open_model("speakers"), sound).speech


def encoded(model: SpeakerModel, sound: Audio) -> EncodedSound:
    """A recording as the network gives it."""
    with share(0.0, 0.25):
        mel = analysis_of(sound).mel
    mel = np.pad(mel, ((0, -len(mel) % STRIDE), (0, 0)), mode="edge").astype(np.float32, copy=False)
    total = len(mel) // STRIDE
    with share(0.25, 0.9):
        vectors = encoder_vectors(sound) if model.config.vectors else np.zeros((total, 0), np.float32)
    parts, numbers = [], []
    with share(0.9, 1.0):
        for start in in_parts(range(0, total, WHOLE_WINDOW)):
            first, last = max(0, start - WINDOW_MARGIN), min(total, start + WHOLE_WINDOW + WINDOW_MARGIN)
            frames, logits = model.frames(mel[None, first * STRIDE : last * STRIDE], vectors[None, first:last])
            kept = slice(start - first, min(start + WHOLE_WINDOW, total) - first)
            parts.append(frames[0, kept])
            numbers.append(softmax(logits[0, kept], -1))
    return EncodedSound(model, np.concatenate(parts), np.concatenate(numbers))


@dataclass(frozen=True, eq=False)
class EncodedSound:
    """A recording as the network gives it, and the speakers in it.

    Attributes:
        frames: (T, W).
        number: (T, 3) probability of no, one and more speakers in each.
        rule: the constants by which they are found.
    """

    model: SpeakerModel
    frames: Floats
    number: Floats
    rule: DiarizationRule = RULE

    @cached_property
    def speech(self) -> Mask:
        """(T,) in which frames somebody speaks."""
        return np.asarray(scipy.ndimage.uniform_filter1d(1.0 - self.number[:, 0], 5) > 0.5)

    @cached_property
    def alone(self) -> Mask:
        """(T,) in which frames one person speaks, and no second one."""
        return self.speech & np.asarray(self.number[:, 2] < 0.5)

    @cached_property
    def compared(self) -> Indices:
        """Frames on which guesses are compared: all, or ``MOST_BLOCKS`` stretches of ``BLOCK``."""
        count = len(self.frames)
        if count <= MOST_BLOCKS * BLOCK:
            return np.arange(count)
        starts = np.linspace(0, count - BLOCK, MOST_BLOCKS).astype(int)
        return np.concatenate([np.arange(start, start + BLOCK) for start in starts])

    def speakers(self, count: int | None = None) -> Mask:
        """(S, T) who speaks in which frame; no rows where nobody does. ``count``: S; None: found."""
        if not self.alone.any():
            return np.zeros((0, len(self.frames)), bool)
        with share(0.0, 0.4):
            guesses = self.guesses(count)
        with share(0.4, 1.0):
            return self.decided(max(guesses, key=lambda guess: float(guess.evidence @ self.rule.evidence)))

    def guesses(self, count: int | None = None) -> list[Guess]:
        """Guesses of up to ``rule.most`` speakers; ``count``: of this many alone, or as many as there are stretches.

        For each number there are two: the groups that are joined step by step, and those of Ward's clustering of
        stretches.
        """
        spans = spans_of(self.alone, self.rule)
        spoken = self._span_voices(spans)
        apart = [first + np.flatnonzero(self.alone[first:last]) for first, last in spans]
        tree = scipy.cluster.hierarchy.linkage(spoken, "ward") if len(apart) > 1 else None
        joined, found, most = 0.0, list[Guess](), count or self.rule.most
        for step, (own, logit) in enumerate(self._joined(apart, spoken, most)):
            joined += logit
            ways = [own]
            if 1 < len(own) < len(apart):
                labels = scipy.cluster.hierarchy.fcluster(tree, len(own), "maxclust")
                groups = ([apart[k] for k in np.flatnonzero(labels == n)] for n in np.unique(labels))
                ways.append([np.concatenate(group) for group in groups])
            with share(step / most, step / most):  # the few parts of a guess are no progress
                found += [self._guess(groups, joined) for groups in ways]
            if count is not None:
                break
        return found

    def _guess(self, groups: list[Indices], joined: float) -> Guess:
        """A guess of groups of frames."""
        alone, rule = self.alone[self.compared], self.rule
        voices, chance = self._refined(np.stack([self.pooled_voice(each) for each in groups]))
        single = chance[:, alone]
        said, lasting = _alone(chance, alone).sum(1), np.clip(rule.share * single.shape[1], *rule.lasting)
        evidence = [
            _fit(single),
            joined,
            len(groups) == 1,
            max(0, len(groups) - 2),
            len(groups) > 1 and said.min() < lasting,
            ((single > 0.5).sum(0) > 1).mean(),
            (np.diff(single.argmax(0)) != 0).mean() if single.shape[1] > 1 else 0.0,
        ]
        return Guess(voices, np.array(evidence, np.float64))

    def _joined(self, apart: list[Indices], voices: Floats, largest: int) -> Iterator[tuple[list[Indices], float]]:
        """Frames of each group of stretches, from ``largest`` groups to one, and the logit of the last joining."""
        own, voices, logit = list(apart), voices.copy(), 0.0
        logits = _same(voices, np.array([len(each) for each in own]), self.rule)
        while True:
            if len(own) <= largest:
                yield list(own), logit
            if len(own) == 1:
                return
            i, j = np.unravel_index(logits.argmax(), logits.shape)
            logit = float(logits[i, j]) if len(own) <= largest else 0.0
            own[i] = np.concatenate([own[i], own.pop(j)])
            voices, logits = np.delete(voices, j, 0), np.delete(np.delete(logits, j, 0), j, 1)
            voices[i] = self.pooled_voice(own[i])
            known = known_of_pairs(voices[i], len(own[i]), voices, np.array([len(each) for each in own]))
            row = self.rule.same @ known
            logits[:i, i], logits[i, i + 1 :] = row[:i], row[i + 1 :]

    def decided(self, guess: Guess) -> Mask:
        """(S, T) who speaks in which frame, by a guess."""
        with share(0.0, 0.5):
            weights = _alone(self._chances(self.frames, guess.voices), self.alone)
        said = weights.any(1)
        voices = self._voices(self.frames, weights[said]) if said.any() else guess.voices
        with share(0.5, 1.0):
            return _decided(self._chances(self.frames, voices), self.speech, self.number[:, 2], self.rule)

    def _refined(self, voices: Floats) -> tuple[Floats, Floats]:
        """Voices made anew of the frames in which they speak alone, and their chances (S, T) in ``compared``."""
        part, single = self.frames[self.compared], self.alone[self.compared]
        for _ in range(self.rule.rounds):
            weights = _alone(self._chances(part, voices), single)
            lasting = weights.sum(1) >= self.rule.fewest
            if not lasting.any():
                break
            voices = self._voices(part, weights[lasting])
        return voices, self._chances(part, voices)

    def pooled_voice(self, own: Indices) -> Floats:
        """(E,) the voice of a group of stretches."""
        chosen = own if len(own) <= POOLED else own[np.linspace(0, len(own) - 1, POOLED).astype(int)]
        return self._voice(self.frames, chosen)

    def _span_voices(self, spans: list[tuple[int, int]]) -> Floats:
        """(N, E) the voice of each stretch."""
        longest = max(last - first for first, last in spans)
        counted, voices = self.alone[:, None].astype(np.float32), []
        for start in range(0, len(spans), 64):
            part = spans[start : start + 64]
            stretches = np.stack([_cut(self.frames, a, b, longest) for a, b in part])
            weights = np.stack([_cut(counted, a, b, longest)[:, 0] for a, b in part])
            voices.append(self.model.voices(stretches, weights))
        return np.concatenate(voices)

    def _voices(self, frames: Floats, weights: Floats) -> Floats:
        """(S, E) the voice of each row of weights (S, T), 1 in the frames that count and else 0."""
        return np.stack([self._voice(frames, np.flatnonzero(row)[: 10 * WHOLE_WINDOW]) for row in weights])

    def _voice(self, frames: Floats, own: Indices) -> Floats:
        """(E,) the voice of some frames."""
        return self.model.voices(frames[None, own], np.ones((1, len(own)), np.float32))[0]

    def _chances(self, frames: Floats, voices: Floats) -> Floats:
        """(S, T) probability that each voice speaks in some frames, smoothed."""
        chance = np.empty((len(voices), len(frames)), np.float32)
        for start in in_parts(range(0, len(frames), WHOLE_WINDOW)):
            first, last = max(0, start - WINDOW_MARGIN), min(len(frames), start + WHOLE_WINDOW + WINDOW_MARGIN)
            part = np.repeat(frames[None, first:last], len(voices), 0)
            logits = self.model.activity(part, voices.astype(np.float32))
            chance[:, start : start + WHOLE_WINDOW] = 1 / (1 + np.exp(-logits[:, start - first :][:, :WHOLE_WINDOW]))
        return np.asarray(scipy.ndimage.uniform_filter1d(chance, self.rule.smooth, axis=1))


def known_of_pairs(voice: Floats, length: int, voices: Floats, lengths: NDArray[Any]) -> Floats:
    """(6, S) what ``DiarizationRule.same`` weighs, of a voice of so many frames and each of others."""
    cosine = voices @ voice
    shorter = np.log(np.maximum(np.minimum(length, lengths), 1) / SPEAKER_CLOCK.rate)
    longer = np.log(np.maximum(np.maximum(length, lengths), 1) / SPEAKER_CLOCK.rate)
    return np.stack([np.ones_like(cosine), cosine, shorter, longer, cosine * shorter, cosine * longer])


def _same(voices: Floats, lengths: NDArray[Any], rule: DiarizationRule) -> Floats:
    """Logits (S, S) of each two voices above the diagonal, and minus infinity elsewhere."""
    rows = [
        np.array(rule.same) @ known_of_pairs(voice, length, voices, lengths)
        for voice, length in zip(voices, lengths, strict=True)
    ]
    return np.where(np.triu(np.ones((len(voices),) * 2, bool), 1), np.stack(rows), -np.inf)


def _fit(chance: Floats) -> float:
    """How well chances (S, T) explain frames of one speaker: mean log-probability of the likeliest and of no second."""
    ordered = np.sort(np.clip(chance, 0.02, 0.98), 0)[::-1]
    return float((np.log(ordered[0]) + (np.log(1 - ordered[1]) if len(ordered) > 1 else 0.0)).mean())


def closed(masks: Mask, frames: int) -> Mask:
    """Masks (S, T) with gaps of less than so many frames filled."""
    padded = np.pad(masks, ((0, 0), (frames, frames)))
    return np.asarray(scipy.ndimage.binary_closing(padded, np.ones((1, frames))))[:, frames:-frames]


def spans_of(alone: Mask, rule: DiarizationRule) -> list[tuple[int, int]]:
    """Stretches of one speaker's speech, first and last frame + 1: between pauses, long ones cut in equal parts."""
    spoken = closed(alone[None], 3)[0]
    spans = list[tuple[int, int]]()
    for first, last in stretches(spoken):
        cuts = np.linspace(first, last, -(-(last - first) // rule.longest) + 1).astype(int).tolist()
        spans += pairwise(cuts)
    long = [span for span in spans if span[1] - span[0] >= rule.shortest] or spans
    if len(long) > MOST_SPANS:
        long = [long[k] for k in np.linspace(0, len(long) - 1, MOST_SPANS).astype(int)]
    return long


def _cut(values: Floats, first: int, last: int, length: int) -> Floats:
    """Rows ``first`` to ``last``, and zeros up to a length."""
    return np.pad(values[first:last], ((0, length - (last - first)), (0, 0)))


def _alone(chance: Floats, alone: Mask) -> Floats:
    """(S, T) weights of the frames in which each speaker is the likeliest, and likely."""
    first = chance == chance.max(0)
    return np.asarray(first * (chance > 0.4) * alone, np.float32)


def _decided(chance: Floats, speech: Mask, several: Floats, rule: DiarizationRule) -> Mask:
    """(S, T) who speaks: the likeliest where there is speech, and the second where several people speak."""
    place = (-chance).argsort(0).argsort(0)
    both = scipy.ndimage.uniform_filter1d(several, rule.smooth) > rule.several
    active = speech & ((place == 0) | ((place == 1) & both & (chance > rule.beside)))
    opened = scipy.ndimage.binary_opening(closed(active, rule.bridged), np.ones((1, rule.turn)))
    return np.asarray(opened[opened.any(1)])
