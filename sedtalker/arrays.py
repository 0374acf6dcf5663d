"""Arrays by the type of their elements, as annotations name them; shapes stand in docstrings. Softmax, runs, sRGB."""

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


def to_srgb(linear: NDArray[Any]) -> NDArray[Any]:
    """Linear light in [0, 1] as sRGB (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def from_srgb(colours: NDArray[Any]) -> NDArray[Any]:
    """SRGB in [0, 1] as linear light."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
