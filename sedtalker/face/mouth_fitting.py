"""A mouth for heads that have none: the source's own bag, gums, teeth and tongue, fitted behind lips that open.

All of it comes after the user's vertices and polygons, which stay as they are. The parts are placed as one piece by
lips, nose and chin, kept behind the skin, and the bag's front is bent to the rims of the lips and moves with them.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Ints
from sedtalker.face.added_parts import PlacedPart, source_rows
from sedtalker.face.face import Face
from sedtalker.face.mouth_interior import Mouth, known_mouth, skin_depth
from sedtalker.face.registration.pose import Similarity, similarity
from sedtalker.mesh.rasteriser import turn
from sedtalker.mesh.surface import Points, at_vertices

CLEARANCE = 0.001
"""Metres that teeth keep behind the lips."""
PARTS = ("teeth_upper", "teeth_lower", "gums", "tongue")
"""Groups of the source that come behind the lips."""
SOCKET = "mouth_socket"
"""Name of the bag's group and region."""
SET_BACK = 0.0012
"""Metres that teeth, gums and tongue stand farther back than in the source: lips of other heads are thinner."""
AROUND = (*range(31, 36), *range(48, 60), *range(6, 11))
"""Landmarks by which our mouth is placed: nose, outer lips and chin."""
BEND = 0.012
"""Metres behind the lips' rims within which the bag bends and moves with them, on a mouth of human size."""
FLANGE = 0.0025
"""Metres that the bag reaches over and under the rims, behind the lips, so that no view from the side passes it."""
BEHIND_SKIN = 0.0012
"""Metres that every part keeps behind the skin."""
HOLE = 0.025
"""Metres behind the lips beyond which what is seen is no skin in front of the mouth."""
FARTHEST_BACK = 0.015
"""Metres that a mouth is moved back at most to come behind the skin; then it is made smaller."""
SMALLEST = 0.7
"""Smallest scale of the added mouth; smaller, it would look like a child's."""
SIDES = ((0.0, 0.0), (-40.0, 0.0), (40.0, 0.0), (0.0, -25.0))
"""Directions (yaw, pitch in degrees) from which nothing of the mouth may stand through the skin."""
AJAR = 0.0015
"""Metres between the lips at rest from which on a mouth is open there."""
MOST_AJAR = 0.5
"""Share of a full jawOpen: lips farther apart at rest do not belong to a human mouth."""
JAW_LANDMARKS = (*range(6, 11), *range(55, 60))
"""Landmarks of chin and lower lip: the lower teeth go as far as these do."""
LEAST_GAIN, LARGEST_GAIN = 0.3, 1.6
"""Limits of how far the inside moves for each shape, beside the source's."""


def build_mouth(face: Face, source: Face, mouth: Mouth, missing: Collection[str]) -> list[PlacedPart]:
    """The inside of a mouth for a registered face whose lips are apart.

    Args:
        face: upright and in metres; mouth: its lips.
        source: the face whose bag, gums, teeth and tongue are taken.
        missing: what is needed of ``bag``, ``teeth`` (gums come with them) and ``tongue``.
    """
    fitting = Fitting(face, source, mouth)
    parts = [fitting.bag()] if "bag" in missing else []
    pieces = solid_parts(source)
    wanted = [name for name in pieces if ("tongue" if name == "tongue" else "teeth") in missing]
    return [*parts, *(fitting.solid(name, pieces[name]) for name in wanted)]


def solid_parts(source: Face) -> dict[str, Ints]:
    """Triangles (T, 3) of teeth, gums and tongue of a source face, by the names of their groups."""
    mesh = source.mesh
    assert mesh.polygon_groups is not None
    group = mesh.polygon_groups[mesh.triangle_polygons]
    here = [name for name in PARTS if name in mesh.group_names]
    return {name: mesh.triangles[group == mesh.group_names.index(name)] for name in here}


def bag_triangles(source: Face) -> Ints:
    """Triangles of the source's own bag: what its region of that name touches."""
    mask = source.regions[SOCKET]
    return source.mesh.triangles[mask[source.mesh.triangles].any(axis=1)]


class Fitting:
    """The source's mouth in its place behind the lips of a face.

    Attributes:
        rest: (V, 3) the source's vertices with its jaw as far open as the target's is at rest.
        place: from the source's coordinates to the face's.
        bending: what bends the bag's front to the lips.
    """

    def __init__(self, face: Face, source: Face, mouth: Mouth) -> None:
        other = known_mouth(source)
        ajar = rest_opening(mouth, other, source)
        self.source, self.mouth = source, mouth
        jaw = source.basis[source.shape_index["jawOpen"]]
        self.rest = (source.mesh.vertices + ajar * jaw).astype(np.float64)
        rims = other.lips.moved(ajar * other.offsets[source.shape_index["jawOpen"]])
        solid = np.unique(np.concatenate([triangles.ravel() for triangles in solid_parts(source).values()]))
        self.place = behind_skin(placed(face, source, self.rest, mouth, rims), self.rest[solid], mouth)
        # What moves how far: by name, for a face may have fewer correctives than the source.
        rows = source_rows(face, source)
        self.rows = np.maximum(rows, 0)
        self.linear = self.place.scale * self.place.rotation
        self.gain = jaw_gains(face, source, self.rows, self.linear) * (rows >= 0)
        own = [self.as_moved(other.rims(upper)[self.rows]) for upper in (True, False)]
        self.bending = Bending(mouth, other, self.place, rims, own)

    def as_moved(self, offsets: Doubles) -> Doubles:
        """Offsets (B, N, 3) of the source in the face's coordinates, as far as its chin and lower lip go."""
        return np.asarray(offsets @ self.linear.T * self.gain[:, None, None])

    def solid(self, name: str, triangles: Ints) -> PlacedPart:
        """Teeth, gums or the tongue: a piece of the source by its group's name and its triangles (T, 3)."""
        used, local = np.unique(triangles, return_inverse=True)
        offsets = self.as_moved(self.source.basis[self.rows][:, used].astype(np.float64))
        back = 0.0 if name == SOCKET else SET_BACK * self.place.scale
        places = self.place.apply(self.rest[used]) - (0.0, 0.0, back)
        return self.named(name, places, offsets, local.reshape(-1, 3).astype(np.int32))

    def named(self, name: str, vertices: Points, offsets: Doubles, triangles: Ints) -> PlacedPart:
        """A piece with the colour and the regions of its name."""
        return PlacedPart(name, vertices, offsets, triangles, COLOURS[name], REGIONS[name])

    def bag(self) -> PlacedPart:
        """The bag, its front bent to the lips, with a flange behind them."""
        rigid = self.solid(SOCKET, bag_triangles(self.source))
        used = np.unique(bag_triangles(self.source))
        points, offsets = self.bending.bent(rigid.vertices, rigid.offsets, used)
        rim, strip = flange(rigid.triangles, len(used))
        edge, edge_offsets = self.bending.edge(rigid.vertices[rim], used[rim])
        points, offsets = np.concatenate([points, edge]), np.concatenate([offsets, edge_offsets], axis=1)
        points[:, 2] -= allowed_depth(points, self.mouth, np.eye(3))
        return self.named(SOCKET, points, offsets, np.concatenate([rigid.triangles, strip]))


# --- Where it goes.


def rest_opening(mouth: Mouth, other: Mouth, source: Face) -> float:
    """Opening of the source's jaw at which its lips are as far apart as the target's at rest; 0 for closed lips."""
    line = mouth.lips.line
    quarter = len(line.upper) // 4
    gap = float(np.median((line.upper - line.lower)[quarter:-quarter, 1]))
    if gap < AJAR:
        return 0.0
    full = other.lips.gap(other.offsets[source.shape_index["jawOpen"]])
    return float(np.clip(gap / max(float(np.median(full[quarter:-quarter])), 1e-6), 0.0, MOST_AJAR))


def placed(face: Face, source: Face, rest: Points, mouth: Mouth, rims: tuple[Points, Points]) -> Similarity:
    """From the source's coordinates to where its mouth belongs by lips, nose and chin; the rims of the lips meet."""
    assert source.landmarks is not None
    here = face.marks[list(AROUND)]
    there = rest[source.landmarks[list(AROUND)]]
    fit = similarity(there, here, np.ones(len(AROUND)))
    fit = Similarity(fit.scale, np.eye(3), here.mean(0) - fit.scale * there.mean(0))  # upright as the face is
    middle = len(mouth.lips.line.upper) // 2
    centre = slice(middle - 4, middle + 5)
    rim = np.concatenate([mouth.lips.line.upper[centre], mouth.lips.line.lower[centre]])
    own = np.concatenate([side[centre] for side in rims])
    return Similarity(fit.scale, fit.rotation, fit.translation + rim.mean(0) - fit.apply(own).mean(0))


def behind_skin(place: Similarity, solid: Points, mouth: Mouth) -> Similarity:
    """The similarity moved back, and then shrunk, until none of the solid points (N, 3) stands through the skin."""
    for _ in range(4):
        inside = place.apply(solid)
        back = out_of_skin(inside, mouth, SIDES[:1])
        line = mouth.lips.line
        limit = np.interp(inside[:, 0], line.upper[:, 0], np.minimum(line.upper[:, 2], line.lower[:, 2])) - CLEARANCE
        between = (inside[:, 0] > line.upper[0, 0]) & (inside[:, 0] < line.upper[-1, 0])
        back = max(back, float((inside[:, 2] - limit)[between].max(initial=0.0)))
        moved = Similarity(place.scale, place.rotation, place.translation - (0.0, 0.0, min(back, FARTHEST_BACK)))
        aside = out_of_skin(moved.apply(solid), mouth, SIDES[1:])
        width = float(np.ptp(inside[:, 0])) / 2
        shrink = max(1.0 - aside / width, SMALLEST ** (1 / 4)) if aside > 1e-4 else 1.0
        centre = moved.apply(solid).mean(0) * (1, 1, 0) + (0, 0, moved.apply(solid)[:, 2].max())
        place = Similarity(moved.scale * shrink, moved.rotation, centre + shrink * (moved.translation - centre))
        if back < 1e-4 and shrink == 1.0:
            break
    return place


def out_of_skin(points: Points, mouth: Mouth, sides: tuple[tuple[float, float], ...]) -> float:
    """The farthest, metres, that any of points (N, 3) comes in front of the skin as seen from some sides."""
    return max(float(allowed_depth(points, mouth, turn(*side)).max(initial=0.0)) for side in sides)


def allowed_depth(points: Points, mouth: Mouth, rotation: Points) -> Doubles:
    """Distance (N,) of points in front of ``BEHIND_SKIN`` under the skin, along a view; 0 over holes."""
    view, depth = skin_depth(mouth, rotation)
    at = view.project(points)
    size = len(depth)
    column = np.clip(((at[:, 0] + 1.0) * size / 2).astype(int), 0, size - 1)
    row = np.clip(((1.0 - at[:, 1]) * size / 2).astype(int), 0, size - 1)
    skin = depth[row, column].astype(np.float64) * view.half_width
    ahead = at[:, 2].astype(np.float64) * view.half_width - skin + BEHIND_SKIN
    usable = np.isfinite(skin) & (ahead < HOLE) & (np.abs(at[:, :2]) < 1.0).all(axis=1)
    return np.where(usable, np.maximum(ahead, 0.0), 0.0)


def jaw_gains(face: Face, source: Face, rows: NDArray[np.int64], linear: Points) -> Doubles:
    """Factor (B,) of the inside's motion in each shape, relative to the source's: that of chin and lower lip."""
    assert face.landmarks is not None
    assert source.landmarks is not None
    marks = list(JAW_LANDMARKS)
    here = face.basis[:, face.landmarks[marks]].astype(np.float64)
    there = source.basis[np.maximum(rows, 0)][:, source.landmarks[marks]].astype(np.float64) @ linear.T
    size, dot = (there**2).sum(axis=(1, 2)), (here * there).sum(axis=(1, 2))
    far = size > len(marks) * 0.003**2
    gains = np.where(far, np.clip(dot / np.maximum(size, 1e-12), LEAST_GAIN, LARGEST_GAIN), 1.0)
    # What takes the jaw's motion back, as the tongue's tip at the ridge does, takes back as much of it.
    taken = [k for k, c in enumerate(face.correctives, len(face.shapes)) if "jawOpen" in c.sources and not far[k]]
    gains[taken] = gains[face.shape_index["jawOpen"]]
    return gains


# --- The bag's front, bent to the lips.


def flange(triangles: Ints, count: int) -> tuple[Ints, Ints]:
    """Vertices (R,) of an open border, and triangles from it to as many new vertices, ``count`` and on."""
    edges = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    key = {(int(a), int(b)) for a, b in edges}
    border = np.array(sorted((a, b) for a, b in key if (b, a) not in key), np.int32).reshape(-1, 2)
    rim = np.unique(border)
    new = count + np.searchsorted(rim, border)
    a, b = border.T
    strip = np.concatenate([np.stack([b, a, new[:, 0]], axis=1), np.stack([b, new[:, 0], new[:, 1]], axis=1)])
    return rim, strip.astype(np.int32)


class Bending:
    """Offsets from the rims of the source's lips to those of the target, fading with the distance behind them."""

    def __init__(
        self, mouth: Mouth, other: Mouth, place: Similarity, rims: tuple[Points, Points], own: list[Doubles]
    ) -> None:
        line, head = mouth.lips.line, other.head
        self.target = (line.upper, line.lower)
        self.source = (place.apply(rims[0]), place.apply(rims[1]))
        self.size = place.scale
        self.moves = (mouth.rims(True), mouth.rims(False))
        self.change = (self.moves[0] - own[0], self.moves[1] - own[1])
        side = head.from_skin(head.skin.features.lip_side, 0)
        self.side = at_vertices(side, head.vertex_point, 0).astype(np.int64)

    def where(self, points: Points, vertices: Ints) -> tuple[Doubles, Doubles]:
        """Position along the lips (N,) in [0, 1], and the share (N,) of the upper lip.

        ``vertices`` (N,) are theirs in the source, which knows the lip that each belongs to.
        """
        upper, lower = self.source
        middle = 0.5 * (upper + lower)
        along = np.interp(points[:, 0], middle[:, 0], np.linspace(0.0, 1.0, len(middle)))
        height = points[:, 1] - np.interp(points[:, 0], middle[:, 0], middle[:, 1])
        by_height = np.clip(0.5 + 0.5 * height / (0.01 * self.size), 0.0, 1.0)
        return along, np.choose(self.side[vertices] + 1, [np.zeros(len(points)), by_height, np.ones(len(points))])

    def at(self, along: Doubles, share: Doubles, pair: tuple[Doubles, Doubles]) -> Doubles:
        """Values (..., N, 3) of two rims (..., S, 3) at places along them, mixed by the upper lip's share."""
        grid = np.linspace(0.0, 1.0, pair[0].shape[-2])
        place = np.clip(np.searchsorted(grid, along) - 1, 0, len(grid) - 2)
        part = ((along - grid[place]) / (grid[1] - grid[0]))[:, None]
        both = [(1.0 - part) * rim[..., place, :] + part * rim[..., place + 1, :] for rim in pair]
        return np.asarray(share[:, None] * both[0] + (1.0 - share[:, None]) * both[1])

    def bent(self, points: Points, offsets: Doubles, vertices: Ints) -> tuple[Points, Doubles]:
        """Points (N, 3) and offsets (B, N, 3) of the placed bag, bent."""
        along, share = self.where(points, vertices)
        from_rim = points - self.at(along, share, self.source)
        weight = np.exp(-((from_rim**2).sum(1) / (BEND * self.size) ** 2))[:, None]
        shift = self.at(along, share, self.target) - self.at(along, share, self.source)
        return points + weight * shift, offsets + weight * self.at(along, share, self.change)

    def edge(self, points: Points, vertices: Ints) -> tuple[Points, Doubles]:
        """The flange for points (R, 3) of the bag's front: just behind the lips, beyond their rims."""
        along, share = self.where(points, vertices)
        share = np.round(share)
        aside = np.clip(2.0 * along - 1.0, -1.0, 1.0) ** 9
        out = np.stack([aside, np.where(share > 0.5, 1.0, -1.0) * (1.0 - np.abs(aside)), np.zeros(len(points))], axis=1)
        places = self.at(along, share, self.target) + self.size * (FLANGE * out - (0.0, 0.0, CLEARANCE))
        return places, self.at(along, share, self.moves)


# --- What it is called and how it looks.

REGIONS = {
    SOCKET: (SOCKET,), "teeth_upper": ("teeth", "upper_teeth"), "teeth_lower": ("teeth", "lower_teeth"),
    "gums": ("gums",), "tongue": ("tongue",),
}  # fmt: skip
"""Regions of each of the added parts."""
COLOURS = {
    SOCKET: (0.36, 0.14, 0.14), "teeth_upper": (0.90, 0.88, 0.82), "teeth_lower": (0.88, 0.86, 0.80),
    "gums": (0.66, 0.36, 0.35), "tongue": (0.66, 0.36, 0.35),
}  # fmt: skip
"""Their colours (sRGB) on meshes that have colours of their own."""
