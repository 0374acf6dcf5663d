"""A registered mesh in motion: what breaks in a smile, an open jaw or an emotion, and what a blink leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sedtalker.arrays import Floats, Ints, Mask
from sedtalker.face.expressions import EMOTIONS
from sedtalker.face.face import Face, outer_eyes, pose
from sedtalker.face.quality import OPENINGS, PICTURE, artefact_share, enclosed
from sedtalker.mesh.mesh import Mesh, weld_map
from sedtalker.mesh.rasteriser import View, rasterise
from sedtalker.mesh.surface import Points, triangle_normals

BLINK = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
"""Both eyes shut."""
POSES: dict[str, Mapping[str, float]] = {
    "a blink": BLINK,
    "a smile": {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0},
    "an open jaw": {"jawOpen": 1.0},
    **{f"the emotion {name}": weights for name, weights in EMOTIONS.items()},
}
"""Poses in which a face is looked at, by what advice calls them."""
SEEN = 0.02
"""Share of an eye's picture that must show the eye at rest, for lids to have something to cover."""
FOLD = 60.0
"""Degrees by which a triangle may turn against its neighbour in motion."""
STRETCH = (0.15, 3.5)
"""Least and greatest length of a triangle in any direction beside its length at rest."""
FAR = 0.4
"""How far skin may move, in outer-eye-corner distances, and as far again with an open jaw. Sound heads: .25 and .53."""


def worst_pose(face: Face) -> tuple[str, float | None]:
    """The pose in which most of a face looks broken, and the share of its picture that does so beyond rest.

    The same artefacts as at rest (``artefact_share``), looked for on the moved surface, and triangles that motion folds
    against their neighbours, stretches or presses beyond ``STRETCH``, or carries away. A blink folds and stretches lids
    of few polygons; whether it is clean, ``lids_open`` says.
    """
    skin = face.regions.get("skin")
    if face.landmarks is None or skin is None:
        return "", None
    triangles = face.mesh.triangles
    is_skin: Mask = np.asarray(skin[triangles].all(axis=1))
    neighbours, none = _neighbours(face.mesh, is_skin), np.zeros(len(triangles), bool)
    rest, shares = artefact_share(face, none) or 0.0, {}
    for name, weights in POSES.items():
        moved, far = _moved(face, weights), FAR * (1.0 + weights.get("jawOpen", 0.0))
        strained = none if weights is BLINK else strained_triangles(face, moved.mesh.vertices, neighbours, far)
        shares[name] = (artefact_share(moved, strained) or 0.0) - rest
    worst = max(shares, key=lambda name: shares[name])
    return worst, max(shares[worst], 0.0)


def strained_triangles(face: Face, moved: Floats, neighbours: Ints, far: float = FAR) -> Mask:
    """Triangles (T,) that fold against one of their ``neighbours`` (N, 2), stretch, shrink or go too far.

    Args:
        face: the face at rest, with landmarks.
        moved: (V, 3) where its vertices are in a pose.
        neighbours: pairs of triangles with a common edge.
        far: how far is too far, in outer-eye-corner distances.
    """
    triangles, rest = face.mesh.triangles, face.mesh.vertices.astype(np.float64)
    after = moved.astype(np.float64)
    bend = _bend(after, triangles, neighbours) - _bend(rest, triangles, neighbours)
    least, most = _stretch(rest, after, triangles)
    carried = np.linalg.norm(after - rest, axis=1) > far * outer_eyes(face.marks)
    strained = (least < STRETCH[0]) | (most > STRETCH[1]) | carried[triangles].any(axis=1)
    strained[neighbours[bend > FOLD].reshape(-1)] = True
    return strained


def _neighbours(mesh: Mesh, among: Mask) -> Ints:
    """Pairs (N, 2) of triangles with a common edge, ``among`` (T,) some; seams of the mesh are closed."""
    owners = np.nonzero(among)[0]
    corners = weld_map(mesh)[mesh.triangles[owners]].astype(np.int64)
    edges = np.sort(corners[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    keys = edges[:, 0] * len(mesh.vertices) + edges[:, 1]
    order = np.argsort(keys, kind="stable")
    owner = np.repeat(owners, 3)[order]
    same = np.nonzero(np.diff(keys[order]) == 0)[0]
    return np.stack([owner[same], owner[same + 1]], axis=1)


def _bend(points: Points, triangles: Ints, neighbours: Ints) -> Points:
    """Degrees (N,) between the normals of neighbouring triangles."""
    normals = triangle_normals(points, triangles)
    cosine = (normals[neighbours[:, 0]] * normals[neighbours[:, 1]]).sum(axis=1)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def _stretch(rest: Points, moved: Points, triangles: Ints) -> tuple[Points, Points]:
    """Least and greatest principal stretch (T,) of each triangle: the singular values of its deformation gradient."""
    (along, across, height), (long, slant, high) = (_in_plane(points, triangles) for points in (rest, moved))
    flat = (along < 1e-9) | (height < 1e-9)
    along, height = np.where(flat, 1.0, along), np.where(flat, 1.0, height)
    # The gradient is upper triangular where the first edge lies along the first axis before and after.
    first, second = long / along, high / height
    shear = (slant - first * across) / height
    half, area = 0.5 * (first**2 + shear**2 + second**2), first * second
    root = np.sqrt(np.maximum(half**2 - area**2, 0.0))
    least, most = np.sqrt(np.maximum(half - root, 0.0)), np.sqrt(half + root)
    return np.where(flat, 1.0, least), np.where(flat, 1.0, most)


def _in_plane(points: Points, triangles: Ints) -> tuple[Points, Points, Points]:
    """Each triangle (T,) in its plane: length of its first edge, and the second's extent along and across it."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    length = np.linalg.norm(b - a, axis=1)
    along = ((c - a) * (b - a)).sum(axis=1) / np.maximum(length, 1e-12)
    return length, along, np.sqrt(np.maximum(((c - a) ** 2).sum(axis=1) - along**2, 0.0))


def lids_open(face: Face) -> float | None:
    """How much of the worse eye a blink leaves open; None without landmarks, skin or open eyes.

    The share, of what is seen of the eye from the front at rest, that is still seen, and the share of the lids there
    that shows its back.
    """
    skin = face.regions.get("skin")
    if face.landmarks is None or skin is None:
        return None
    is_skin: Mask = np.asarray(skin[face.mesh.triangles].all(axis=1))
    shut, found = _moved(face, BLINK), []
    for corners, larger in OPENINGS[:2]:
        ring = face.marks[list(corners)]
        view = View(np.eye(3), ring.mean(axis=0), 0.6 * float(np.ptp(ring[:, 0])))
        eye, around = enclosed(ring, 1.0, view), enclosed(ring, larger, view)
        seen = [_skin_and_back(each.mesh, is_skin, view) for each in (face, shut)]
        (bare, _), (covered, back) = seen
        if (eye & ~bare).sum() > SEEN * eye.sum():
            left = float((eye & ~covered).sum() / (eye & ~bare).sum())
            found.append(left + float((around & back).sum()) / max(int((around & covered).sum()), 1))
    return max(found, default=None)


def _moved(face: Face, weights: Mapping[str, float]) -> Face:
    """A face whose rest is a pose."""
    return replace(face, mesh=face.mesh.with_vertices(face.deform(pose(face, weights)[None])[0]))


def _skin_and_back(mesh: Mesh, is_skin: Mask, view: View) -> tuple[Mask, Mask]:
    """Pixels (P, P) that show skin, and those of them that show it from within."""
    ids, _ = rasterise(view.project(mesh.vertices), mesh.triangles, PICTURE)
    skin = (ids >= 0) & is_skin[ids]
    away = triangle_normals(mesh.vertices.astype(np.float64), mesh.triangles)[ids][..., 2] < 0.0
    back = skin & away
    return skin, back if 2 * back.sum() < skin.sum() else skin & ~away  # files may be wound inside-out
