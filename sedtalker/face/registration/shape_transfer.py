"""Carrying shape offsets from the registered source to the target's points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import diags
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from sedtalker.arrays import Doubles, Floats, Ints, Mask
from sedtalker.face.registration.alignment import Skin, attach_to, barycentric
from sedtalker.mesh.surface import Points, closest_spots, laplacian, picks, point_normals, triangle_normals
from sedtalker.progress import Hook, no_progress


@dataclass(frozen=True, eq=False)
class Transfer:
    """Offsets (K, M, 3) of the target's skin points and how they came about.

    Attributes:
        offsets: (K, M, 3).
        corners, weights: (M, 3) the source triangle and barycentric weights of each point; distance: (M,) metres.
    """

    offsets: Doubles
    corners: Ints
    weights: Points
    distance: Doubles


TRUSTED = 0.002
"""Metres at rig scale between the registered source and the target at which trust in a copied offset has fallen to a
quarter."""
FAR = 0.06
"""Metres at rig scale from the source beyond which the target keeps still."""


def transfer_skin(
    source: Skin, registered: Points, offsets: Floats, target: Skin, hook: Hook = no_progress
) -> Transfer:
    """Offsets of the target's skin points.

    Args:
        source: the source skin; registered: (N, 3) its points on the target.
        offsets: (K, N, 3) offsets of the source's skin points.
        target: the target skin, M points.
        hook: receives the progress, a step a shape.
    """
    corners, weights, distance, facing = closest_on_source(source, registered, target)
    confidence = np.where(facing > 0.3, 1.0, 0.05) / (1.0 + (distance / TRUSTED) ** 2) ** 2
    places = picks(corners, weights, len(registered))
    direct = np.empty((len(offsets), len(target.points), 3))
    for k, offset in enumerate(offsets):
        direct[k] = places @ offset
    for between, seen in ((mouth_corners(target), True), (mouth_corners(target, seen=False), False)):
        if len(between):
            share = target.features.upper_share[between]
            direct[:, between] = of_both_lips(source, registered, offsets, target.points[between], share, seen)
    confidence *= agreement(direct, target.points, target.triangles, confidence)
    near = distance < FAR
    anchored = near & (distance > 0.5 * FAR)
    confidence[anchored] = np.maximum(confidence[anchored], 0.02)
    direct[:, anchored] = 0.0
    fill(direct, confidence, near, target, hook)
    return Transfer(direct, corners, weights, distance)


def mouth_corners(target: Skin, seen: bool = True) -> NDArray[np.int64]:
    """Points of neither lip about the corners of the mouth, those that are seen or the others."""
    return np.nonzero(np.isfinite(target.features.upper_share) & (target.bare == seen))[0]


def of_both_lips(
    source: Skin, registered: Points, offsets: Floats, points: Points, upper: Doubles, seen: bool = True
) -> Doubles:
    """Offsets (K, n, 3) of points (n, 3) that go with the upper lip as far as ``upper`` (n,) says, else with the lower.

    ``seen`` keeps to the source's visible skin.
    """
    side, out = source.features.lip_side[source.triangles], np.zeros((len(offsets), len(points), 3))
    for lip in (1, -1):
        triangles = source.triangles[(side != -lip).all(axis=1) & (source.seen | (not seen))]
        there = picks(*attach_to(registered, triangles, points), len(registered))
        share = (upper if lip > 0 else 1.0 - upper)[:, None]
        out += share * np.stack([there @ offset for offset in offsets])
    return out


def closest_on_source(source: Skin, registered: Points, target: Skin) -> tuple[Ints, Points, Doubles, Doubles]:
    """Source triangle corners and weights under each target point, the distance, and the cosine of the normals."""
    count = len(target.points)
    normals = point_normals(target.points, target.triangles)
    side = source.features.lip_side[source.triangles]
    allowed = {0: np.ones(len(side), bool), 1: ~(side < 0).any(axis=1), -1: ~(side > 0).any(axis=1)}
    cases = [(lip, outside) for lip in allowed for outside in (True, False)]
    corners = np.zeros((count, 3), np.int32)
    weights = np.zeros((count, 3))
    distance, facing = np.full(count, np.inf), np.zeros(count)
    for lip, outside in cases:
        mine = np.nonzero((target.features.lip_side == lip) & (target.bare == outside))[0]
        triangles = source.triangles[allowed[lip] & (source.seen | (not outside))]
        if not len(mine) or not len(triangles):
            continue
        places = target.points[mine]
        squared, hit, closest = closest_spots(registered, triangles, places)
        away, closest = np.sqrt(squared), closest.copy()
        face_normals = triangle_normals(registered, triangles)
        turned = np.nonzero((face_normals[hit] * normals[mine]).sum(1) < 0.3)[0]
        if len(turned):
            better(places, normals[mine], turned, registered, triangles, face_normals, hit, closest, away)
        corners[mine] = triangles[hit]
        weights[mine] = barycentric(closest, registered, triangles[hit])
        distance[mine] = away
        facing[mine] = (face_normals[hit] * normals[mine]).sum(1)
    return corners, weights, distance, facing


def better(
    places: Points,
    normals: Points,
    turned: NDArray[np.int64],
    registered: Points,
    triangles: Ints,
    face_normals: Points,
    hit: Ints,
    closest: Points,
    away: Doubles,
) -> None:
    """For places whose closest triangle faces away, take the nearest of 40 whose normal agrees, in place."""
    centres = registered[triangles].mean(axis=1)
    _, nearby = cKDTree(centres).query(places[turned], k=min(40, len(centres)))
    cosine = (face_normals[nearby] * normals[turned][:, None]).sum(2)
    for row, i in enumerate(turned):
        good = nearby[row][cosine[row] > 0.3]
        if not len(good):
            continue
        corner = triangles[good]
        spot = np.repeat(places[i][None], len(good), axis=0)
        weight = barycentric(spot, registered, corner)
        there = (registered[corner] * weight[..., None]).sum(1)
        gap = np.linalg.norm(there - places[i], axis=1)
        k = int(np.argmin(gap))
        hit[i], closest[i], away[i] = good[k], there[k], gap[k]


TORN = 8.0
"""Length by which all shapes together part two neighbours, in their distance, from which on an edge is torn."""
SURE = 0.2
"""Confidence of a neighbour that is worth agreeing with."""


def agreement(direct: Doubles, points: Points, triangles: Ints, confidence: Doubles) -> Doubles:
    """1 for points (M,) whose offsets resemble those of a neighbour, near 0 for outliers, which resemble none, and 0
    for those about an edge that the shapes tear.

    The least distant neighbour counts, not their mean: at the rim of a lid of few polygons most neighbours lie still.
    Of two sides of a fold that touch at rest, as near the corners of a mouth, some points take the wrong one.
    """
    flat = direct.astype(np.float32).transpose(1, 0, 2).reshape(direct.shape[1], -1)
    edges = np.unique(np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    size = np.linalg.norm(flat, axis=1)
    floor = 0.25 * float(np.median(size)) + 1e-9
    closest, torn = np.full(len(flat), np.inf), np.zeros(len(flat), bool)
    for part in np.array_split(edges, max(1, len(edges) // 20_000)):
        i, j = part.T
        apart = np.linalg.norm(flat[i] - flat[j], axis=1)
        stretched = apart > TORN * np.linalg.norm(points[i] - points[j], axis=1)
        torn[part[stretched]] = True
        gap = apart / np.maximum(np.maximum(size[i], size[j]), floor)
        for a, b in ((i, j), (j, i)):
            np.minimum.at(closest, a, np.where(confidence[b] > SURE, gap, np.inf))
    torn[triangles[torn[triangles].any(axis=1)]] = True  # and their neighbours
    return np.where(torn, 0.0, np.where(np.isfinite(closest), 1.0 / (1.0 + (closest / 0.5) ** 4), 1.0))


FILL = 0.02
"""Weight of smoothness where offsets are filled in."""
SURE_ENOUGH = 0.5
"""Confidence from which on a point needs no neighbours to know where it goes."""
RINGS = 4
"""Rings of neighbours round unsure points that are solved for with them."""
SWEEPS = 2
"""Jacobi sweeps over all points after that."""


def fill(direct: Doubles, confidence: Doubles, active: Mask, target: Skin, hook: Hook = no_progress) -> None:
    """Make offsets (K, M, 3) as smooth as possible where they are not confident, and zero where inactive; in place.

    One linear system for all points. Only the unsure ones and some rings round them are solved for directly; where all
    are sure, it is so near to diagonal that a few sweeps do.
    """
    index = np.full(len(active), -1)
    index[active] = np.arange(active.sum())
    triangles = index[target.triangles]
    triangles = triangles[(triangles >= 0).all(axis=1)].astype(np.int32)
    operator = laplacian(int(active.sum()), triangles)
    weight = confidence[active] + 1e-5
    matrix = (FILL * (operator.T @ operator) + diags(weight)).tocsr()
    unsure = weight < SURE_ENOUGH
    for _ in range(RINGS):
        unsure |= operator.astype(bool) @ unsure
    among = matrix[unsure]
    factor = splu(among[:, unsure].tocsc()) if unsure.any() else None
    diagonal = matrix.diagonal()[:, None]
    for k in range(len(direct)):
        hook("carrying the shapes", k, len(direct))
        start = direct[k, active]
        right, solved = confidence[active, None] * start, start.copy()
        if factor is not None:
            solved[unsure] = 0.0
            solved[unsure] = factor.solve(right[unsure] - among @ solved)
        for _ in range(SWEEPS):
            swept = solved + (right - matrix @ solved) / diagonal
            solved[~unsure] = swept[~unsure]
        direct[k, active] = solved
    direct[:, ~active] = 0.0
    hook("carrying the shapes", len(direct), len(direct))
