"""Pose and unit of a mesh: the face is found by the landmark detector from all sides, or given by landmarks.

Views of the mesh from 24 (then 96) sides are searched for a face; the best are looked at again from close by, and the
landmarks of several views are lifted to the surface and averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from pydantic import BaseModel
from scipy.spatial import cKDTree

from sedtalker.arrays import Doubles, Floats, Ints, Mask, Reals
from sedtalker.face.face import outer_eyes
from sedtalker.mesh.rasteriser import View, geometry_channels, rasterise, turn
from sedtalker.mesh.surface import Points, Surface, closest_spots
from sedtalker.nn.engine import Model

LANDMARKS = 68
"""Points of the iBUG 300-W annotation (Sagonas et al. 2013)."""
JAW = slice(0, 17)
"""Landmarks of the jaw line, which lie least surely."""
INNER_LIPS = slice(60, 68)
"""Landmarks of the inner lips: in an open mouth they may be lifted to the tongue or the teeth."""
STEADY = slice(17, 60)
"""Landmarks by which the residual is measured."""
AVERAGED_VIEWS = ((0, 0), (-18, 0), (18, 0), (0, -14), (0, 14), (-28, 0), (28, 0))
"""Close views over which landmarks are averaged: (yaw, pitch) in degrees."""


class LandmarkConfig(BaseModel, extra="forbid", frozen=True):
    """Sizes of the landmark detector, a small heatmap network with a face score; stored beside the weights."""

    size: int = 128
    widths: tuple[int, int, int, int] = (20, 48, 96, 160)
    head_width: int = 64


# --- Finding 68 facial landmarks in geometry views with the built-in network.


@dataclass(frozen=True, eq=False)
class Detection:
    """Detections in N views.

    Attributes:
        points: (N, 68, 2) picture coordinates in [-1, 1], y up.
        spread: (N, 68) standard deviation of each heatmap in the same unit: small is sure.
        face: (N,) probability that the view shows a face within about ±45° of the front.
    """

    points: Floats
    spread: Floats
    face: Floats


BATCH = 16
"""Views that go through the network at once."""


def detect(network: Model, channels: Floats) -> Detection:
    """Landmarks in geometry views.

    Args:
        network: ``open_model("landmarks")``: views to points (N, 68, 2), their spread and face probability.
        channels: (N, 4, size, size) from ``geometry_channels``; the size is that of the network's configuration.
    """
    views = np.ascontiguousarray(channels, dtype=np.float32)
    found = [network.run(views[start : start + BATCH]) for start in range(0, len(views), BATCH)]
    return Detection(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


# --- Pose and unit.


@dataclass(frozen=True, eq=False)
class Similarity:
    """x ↦ scale · rotation @ x + translation."""

    scale: float
    rotation: Doubles
    translation: Doubles

    def apply(self, points: Reals) -> Points:
        """Transform points (N, 3)."""
        return self.scale * points @ self.rotation.T + self.translation

    def inverse(self) -> Similarity:
        """The similarity that undoes this one."""
        rotation = self.rotation.T
        return Similarity(1.0 / self.scale, rotation, -(rotation @ self.translation) / self.scale)


@dataclass(frozen=True, eq=False)
class FaceFix:
    """A face found on a surface.

    Attributes:
        landmarks: (68, 3) on the surface, in the mesh's own coordinates.
        triangles: (68,) triangle under each landmark.
        confidence: (68,) in [0, 1]: agreement of the views and sharpness of the heatmaps.
        score: probability of a face, mean over the close views.
        residual: RMS distance to the reference landmarks after the best similarity, in outer-eye-corner distances.
        alignment: similarity from the mesh to the reference landmarks' coordinates.
    """

    landmarks: Points
    triangles: Ints
    confidence: Doubles
    score: float
    residual: float
    alignment: Similarity


def find_face(surface: Surface, reference: Points, detector: Model) -> FaceFix | None:
    """Find the face on a surface of any orientation, unit and position; None if there is none.

    Args:
        surface: the welded mesh.
        reference: (68, 3) landmarks of a known upright face, +Y up, +Z front.
        detector: the landmark network, see ``detect``.
    """
    for rotations in (axis_rotations(), tilted_rotations()):
        candidates = survey(surface, rotations, detector)
        best: FaceFix | None = None
        for view in candidates[:5]:
            fix = refine(surface, view, reference, detector)
            if fix is not None and (best is None or quality(fix) > quality(best)):
                best = fix
        if best is not None and best.score > 0.6 and best.residual < 0.16:
            return best
    return None


def quality(fix: FaceFix) -> float:
    """Orders candidate fixes: sure and anatomically plausible first."""
    return fix.score - 3.0 * fix.residual


def axis_rotations() -> list[Points]:
    """The 24 rotations between axis conventions; upright +Z front first."""
    found = []
    for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        matrix = np.zeros((3, 3))
        matrix[np.arange(3), list(order)] = signs
        if np.linalg.det(matrix) > 0:
            found.append(matrix)
    return sorted(found, key=lambda m: -float(np.trace(m)))


def tilted_rotations() -> list[Points]:
    """The axis rotations seen from between their axes."""
    tilts = (turn(45), turn(0, 45), turn(0, 0, 45))
    return [tilt @ axis for tilt in tilts for axis in axis_rotations()]


def survey(surface: Surface, rotations: list[Points], detector: Model) -> list[View]:
    """Views of the whole mesh and of its top (heads of bodies) with a face in them, best first."""
    views = [view for rotation in rotations for view in framings(surface.points, rotation)]
    channels = np.stack(
        [geometry_channels(v.project(surface.points), surface.triangles, detector.config.size) for v in views]
    )
    found = detect(detector, channels)
    order = np.argsort(-found.face, kind="stable")
    closer = []
    for i in order[:12]:
        if found.face[i] < 0.3:
            break
        width = outer_eyes(found.points[i])
        offset = found.points[i, [36, 45, 48, 54]].mean(0) * views[i].half_width
        centre = views[i].centre + offset @ views[i].rotation[:2]
        closer.append(View(views[i].rotation, centre, 1.7 * max(width, 0.05) * views[i].half_width))
    return closer


def framings(points: Points, rotation: Points) -> list[View]:
    """The whole mesh and squares at its top, for one camera rotation."""
    turned = points @ rotation.T
    low, high = turned.min(0), turned.max(0)
    middle, size = (low + high) / 2, high - low
    whole = float(max(size[0], size[1])) * 0.54
    views = [View(rotation, middle @ rotation, whole)]
    for part in (0.62, 0.36, 0.2):
        half = size[1] * part / 2
        if half < 0.9 * whole and half > 0:
            top = turned[:, 1] > high[1] - 2 * half
            x = (turned[top, 0].min() + turned[top, 0].max()) / 2 if part < 0.3 else middle[0]
            centre = np.array([x, high[1] - half * 0.96, middle[2]])
            views.append(View(rotation, centre @ rotation, half))
    return views


def refine(surface: Surface, view: View, reference: Points, detector: Model) -> FaceFix | None:
    """Look again from straight ahead and close, then average the landmarks of several close views."""
    fix = None
    for tilts in (AVERAGED_VIEWS[:1], AVERAGED_VIEWS[:1], AVERAGED_VIEWS):
        views = [View(turn(*tilt) @ view.rotation, view.centre, view.half_width) for tilt in tilts]
        fix = locate(surface, views, reference, detector)
        if fix is None or fix.score < 0.2:
            return None
        outer = outer_eyes(fix.landmarks)
        view = View(fix.alignment.rotation, fix.landmarks[[36, 45, 48, 54]].mean(0), 1.45 * outer)
    return fix


def locate(surface: Surface, views: list[View], reference: Points, detector: Model) -> FaceFix | None:
    """Landmarks seen in several views, lifted to the surface and combined."""
    rendered = [geometry_channels(v.project(surface.points), surface.triangles, detector.config.size) for v in views]
    found = detect(detector, np.stack(rendered))
    lifted, weights = [], []
    for view, points, spread in zip(views, found.points, found.spread, strict=True):
        position, hit = lift(surface, view, points)
        if not hit.any():
            continue
        lifted.append(position)
        weights.append(np.where(hit, 1.0 / (0.01 + spread) ** 2, 1e-6))
    if not lifted:
        return None
    stack, weight = np.stack(lifted), np.stack(weights)
    middle = robust_mean(stack, weight)
    alignment, _ = robust_similarity(middle, reference)
    middle = out_of_holes(middle, reference, alignment)
    alignment, residual = robust_similarity(middle, reference)
    outer = outer_eyes(middle) + 1e-30
    disagreement = np.sqrt((weight * ((stack - middle) ** 2).sum(2)).sum(0) / weight.sum(0)) / outer
    spread = np.median(found.spread * np.array([v.half_width for v in views])[:, None], axis=0) / outer
    confidence = np.exp(-((disagreement / 0.08) ** 2) - (spread / 0.15) ** 2)
    _, triangles, middle = closest_spots(surface.points, surface.triangles, middle)
    size = outer_eyes(reference)
    return FaceFix(middle, triangles, confidence, float(found.face.mean()), residual / size, alignment)


def out_of_holes(points: Points, reference: Points, alignment: Similarity) -> Points:
    """Landmarks of lids and inner lips that were lifted to the bottom of a hole, brought back to the expected depth."""
    there = alignment.apply(points)
    size = outer_eyes(reference)
    depth = there[:, 2] - reference[:, 2]
    fallen = np.isin(np.arange(68), (*range(36, 48), *range(60, 68))) & (depth < -0.06 * size)
    there[fallen, 2] = reference[fallen, 2]
    return np.where(fallen[:, None], alignment.inverse().apply(there), points)


def lift(surface: Surface, view: View, points: Reals, size: int = 256) -> tuple[Points, Mask]:
    """Surface positions (68, 3) under picture points (68, 2); those beside the mesh take the nearest covered pixel."""
    ids, depth = rasterise(view.project(surface.points), surface.triangles, size)
    rows, columns = np.nonzero(ids >= 0)
    if not len(rows):
        return np.zeros((len(points), 3)), np.zeros(len(points), bool)

    x, y = (columns + 0.5) * (2 / size) - 1, 1 - (rows + 0.5) * (2 / size)
    distance, nearest = cKDTree(np.stack([x, y], 1)).query(points)
    z = depth[rows[nearest], columns[nearest]]
    flat = np.stack([x[nearest], y[nearest], z], axis=1).astype(np.float64)
    inside = distance < 2 / size
    flat[inside, :2] = points[inside]
    return flat * view.half_width @ view.rotation + view.centre, distance < 0.06


def robust_mean(stack: Points, weights: Reals) -> Points:
    """Weighted geometric median (68, 3) of lifted landmarks (views, 68, 3)."""
    middle = (weights[..., None] * stack).sum(0) / weights.sum(0)[:, None]
    for _ in range(12):
        distance = np.linalg.norm(stack - middle, axis=2)
        scale = np.median(distance) + 1e-12
        w = weights / (distance + 0.3 * scale)
        middle = (w[..., None] * stack).sum(0) / w.sum(0)[:, None]
    return middle


def robust_similarity(points: Points, reference: Points) -> tuple[Similarity, float]:
    """Similarity points → reference, outliers down-weighted (Cauchy), no reflection; and its RMS residual."""
    base = np.ones(len(points))
    if len(points) == 68:
        base[JAW] = 0.15
        base[INNER_LIPS] = 0.3
    weights = base
    for _ in range(10):
        fit = similarity(points, reference, weights)
        distance = np.linalg.norm(fit.apply(points) - reference, axis=1)
        scale = 1.5 * np.median(distance) + 1e-12
        weights = base / (1.0 + (distance / scale) ** 2)
    steady = distance[STEADY] if len(points) == 68 else distance
    return fit, float(np.sqrt((steady**2).mean()))


def similarity(points: Points, reference: Points, weights: Reals) -> Similarity:
    """Weighted least-squares similarity (Umeyama 1991)."""
    w = weights / weights.sum()
    p, q = w @ points, w @ reference
    a, b = points - p, reference - q
    u, s, vt = np.linalg.svd((b * w[:, None]).T @ a)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    rotation = u @ sign @ vt
    scale = float((s * np.diag(sign)).sum() / max(float((w * (a**2).sum(1)).sum()), 1e-300))
    return Similarity(scale, rotation, q - scale * rotation @ p)


# --- Landmarks that somebody gives, instead of those that the detector sees.


@dataclass(frozen=True, eq=False)
class GivenLandmarks:
    """Landmarks (68, 3) in the file's coordinates, with confidence (68,) and score in [0, 1]."""

    points: Points
    confidence: Doubles
    score: float = 1.0

    def on(self, surface: Surface, reference: Points) -> FaceFix:
        """The face they make on a welded mesh; ``reference`` are the landmarks (68, 3) of a known upright face."""
        alignment, residual = robust_similarity(self.points, reference)
        size = outer_eyes(reference)
        _, triangles, points = closest_spots(surface.points, surface.triangles, self.points)
        return FaceFix(points, triangles, self.confidence, self.score, residual / size, alignment)


# --- From the file's coordinates to metres, upright: which unit the file is in, and how it is turned.

UNITS = (1.0, 0.1, 0.01, 0.001)
"""Units of files that are recognised by the size of a head, in metres."""
UNIT_TOLERANCE = 0.22
"""Largest deviation of a head from the usual size, as a share, for a file to be in one of these units."""
AXIS_TOLERANCE = 12.0
"""Degrees: a head that is turned less against the file's axes keeps its tilt."""


@dataclass(frozen=True, eq=False)
class Placement:
    """Similarities between the file's, the metric and the rig's coordinates, and the guessed unit in metres or None."""

    to_metres: Similarity
    from_rig: Similarity
    unit: float | None


def place(fix: FaceFix, reference: Points) -> Placement:
    """Upright metric coordinates of a found face.

    A head that stands nearly along the file's axes keeps its small tilt, and one of nearly human size in a usual unit
    keeps its size, so that a file in metres, Y up, Z front is only shifted.
    """
    unit = next((u for u in UNITS if abs(fix.alignment.scale / u - 1) < UNIT_TOLERANCE), None)
    scale = unit or fix.alignment.scale
    rotation = fix.alignment.rotation
    for axes in axis_rotations():
        cosine = (np.trace(axes.T @ rotation) - 1) / 2
        if np.degrees(np.arccos(np.clip(cosine, -1, 1))) < AXIS_TOLERANCE:
            rotation = axes
            break
    inner = fix.landmarks[17:].mean(0)
    to_metres = Similarity(scale, rotation, reference[17:].mean(0) - scale * rotation @ inner)
    back = fix.alignment.inverse()
    from_rig = Similarity(
        to_metres.scale * back.scale, to_metres.rotation @ back.rotation, to_metres.apply(back.translation[None])[0]
    )
    return Placement(to_metres, from_rig, unit)
