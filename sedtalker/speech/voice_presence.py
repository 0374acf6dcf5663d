"""Where somebody speaks or sings: over music, machines and animals the mouth rests.

Levels and periodicity do not tell music from a voice, and phones are found in any sound. A linear classifier on the
means and deviations of the lips' encoder's vectors over the last quarter of a second and over the last second does
(``scripts/train_voice_presence.py``). ``sedtalker.animation.decoder`` has what becomes of frames without a voice.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy

from sedtalker.arrays import Doubles, Floats, Mask, clamped
from sedtalker.checkpoint import builtin_checkpoint, read_arrays
from sedtalker.speech.features import MINUTE

WINDOWS = (12, 50)
"""Frames of 20 ms, up to the one that is judged, over which vectors are described."""
CERTAIN, NO_VOICE = 0.0, 2.0
"""Logits of no voice up to which a frame is taken for a voice, and from which on for none; chosen on development
corpora so that whispers, cries and singing move the mouth."""
HELD_FRAMES, AHEAD_FRAMES = 15, 4
"""A frame counts as the likeliest voice among so many frames before it and after it."""
OPENING_RATE, CLOSING_RATE = 1 / 3, 1 / 12
"""How much more, and how much less, a frame may be a voice than the one before: a mouth opens faster than it closes."""


class PresenceWeights(NamedTuple):
    """The classifier, and what a decoder reads in pauses.

    Attributes:
        weight: (4D,) of the logit that a frame is no voice, see ``described``.
        bias: (1,).
        rest: (D,) vector of the lips' encoder in pauses of speech.
        rest_prosody: (4,) the same of prosody.
    """

    weight: Floats
    bias: Floats
    rest: Floats
    rest_prosody: Floats


@lru_cache(maxsize=1)
def presence_weights() -> PresenceWeights:
    """The built-in weights, read once."""
    return PresenceWeights(*read_arrays(builtin_checkpoint("voice_presence"), *PresenceWeights._fields))


def described(hidden: Floats, first: int = 0) -> Doubles:
    """(T - first, 4D) mean and deviation of vectors (T, D) over each of ``WINDOWS``, as far as they reach back."""
    most, size = WINDOWS[-1], hidden.shape[1]
    sums = np.zeros((most + 1 + len(hidden), 2 * size))  # of vectors and squares, with nothing before the first
    sums[most + 1 :, :size] = hidden
    np.square(sums[most + 1 :, :size], out=sums[most + 1 :, size:])
    for before, now in pairwise(sums[most:]):  # as np.cumsum, in a third of its time
        now += before
    ends, parts = np.arange(first, len(hidden)) + 1, list[Doubles]()
    for window in WINDOWS:
        within = sums[most + 1 + first :] - sums[most + 1 + first - window : len(sums) - window]
        mean, square = np.hsplit(within / np.minimum(ends, window)[:, None], 2)
        parts += [mean, np.sqrt(np.maximum(0.0, square - mean**2))]
    return np.concatenate(parts, 1)


class PresenceStream:
    """How far each frame is a voice, from 0 to 1, of vectors that come in pieces of any length.

    Only frames that are loud enough to be speech are judged; in a pause the last of them counts.
    """

    def __init__(self, weights: PresenceWeights | None = None) -> None:
        self.weights = weights = weights or presence_weights()
        self.past = np.zeros((0, len(weights.rest)), np.float32)
        """Vectors of the frames before the next ones, as far as windows reach back."""
        self.likely = np.ones(HELD_FRAMES, np.float64)
        """How far the last frames, each by itself, were a voice."""
        self.unjudged = WINDOWS[0] - 1
        """Frames at the beginning that are still taken for a voice: too little is known of them."""
        self.last = 1.0

    def push(self, hidden: Floats, speech: Mask, new: int) -> Floats:
        """(n,) how far each of the next frames is a voice.

        Args:
            hidden: (n, D) vectors of the next frames and of those after them, as far as they are known.
            speech: (n,) whether they are loud enough to be speech.
            new: how many of them are final; the others come again.
        """
        before, likely = len(self.past), list[Doubles]()
        rows = np.concatenate([self.past, hidden])
        for start in range(before, len(rows), MINUTE):
            begin = max(0, start - WINDOWS[-1])
            described_rows = described(rows[begin : start + MINUTE], start - begin)
            logit = described_rows @ self.weights.weight + self.weights.bias
            likely.append(clamped((NO_VOICE - logit) / (NO_VOICE - CERTAIN)))
        around = np.concatenate([self.likely, *likely])
        around[HELD_FRAMES : HELD_FRAMES + self.unjudged] = 1.0
        judged = np.append(np.ones(HELD_FRAMES, bool), speech)
        around = around[np.maximum.accumulate(np.where(judged, np.arange(len(around)), 0))]
        reach = HELD_FRAMES + 1 + AHEAD_FRAMES
        wanted = scipy.ndimage.maximum_filter1d(around, reach, mode="constant")[reach // 2 :][: len(hidden)]
        made, last = np.empty(len(hidden), np.float32), self.last
        for frame, value in enumerate(wanted.tolist()):
            last = min(max(value, last - CLOSING_RATE), last + OPENING_RATE)
            made[frame] = last
            self.last = last if frame + 1 == new else self.last
        self.past, self.likely = rows[: before + new][-WINDOWS[-1] :], around[: HELD_FRAMES + new][-HELD_FRAMES:]
        self.unjudged = max(0, self.unjudged - new)
        return made


def presence_of(hidden: Floats, speech: Mask) -> Floats:
    """(T,) how far each frame of a whole recording is a voice, of vectors (T, D) and where it is loud (T,)."""
    stream, lead = PresenceStream(), slice(WINDOWS[-1], None, -1)
    stream.push(hidden[lead], speech[lead], len(hidden[lead]))  # backwards, so that its beginning can be judged
    return stream.push(hidden, speech, len(hidden))
