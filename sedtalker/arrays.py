"""Arrays by the type of their elements, as annotations name them; shapes stand in docstrings. Softmax, labels, sRGB."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
"""What networks, meshes and pictures are made of."""
Doubles = NDArray[np.float64]
"""What is summed or solved."""
Reals = NDArray[np.floating]
"""Floating-point numbers of any precision."""
Ints = NDArray[np.int32]
"""Numbers of vertices, triangles and frames."""
Mask = NDArray[np.bool_]
"""Which elements of another array."""


def clamped(values: NDArray[Any]) -> NDArray[Any]:
    """Values of an array cut to [0, 1]: as ``np.clip``, which takes twice as long for the few of a stream."""
    raised = np.maximum(values, 0.0)
    return np.asarray(np.minimum(raised, 1.0, out=raised))


def softmax(logits: NDArray[Any], axis: int) -> NDArray[Any]:
    """Positive numbers of sum 1 along an axis; as ``scipy.special.softmax``, which takes long to import."""
    raised = np.exp(logits - np.max(logits, axis=axis, keepdims=True))
    return np.asarray(raised / np.sum(raised, axis=axis, keepdims=True))


def log_softmax(logits: NDArray[Any], axis: int) -> NDArray[Any]:
    """The logarithm of ``softmax``, exact where that is nothing."""
    shifted = logits - np.max(logits, axis=axis, keepdims=True)
    return np.asarray(shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True)))


def nearest_rotation(moments: NDArray[Any]) -> NDArray[Any]:
    """(…, 3, 3) rotations nearest to sums of outer products (…, 3, 3) of centred points after and before (Kabsch)."""
    u, _, vt = np.linalg.svd(moments)
    u[..., 2] *= np.sign(np.linalg.det(u @ vt))[..., None]
    return np.asarray(u @ vt)


def stretches(mask: Mask) -> list[tuple[int, int]]:
    """Runs of true elements of a mask (N,): the first of each, and the one after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(first, last) for first, last in edges.reshape(-1, 2).tolist()]


def runs(labels: NDArray[np.integer]) -> list[tuple[int, int, int]]:
    """(first, last + 1, label) of each run of equal labels."""
    if not len(labels):
        return []
    edges = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1, [len(labels)]])
    return [(int(a), int(b), int(labels[a])) for a, b in pairwise(edges)]


EQUAL = 1e-9
"""Scores this near are equal, and the earlier change is taken: in a pause, rounding alone would choose among frames."""


def likeliest_labels(evidence: Doubles, cost: Doubles, shortest: int) -> NDArray[np.int64]:
    """The best sequence of labels (T,) in which each lasts ``shortest`` frames at least; one label if T is no more.

    A hidden semi-Markov model with a uniform duration beyond the minimum D: with s(t, c) the evidence summed up to t,
    ``best(t, c) = max(best(t-1, c) + e(t, c), max_{c'} best(t-D, c') - cost + s(t, c) - s(t-D, c))``, exact in O(T·C).

    Args:
        evidence: (T, C) log-probability of each label.
        cost: (T,) of a change to another label that begins at the frame.
    """
    frames, classes = evidence.shape
    summed = np.concatenate([np.zeros((1, classes)), np.cumsum(evidence, 0)])
    best = np.full((frames + 1, classes), -np.inf)  # nothing ends before ``shortest``
    entered = np.zeros((frames + 1, classes), np.int64)
    if frames <= shortest:
        return np.full(frames, int(summed[-1].argmax()), np.int64)
    best[shortest] = summed[shortest]
    # a change is decided ``shortest`` frames before, so that many frames are one running maximum beyond the evidence
    for first in range(shortest, frames, shortest):
        now = np.arange(first + 1, min(first + shortest, frames) + 1)
        before = now - shortest
        change = (best[before].max(1) - cost[before])[:, None] - summed[before]
        ways = np.concatenate([(best[first] - summed[first])[None], change])
        highest = np.maximum.accumulate(ways, 0)
        better = ways[1:] > highest[:-1] + EQUAL
        newest = np.maximum.accumulate(np.where(better, before[:, None], -1), 0)
        entered[now] = np.where(newest < 0, entered[first], newest)
        best[now] = highest[1:] + summed[now]
    return _trace(best, entered)


def _trace(best: Doubles, entered: NDArray[np.int64]) -> NDArray[np.int64]:
    """Walk back from the best end: each entry says where the current label began."""
    frames = len(best) - 1
    labels = np.empty(frames, np.int64)
    t, label = frames, int(best[frames].argmax())
    while t > 0:
        start = int(entered[t, label])
        labels[start:t] = label
        t, label = start, int(best[start].argmax())
    return labels


def to_srgb(linear: NDArray[Any]) -> NDArray[Any]:
    """Linear light in [0, 1] as sRGB (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def from_srgb(colours: NDArray[Any]) -> NDArray[Any]:
    """SRGB in [0, 1] as linear light."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
