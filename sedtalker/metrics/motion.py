"""Measures of facial motion, each with its formula and source.

Vertices are (T, V, 3) in metres; lip distances are in outer-eye-corner distances, so that they compare across faces.
Never read one measure alone: always beside a static face and the output for shuffled audio.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy

from sedtalker.arrays import Floats, Mask, Reals
from sedtalker.errors import InputError
from sedtalker.face.face import Face, outer_eyes
from sedtalker.speakers.turns import Turns

INNER_LIP_MIDDLES = (62, 66)
"""Middle of the inner upper and lower lip, among the 68 iBUG landmarks."""
INNER_LIP_CORNERS = (60, 64)
"""Inner corners of the mouth."""
CLOSED_GAP = 0.03
"""Lips count as closed below this inner-lip gap (outer-eye distances, beyond the gap of the resting face)."""

MOVING_SECONDS = 0.2
"""Within which lips have to move to count as moving."""
BESIDE_TURNS = 0.35
"""Seconds before and after a turn in which its speaker's lips may move: a breath lasts 0.4 s."""


def means(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure over the rows that have it, of clips for instance."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            values.setdefault(key, []).append(value)
    return {key: float(np.mean(each)) for key, each in values.items()}


def correlation(predicted: Reals, reference: Reals) -> float:
    """Pearson's r of two curves (T,); 0 where either is constant or shorter than two frames."""
    if len(predicted) < 2:
        return 0.0
    a, b = np.asarray(predicted, np.float64), np.asarray(reference, np.float64)
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 1e-12 else 0.0


def landmark_distance(face: Face, coefficients: Reals, pair: tuple[int, int]) -> Floats:
    """(T,) distance of two of the 68 landmarks on a face deformed by coefficients, in outer-eye distances.

    Coefficients are (T, K), or (T, 52) for a face that has further shapes, which then rest.

    Raises:
        InputError: the face has no landmarks.
    """
    if face.landmarks is None:
        raise InputError("the face has no landmarks, which lips are measured by: sedtalker mesh register finds them")
    ends = face.landmarks[list(pair)]
    weights = face.expand(face.with_rest(coefficients))
    points = face.mesh.vertices[ends] + np.einsum("tk,kvd->tvd", weights, face.basis[:, ends])
    unit = outer_eyes(face.mesh.vertices[face.landmarks])
    return np.asarray(np.linalg.norm(points[:, 0] - points[:, 1], axis=1) / unit, np.float32)


def lip_aperture(face: Face, coefficients: Reals) -> Floats:
    """(T,) inner-lip height: distance of the inner-lip middles (landmarks 62 and 66)."""
    return landmark_distance(face, coefficients, INNER_LIP_MIDDLES)


def lip_width(face: Face, coefficients: Reals) -> Floats:
    """(T,) inner-lip width: distance of the inner mouth corners (landmarks 60 and 64)."""
    return landmark_distance(face, coefficients, INNER_LIP_CORNERS)


def wrong_mouth_time(times: Reals, apertures: Mapping[str, Reals], turns: Turns) -> float:
    """Share of a conversation in which the lips of somebody who does not speak move, summed over speakers.

    Lips move where the aperture changes by more than ``CLOSED_GAP`` within ``MOVING_SECONDS``; a smile that is held is
    no motion. Within ``BESIDE_TURNS`` of an own turn, a breath and the first and last sound, nothing is wrong.

    Args:
        times: (T,) seconds of the frames, regular.
        apertures: (T,) ``lip_aperture`` of each speaker by name.
    """
    if len(times) < 2:
        return 0.0
    width, wrong = 2 * round(MOVING_SECONDS / 2 / float(times[1] - times[0])) + 1, 0.0
    for name, aperture in apertures.items():
        most, least = (of(aperture, width) for of in (scipy.ndimage.maximum_filter1d, scipy.ndimage.minimum_filter1d))
        moves = most - least > CLOSED_GAP
        for start, end in turns.of(name):
            moves &= (times < start - BESIDE_TURNS) | (times > end + BESIDE_TURNS)
        wrong += float(moves.mean())
    return wrong


def mean_vertex_error(predicted: Reals, reference: Reals) -> float:
    """MVE, metres: mean over frames and vertices of the Euclidean error (EMOTE, Daněček et al. 2023)."""
    return float(np.linalg.norm(predicted - reference, axis=-1).mean())


def lip_vertex_error(predicted: Reals, reference: Reals, lips: Mask) -> float:
    """LVE, m²: mean over frames of the largest squared error over lip vertices (MeshTalk, Richard et al. 2021).

    Over the emotion region, eyes and forehead, it is called EVE (EmoTalk, Peng et al. 2023).
    """
    return float(((predicted - reference)[:, lips] ** 2).sum(-1).max(1).mean())


def upper_face_dynamics_deviation(predicted: Reals, reference: Reals, neutral: Reals, upper: Mask) -> float:
    """FDD, metres: mean over upper-face vertices of σ_t‖reference − neutral‖ − σ_t‖predicted − neutral‖.

    CodeTalker, Xing et al. 2023. Blind to the order of frames; positive where the prediction moves too little.
    """
    moved = [np.linalg.norm(v[:, upper] - neutral[upper], axis=-1).std(0) for v in (reference, predicted)]
    return float((moved[0] - moved[1]).mean())


def vertex_errors(
    predicted: Reals, reference: Reals, neutral: Reals, lips: Mask | None, emotion: Mask | None, upper: Mask | None
) -> dict[str, float]:
    """``mve_mm``, ``lve_mm2``, ``eve_mm2`` and ``fdd_mm``; without those whose region nobody knows."""
    errors = {"mve_mm": 1e3 * mean_vertex_error(predicted, reference)}
    if lips is not None:
        errors["lve_mm2"] = 1e6 * lip_vertex_error(predicted, reference, lips)
    if emotion is not None:
        errors["eve_mm2"] = 1e6 * lip_vertex_error(predicted, reference, emotion)
    if upper is not None:
        errors["fdd_mm"] = 1e3 * upper_face_dynamics_deviation(predicted, reference, neutral, upper)
    return errors


def jerk(vertices: Reals, rate: float) -> float:
    """Mean magnitude of the third difference over frames and vertices, times rate³: m/s³ (Flash and Hogan 1985)."""
    return float(np.linalg.norm(np.diff(vertices, 3, axis=0), axis=-1).mean() * rate**3) if len(vertices) > 3 else 0.0


def misalignment(predicted: Reals, reference: Reals, reach: int = 15) -> float:
    """MTM, frames: mean distance in time of the frames of two curves (T,) that dynamic time warping brings together.

    Chae-Yeon et al. 2025, "Perceptually accurate 3D talking head generation", arXiv 2503.20308. Both are standardised
    first, and no frame is compared with one further away than ``reach``.
    """
    a, b = ((each - np.mean(each)) / max(float(np.std(each)), 1e-9) for each in (predicted, reference))
    count, width = len(a), 2 * reach + 1
    cost = np.full((count, width), np.inf)  # column k of row i: frame i + k − reach of the reference
    came = np.zeros((count, width), np.int8)
    for i in range(count):
        for k in range(max(0, reach - i), min(width, count - i + reach)):
            before = (
                cost[i - 1, k] if i else np.inf,
                cost[i - 1, k + 1] if i and k + 1 < width else np.inf,
                cost[i, k - 1] if k else np.inf,
            )
            came[i, k] = int(np.argmin(before))
            least = 0.0 if i == 0 and k == reach else before[came[i, k]]
            cost[i, k] = least + abs(a[i] - b[i + k - reach])
    i, k, apart, steps = count - 1, reach, 0, 0
    while True:
        apart, steps = apart + abs(k - reach), steps + 1
        if i == 0 and k == reach:
            return apart / steps
        i, k = ((i - 1, k), (i - 1, k + 1), (i, k - 1))[came[i, k]]


@dataclass
class ClosureCounts:
    """Lip closures found and missed, summed over clips."""

    closed: int = 0
    missed: int = 0
    false: int = 0
    open_kept: int = 0

    @property
    def recall(self) -> float:
        """Share of p, b, m whose lips close."""
        return self.closed / max(1, self.closed + self.missed)

    @property
    def false_rate(self) -> float:
        """Share of open vowels that are closed."""
        return self.false / max(1, self.false + self.open_kept)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FN + FP) with closed p, b, m as TP, open ones as FN and closed vowels as FP."""
        return 2 * self.closed / max(1, 2 * self.closed + self.missed + self.false)


def count_closures(
    counts: ClosureCounts,
    times: Reals,
    predicted_gap: Reals,
    reference_gap: Reals,
    bilabials: list[tuple[float, float]],
    vowels: list[tuple[float, float]],
) -> None:
    """Add a clip's closures to ``counts``.

    A bilabial's interval (seconds, widened by 20 ms) is closed where its smallest gap is under ``CLOSED_GAP``; those
    that the reference leaves open are skipped. A vowel counts where the reference stays open through its middle half,
    and is falsely closed where the prediction does not.
    """
    for start, end in bilabials:
        inside = (times >= start - 0.02) & (times <= end + 0.02)
        if inside.any() and reference_gap[inside].min() < CLOSED_GAP:
            shut = bool(predicted_gap[inside].min() < CLOSED_GAP)
            counts.closed, counts.missed = counts.closed + shut, counts.missed + (not shut)
    for start, end in vowels:
        quarter = 0.25 * (end - start)
        inside = (times >= start + quarter) & (times <= end - quarter)
        if inside.any() and reference_gap[inside].min() > CLOSED_GAP:
            shut = bool(predicted_gap[inside].min() < CLOSED_GAP)
            counts.false, counts.open_kept = counts.false + shut, counts.open_kept + (not shut)
