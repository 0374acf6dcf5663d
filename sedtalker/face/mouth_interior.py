"""The mouth interior of a registered face: a bag, teeth, a tongue, or the back of the head.

The mouth is opened and rendered from the front: each pixel between the lips shows either a part of a mouth or something
that does not belong to one (the inside of the skull, or what is behind the head).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from sedtalker.arrays import Doubles, Floats, Ints, Mask
from sedtalker.face.face import Face, pose
from sedtalker.face.registration.alignment import Borders, bind
from sedtalker.face.registration.parts import Head, prepare
from sedtalker.mesh.rasteriser import View, rasterise
from sedtalker.mesh.surface import (
    Points,
    at_vertices,
    closest_spots,
    component_bounds,
    label_components,
    triangle_normals,
    weld,
)

BAG, TEETH, TONGUE, OTHER, SHELL, NOTHING = "bag", "teeth", "tongue", "other pieces", "the back of the head", "nothing"
"""Classes of pixels between open lips."""
OF_A_MOUTH = (BAG, TEETH, TONGUE, OTHER)
"""Those of them that belong to a mouth."""
POCKET = 0.012
"""Metres behind the lips: a wall that is nearer leaves no room for teeth."""
ENOUGH = 0.95
"""Share of mouth between open lips from which on it counts as one."""


@dataclass(frozen=True, eq=False)
class Opening:
    """The mouth of a face, opened.

    Attributes:
        shares: how much of what is seen between the open lips is what; they sum to 1, or to 0 if nothing is seen.
        depth: median distance of what is seen behind the lips, metres; 0 if nothing is.
    """

    shares: dict[str, float]
    depth: float

    @property
    def mouth(self) -> float:
        """Share of what is seen that belongs to a mouth."""
        return sum(self.shares[name] for name in OF_A_MOUTH)

    @property
    def contents(self) -> tuple[str, ...]:
        """Classes visible in more than a hundredth of the opening, the largest first."""
        seen = [name for name, share in self.shares.items() if share > 0.01]
        return tuple(sorted(seen, key=lambda name: -self.shares[name]))

    @property
    def has_bag(self) -> bool:
        """Whether the mouth is closed towards the back, so that only a mouth is visible."""
        return self.mouth >= ENOUGH

    @property
    def is_pocket(self) -> bool:
        """Whether a wall close behind the lips leaves no room for teeth."""
        return self.has_bag and self.depth < POCKET


@dataclass(frozen=True, eq=False)
class Mouth:
    """The lips of a registered face.

    Attributes:
        head: the face as a welded head.
        lips: the borders of both lips on its skin.
        offsets: (B, S, 3) what every shape and corrective adds to S points of the skin.
    """

    head: Head
    lips: Borders
    offsets: Floats

    def behind(self, points: Points) -> Doubles:
        """Distance of points (N, 3) behind the line where the lips meet, metres."""
        line = self.lips.line
        middle = 0.5 * (line.upper + line.lower)
        return np.asarray(np.interp(points[:, 0], middle[:, 0], middle[:, 2]) - points[:, 2])

    def rims(self, upper: bool) -> Doubles:
        """Offsets (B, samples, 3) of the upper or the lower border under every shape."""
        border = self.lips.upper if upper else self.lips.lower
        return np.stack([border @ offset for offset in self.offsets])


def mouth_of(face: Face) -> Mouth:
    """The lips of a face in metres, upright, with landmarks."""
    surface = weld(face.mesh)
    marks = face.marks
    _, triangles, _ = closest_spots(surface.points, surface.triangles, marks)
    head = prepare(surface, surface.points, marks, triangles, np.ones(68))
    offsets = face.basis[:, head.vertex[head.skin_points]]
    return Mouth(head, bind(head.skin, head.skin.features.lips, lip=True), offsets)


@lru_cache(maxsize=1)
def known_mouth(source: Face) -> Mouth:
    """The lips of a face that mouths and eyes of others are taken from, found once."""
    return mouth_of(source)


OPEN = {"jawOpen": 0.6}
"""The pose in which the mouth interior is rendered."""
PICTURE = 192
"""Pixels a side of the picture of the open mouth."""
LIP = 0.0008
"""Margin to the lip contour, m."""


def look_into_mouth(face: Face, mouth: Mouth | None = None, weights: dict[str, float] | None = None) -> Opening:
    """Open the mouth of a face whose lips are apart and see what is there.

    Args:
        face: upright, in metres, with landmarks.
        mouth: its lips, where they are known.
        weights: the pose that opens it, by names of shapes; ``OPEN`` by default.
    """
    mouth = mouth or mouth_of(face)
    head = mouth.head
    whole = face.expand(pose(face, weights or OPEN)[None])[0]
    moved = (face.mesh.vertices + np.tensordot(whole, face.basis, 1)).astype(np.float64)[head.vertex]
    offset = np.tensordot(whole, mouth.offsets, 1).astype(np.float64)
    upper, lower = mouth.lips.moved(offset)

    # The picture between the lips.
    half = 0.55 * float(np.ptp(upper[:, 0]).max() + np.ptp(np.concatenate([upper, lower])[:, 1]))
    view = View(np.eye(3), 0.5 * (upper.mean(0) + lower.mean(0)), half)
    triangles = outward_triangles(head)
    ids, depth = rasterise(view.project(moved), triangles, PICTURE)
    centres = (np.arange(PICTURE) + 0.5) * (2.0 * half / PICTURE) - half
    x, y = centres + view.centre[0], view.centre[1] - centres
    top, bottom = (np.interp(x, rim[:, 0], rim[:, 1]) for rim in (upper, lower))
    inside = (x > upper[0, 0] + LIP) & (x < upper[-1, 0] - LIP)
    between = inside[None] & (y[:, None] < top - LIP) & (y[:, None] > bottom + LIP)

    # What each of its pixels shows.
    names = [*OF_A_MOUTH, SHELL, NOTHING, "lip"]
    kinds = kinds_of(face, mouth, triangles, triangle_normals(moved, triangles)[:, 2])
    shown = np.where(ids[between] >= 0, kinds[ids[between]], names.index(NOTHING))
    counted = np.bincount(shown, minlength=len(names))[: len(names) - 1]
    rim_depth = np.interp(x, upper[:, 0], 0.5 * (upper + lower)[:, 2])
    behind = (rim_depth[None] - (depth * half + view.centre[2]))[between & (ids >= 0)]
    total = max(int(counted.sum()), 1)
    shares = {name: float(counted[k]) / total for k, name in enumerate(names[:-1])}
    return Opening(shares, float(np.median(behind)) if len(behind) else 0.0)


def outward_triangles(head: Head) -> Ints:
    """Triangles (T, 3) of a head whose skin winds counter-clockwise seen from outside."""
    triangles = head.triangles.copy()
    triangles[head.is_skin[triangles[:, 0]]] = head.skin_points[head.skin.triangles]
    return triangles


LIPS_END = 0.01
"""Metres behind the line where the lips meet: what is seen deeper at rest, in a mouth that is open, is no lip."""
LARGEST_PIECE = 1.4
"""Outer-eye-corner distances: a piece of the file's own that is larger is no part of a mouth, such as a second wall."""


def kinds_of(face: Face, mouth: Mouth, triangles: Ints, towards: Doubles) -> Ints:
    """Class of each triangle (T,), as a position in ``OF_A_MOUTH``, then shell, nothing, lip.

    ``towards`` (T,) is how far its normal points to the viewer: skin that faces away is seen from within the head.
    """
    head = mouth.head
    large = extents(head)[head.component[triangles[:, 0]]] > LARGEST_PIECE * head.outer
    kinds = np.where(large, len(OF_A_MOUTH), OF_A_MOUTH.index(OTHER)).astype(np.int32)
    skin = head.is_skin[triangles[:, 0]]
    kinds[skin] = np.where(towards[skin] > 0.0, OF_A_MOUTH.index(BAG), len(OF_A_MOUTH))
    near, seen = skin.copy(), skin.copy()
    near[skin] = mouth.behind(head.skin.points)[head.skin.triangles].mean(axis=1) < LIPS_END
    seen[skin] = near[skin] & head.skin.seen
    kinds[seen | (near & (towards <= 0.0))] = len(OF_A_MOUTH) + 2  # a lip; folded, where its back is seen
    for region, kind in (("mouth_socket", BAG), ("teeth", TEETH), ("tongue", TONGUE)):
        mask = face.regions.get(region)
        if mask is not None:
            own = mask[head.vertex][triangles].all(axis=1) & ~seen
            kinds[own] = OF_A_MOUTH.index(kind)
    return kinds


def extents(head: Head) -> Doubles:
    """The longest side (C,) of the box round each connected piece of a head."""
    return np.array([np.ptp(box, axis=0).max() for box in component_bounds(head.points, head.component).values()])


def bag_of(mouth: Mouth) -> Mask:
    """Skin points (S,) of a mouth's own inside.

    They hang together with the lips through points that are not to be seen at rest; of a mouth that is open at rest,
    what is seen deep between the lips belongs to it as well.
    """
    line, skin, outer = mouth.lips.line, mouth.head.skin, mouth.head.outer
    points, behind = skin.points, mouth.behind(skin.points)
    top, bottom = (np.interp(points[:, 0], rim[:, 0], rim[:, 1]) for rim in (line.upper, line.lower))
    inside = (points[:, 0] > line.upper[0, 0]) & (points[:, 0] < line.upper[-1, 0])
    inside &= (points[:, 1] < top) & (points[:, 1] > bottom) & (behind > LIPS_END)
    aside = np.abs(points[:, 0] - line.upper[:, 0].mean()) < 0.5 * outer
    level = (points[:, 1] < top + 0.4 * outer) & (points[:, 1] > bottom - 0.4 * outer)
    hidden = (~skin.outside & aside & level & (behind > 0.02 * outer) & (behind < 1.2 * outer)) | inside
    patch = label_components(len(points), skin.triangles[hidden[skin.triangles].all(axis=1)])
    near = cKDTree(np.concatenate([line.upper, line.lower])).query(points)[0] < 0.15 * outer
    return np.asarray(hidden & np.isin(patch, np.unique(patch[hidden & near])))


def with_dark_bag(face: Face, mouth: Mouth) -> Face:
    """The face with its own mouth's inside as the region ``mouth_socket``, which renders dark."""
    head = mouth.head
    mask = at_vertices(head.from_skin(bag_of(mouth), False), head.vertex_point, False)
    known = face.regions.get("mouth_socket")
    if known is not None:  # what was carried over counts where it is not seen
        mask |= known & ~at_vertices(head.from_skin(head.skin.outside, False), head.vertex_point, True)
    return replace(face, regions={**face.regions, "mouth_socket": mask})


def skin_depth(mouth: Mouth, rotation: Points) -> tuple[View, Floats]:
    """The skin round the mouth from one side at rest: view, and depth (P, P) of what is seen (−inf: nothing)."""
    line, head = mouth.lips.line, mouth.head
    view = View(rotation, 0.5 * (line.upper + line.lower).mean(0), 0.75 * head.outer)
    _, depth = rasterise(view.project(head.skin.points), head.skin.triangles, 256)
    return view, depth
