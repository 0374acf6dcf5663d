"""Eyeballs for heads whose lids open onto none: the source's, fitted behind the lids.

They come after the user's vertices and polygons, which stay as they are, and turn about their own centres.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.added_parts import PlacedPart, assemble, source_rows, with_parts
from sedtalker.face.behind_lips import head_of
from sedtalker.face.face import Face, RegistrationReport
from sedtalker.face.registration.features import Line
from sedtalker.face.registration.parts import Eyeball, Head, fit_sphere
from sedtalker.mesh.mesh import Ints, Mask
from sedtalker.mesh.surface import Points

EYES = ("auto", "keep")
"""What a user may want between open lids: eyeballs where there are none; the file's own, whatever they are."""
SIDES = ("Right", "Left")
"""The subject's, in the order of ``RegistrationReport.eyeballs``."""
GROUPS = ("eye_right", "eye_left")
"""The source's groups of them."""
POSES: tuple[dict[str, float], ...] = (
    {},
    {"eyeBlink": 1.0},
    {"eyeSquint": 1.0},
    {"eyeLookDown": 1.0},
    {"eyeLookUp": 1.0},
)
"""Poses of the lids in front of which no part of an eyeball may stand, by shapes of either side."""
CLEARANCE = 0.0004
"""Metres that the lids keep over the eyeball."""
FRONT = 0.65
"""Of its radius: what lies farther from an eyeball's axis is no lid but the corner of the eye, which hugs it."""
FARTHEST_BACK = 0.2
"""Of its radius: an eyeball is set back at most so far for the lids to pass over it, and then made smaller."""
SMALLEST = 0.8
"""Of the size that goes with the width of the lids."""
ROUNDS = 12
"""Rounds of setting it back."""
NO_GAZE = "the gaze cannot move"
"""Ends the warning of registration, which is no longer true."""


def with_eyes(
    face: Face, report: RegistrationReport, source: Face, wanted: str = "auto"
) -> tuple[Face, RegistrationReport]:
    """A registered face with eyeballs behind its lids, and the report that says so.

    Only open lids get one, and only where no eyeball was found; the file's vertices, their order and its polygons stay,
    and come first.

    Args:
        face, report: the registered face, upright and in metres, with its final shapes.
        source: the face whose eyeballs are taken.
        wanted: one of ``EYES``.
    """
    missing = [k for k in range(2) if report.eyes_found[k] and not report.eyeballs[k]]
    if wanted != "auto" or not missing or face.landmarks is None or not set(GROUPS) <= set(source.mesh.group_names):
        return face, report
    head, _ = head_of(face)
    missing = [k for k in missing if head.skin.features.lids[k].found]
    if not missing:
        return face, report
    parts = fitted_eyes(face, head, source, missing)
    whole = with_parts(face, assemble(face, parts))
    added = len(whole.mesh.vertices) - len(face.mesh.vertices)
    names = " or ".join(SIDES[k].lower() for k in missing)
    note = f"no {names} eyeball behind the lids: ours were added, {added} vertices after the file's own"
    warnings = [line for line in report.warnings if not line.endswith(NO_GAZE)]
    eyeballs = tuple(has or k in missing for k, has in enumerate(report.eyeballs))
    return whole, replace(
        report,
        eyeballs=(eyeballs[0], eyeballs[1]),
        added_vertices=report.added_vertices + added,
        added_parts=(*report.added_parts, *(f"{SIDES[k].lower()} eyeball" for k in missing)),
        warnings=(*warnings, note),
    )


def fitted_eyes(face: Face, head: Head, source: Face, sides: list[int]) -> list[PlacedPart]:
    """The source's eyeballs of some sides (0: right, 1: left), placed behind a face's lids, both of one size.

    Args:
        face, head: the face, and the same welded.
        source: the face whose eyeballs are taken.
        sides: which.
    """
    other, _ = head_of(source)
    lids, there = head.skin.features.lids, other.skin.features.lids
    size = float(np.mean([_width(lids[k]) / _width(there[k]) for k in sides]))
    lid_poses = _lid_points(face, head)
    parts = []
    for k in sides:
        triangles, used = _group(source, GROUPS[k])
        rest = source.mesh.vertices[used].astype(np.float64)
        ball = Eyeball(*fit_sphere(rest), rest)
        wanted = _middle(lids[k]) + size * (ball.centre - _middle(there[k]))
        centre, scale = behind_lids(ball, wanted, size, lid_poses)
        rows = source_rows(face, source)
        offsets = scale * source.basis[np.maximum(rows, 0)][:, used].astype(np.float64) * (rows >= 0)[:, None, None]
        colours = np.full(3, 0.9) if source.mesh.colours is None else source.mesh.colours[used]
        parts.append(
            PlacedPart(GROUPS[k], centre + scale * (rest - ball.centre), offsets, triangles, colours, ("eyes",))
        )
    return parts


def behind_lids(ball: Eyeball, centre: Points, size: float, lid_poses: list[Points]) -> tuple[Points, float]:
    """Where an eyeball goes, (3,), and its size, so that it lies behind the lids in every pose.

    Args:
        ball: the source's, as it is there.
        centre: (3,) where it would be without lids.
        size: beside the source's.
        lid_poses: the lids' points (M, 3) in each pose.
    """
    back = 0.0
    for scale in np.linspace(1.0, SMALLEST, 5) * size:
        back, limit = 0.0, FARTHEST_BACK * scale * ball.radius
        for _ in range(ROUNDS):
            deepest = max(_depth(ball, centre - (0.0, 0.0, back), scale, points) for points in lid_poses)
            back += deepest
            if deepest < 1e-5 or back > limit:
                break
        if back <= limit:
            break
    return centre - np.array([0.0, 0.0, min(back, limit)]), float(scale)


def _depth(ball: Eyeball, centre: Points, scale: float, lids: Points) -> float:
    """How far back, metres, a ball must go for the deepest of the lids' points (M, 3) to come out in front of it."""
    away = lids - centre
    radius = scale * ball.radius
    near = (np.hypot(away[:, 0], away[:, 1]) < FRONT * radius) & (away[:, 2] > 0.0)
    if not near.any():
        return 0.0
    away = away[near]
    reach = scale * ball.reach(ball.centre + away) + CLEARANCE
    # along the axis, a point at this distance from it must lie so far in front of the centre
    least = np.sqrt(np.maximum(reach**2 - away[:, 0] ** 2 - away[:, 1] ** 2, 0.0))
    return float(np.maximum(least - away[:, 2], 0.0).max())


def _lid_points(face: Face, head: Head) -> list[Points]:
    """Points (M, 3) of the skin that is seen from outside, in each of ``POSES``."""
    own = np.zeros(len(head.points), bool)
    own[head.skin_points[head.skin_seen]] = True
    vertices = np.flatnonzero((head.vertex_point >= 0) & own[np.maximum(head.vertex_point, 0)])
    poses = []
    for pose in POSES:
        weights = np.zeros((1, len(face.shapes)), np.float32)
        for stem, weight in pose.items():
            for side in SIDES:
                if stem + side in face.shape_index:
                    weights[0, face.shape_index[stem + side]] = weight
        offset = np.tensordot(face.expand(weights)[0], face.basis[:, vertices], 1)
        poses.append((face.mesh.vertices[vertices] + offset).astype(np.float64))
    return poses


def _group(source: Face, name: str) -> tuple[Ints, Ints]:
    """Triangles (T, 3) of a group, counted within it, and its vertices (N,)."""
    mesh = source.mesh
    assert mesh.polygon_groups is not None
    mine: Mask = mesh.polygon_groups[mesh.triangle_polygons] == mesh.group_names.index(name)
    used, local = np.unique(mesh.triangles[mine], return_inverse=True)
    return local.reshape(-1, 3).astype(np.int32), used


def _middle(line: Line) -> NDArray[np.float64]:
    """Middle (3,) of an eye's opening."""
    return np.asarray(0.5 * (line.upper + line.lower)).mean(0)


def _width(line: Line) -> float:
    """Width of an eye's opening, metres."""
    return float(np.linalg.norm(line.upper[-1] - line.upper[0]))
