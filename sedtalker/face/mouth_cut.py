"""Cutting sealed lips apart: the line where they meet, the cut along it, and the face registered again.

The line is the valley between the lips, seen from the front. Polygons are split along it; nothing of the user's is
moved or renumbered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, minimum_filter
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order

from sedtalker.arrays import Doubles, Floats, Ints, Mask, Reals
from sedtalker.errors import InputError
from sedtalker.face.face import Face, RegistrationReport, outer_eyes
from sedtalker.face.registration import register_cached
from sedtalker.face.registration.pose import GivenLandmarks
from sedtalker.mesh.mesh import Mesh
from sedtalker.mesh.rasteriser import View, rasterise
from sedtalker.mesh.surface import Points
from sedtalker.progress import Hook, no_progress

# --- The line where sealed lips meet: a path along the deepest valley near the landmarks.

PICTURE = 320
"""Pixels a side of the picture of the mouth in which the lip line is sought."""


@dataclass(frozen=True, eq=False)
class LipLine:
    """The line between sealed lips of an upright face, in metres.

    Attributes:
        x: (N,) increasing, from the right corner to the left; y, z: (N,) height and depth there.
    """

    x: Doubles
    y: Doubles
    z: Doubles

    def height(self, x: Reals) -> Doubles:
        """Height of the line at any x; level beyond the corners."""
        return np.interp(x, self.x, self.y)


SEARCH = 0.055
"""Largest vertical distance of the valley from the landmarks, in outer-eye-corner distances."""
HOME = 0.5
"""Cost of the largest distance from the landmarks' line."""
SMOOTH = 0.02
"""Standard deviation of the smoothing along the line, in outer-eye-corner distances."""


def find_lip_line(vertices: Floats, triangles: Ints, landmarks: Points) -> LipLine:
    """The line where the lips of an upright head meet.

    A path from corner to corner through a picture of the face's depth, along the sharpest valley near the inner lips.

    Args:
        vertices: (V, 3) metres, +Y up, +Z front; triangles: (T, 3).
        landmarks: (68, 3) on it.
    """
    outer = outer_eyes(landmarks)
    right, left = 0.5 * (landmarks[48] + landmarks[60]), 0.5 * (landmarks[54] + landmarks[64])
    inner = np.stack([right, *(0.5 * (landmarks[61:64] + landmarks[[67, 66, 65]])), left])
    half = 0.55 * float(left[0] - right[0])
    view = View(np.eye(3), inner.mean(axis=0), half)
    _, depth = rasterise(view.project(vertices), triangles, PICTURE)
    pixel = 2.0 * half / PICTURE
    deep = gaussian_filter(
        np.where(np.isfinite(depth), depth, np.nanmin(np.where(np.isfinite(depth), depth, np.nan))), 2.0
    )
    valley = np.maximum(gaussian_filter1d(deep * half, 0.008 * outer / pixel, axis=0, order=2), 0.0)
    centres = (np.arange(PICTURE) + 0.5) * pixel - half
    x, rows_y = centres + view.centre[0], view.centre[1] - centres
    columns = np.flatnonzero((x > right[0]) & (x < left[0]))
    expected = np.interp(x[columns], inner[:, 0], inner[:, 1])
    off = np.abs(rows_y[:, None] - expected[None]) / (SEARCH * outer)
    gain = valley[:, columns] / (valley[:, columns][off < 1.0].max(initial=0.0) + 1e-12)
    cost = np.where(off < 1.0, HOME * off**2 - gain, 1e3)
    y = gaussian_filter1d(rows_y[_path(cost)], SMOOTH * outer / pixel, mode="nearest")
    rows = np.clip(np.round((view.centre[1] - y + half) / pixel - 0.5).astype(int), 0, PICTURE - 1)
    z = gaussian_filter1d(deep[rows, columns] * half + view.centre[2], 0.01 * outer / pixel, mode="nearest")
    return LipLine(x[columns], y, z)


STIFF = 0.6
"""Cost of a step of one pixel up or down from column to column, against the deepest valley."""


def _path(cost: Doubles) -> NDArray[np.int64]:
    """Row (C,) of each column of the cheapest path through a cost picture (R, C), a row up or down a column at most."""
    total = cost[:, 0].copy()
    back = np.zeros(cost.shape, np.int64)
    step = STIFF / len(cost) * 20.0
    for column in range(1, cost.shape[1]):
        options = np.stack([np.append(np.inf, total[:-1]) + step, total, np.append(total[1:], np.inf) + step])
        choice = options.argmin(axis=0)
        back[:, column] = np.arange(len(total)) + choice - 1
        total = options[choice, np.arange(len(total))] + cost[:, column]
    path = [int(total.argmin())]
    for column in range(cost.shape[1] - 1, 0, -1):
        path.append(int(back[path[-1], column]))
    return np.array(path[::-1])


# --- The cut along it.

SNAP = 0.12
"""Distance from a vertex, in edge lengths, within which the cut goes through the vertex."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A mesh with a slit.

    Attributes:
        mesh: the first vertices and polygons are those of the uncut mesh, in its order; parts that were split off and
            new vertices come after them.
        upper, lower: (P,) vertices of the two sides from the subject's right corner to the left; the ends are the same.
    """

    mesh: Mesh
    upper: NDArray[np.int64]
    lower: NDArray[np.int64]


class _Growing:
    """A mesh to which vertices are added."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.positions = [mesh.vertices]
        self.colours = [] if mesh.colours is None else [mesh.colours]
        self.uvs = [] if mesh.uvs is None else [mesh.uvs]
        self.count = len(mesh.vertices)
        self.uv_count = 0 if mesh.uvs is None else len(mesh.uvs)

    def between(self, a: int, b: int, share: float) -> int:
        """A new vertex on an edge."""
        for table in (self.positions, self.colours):
            if table:
                table.append(((1.0 - share) * table[0][a] + share * table[0][b])[None].astype(np.float32))
        self.count += 1
        return self.count - 1

    def uv_between(self, a: int, b: int, share: float) -> int:
        """A new texture coordinate, −1 where one of the two is missing."""
        if a < 0 or b < 0 or not self.uvs:
            return -1
        self.uvs.append(((1.0 - share) * self.uvs[0][a] + share * self.uvs[0][b])[None].astype(np.float32))
        self.uv_count += 1
        return self.uv_count - 1


FEWEST = 3
"""Points that a cut must have between its ends."""
WHOLE = 0.8
"""Share of the line that a cut must cover."""


def cut_lips(mesh: Mesh, vertices: Reals, line: LipLine) -> Cut:
    """Cut a sealed mouth open.

    Args:
        mesh: the mesh, in any coordinates.
        vertices: (V, 3) the same upright, in metres, front +Z.
        line: where the lips meet.

    Raises:
        InputError: the line does not run over the skin from end to end.
    """
    side = vertices[:, 1].astype(np.float64) - line.height(vertices[:, 0])
    crossings, on_line = _crossings(mesh, vertices.astype(np.float64), side, line)
    growing = _Growing(mesh)
    made = {edge: growing.between(*edge, share) for edge, share in crossings.items()}
    polygons, segments = _split(growing, side, crossings, made, on_line)
    chain = _chain(segments)
    added = [float((1.0 - share) * vertices[a, 0] + share * vertices[b, 0]) for (a, b), share in crossings.items()]
    x = np.concatenate([vertices[:, 0], np.array(added)])
    if len(chain) < FEWEST + 2 or np.ptp(x[chain]) < WHOLE * (line.x[-1] - line.x[0]):
        raise InputError("the mouth cannot be cut open: no line of skin was found from corner to corner")
    doubled = {old: growing.count + k for k, old in enumerate(chain[1:-1])}
    height = np.concatenate([side, np.zeros(len(made))])
    height[list(on_line)] = 0.0
    for polygon in polygons:
        heights = height[polygon.corners]
        if heights[np.abs(heights).argmax()] < 0.0:  # below the line
            polygon.corners = [doubled.get(corner, corner) for corner in polygon.corners]
    final = _assembled(growing, polygons, list(doubled))
    upper = np.array(chain if x[chain[0]] < x[chain[-1]] else chain[::-1])
    return Cut(final, upper, np.array([doubled.get(int(v), int(v)) for v in upper]))


@dataclass
class _Polygon:
    corners: list[int]
    uvs: list[int]
    group: int


def _crossings(
    mesh: Mesh, vertices: Doubles, side: Doubles, line: LipLine
) -> tuple[dict[tuple[int, int], float], set[int]]:
    """Edges that the line crosses and where, in [0, 1]; and the vertices it passes through."""
    front = _in_front(mesh, vertices, line)
    a, b = np.unique(np.sort(mesh.sides, axis=1), axis=0).T
    mixed = (side[a] > 0) != (side[b] > 0)
    share = np.where(mixed, side[a] / np.where(mixed, side[a] - side[b], 1.0), 0.0)
    x = (1.0 - share) * vertices[a, 0] + share * vertices[b, 0]
    mixed &= front[a] & front[b] & (x >= line.x[0]) & (x <= line.x[-1])
    on_line = set(a[mixed & (share < SNAP)].tolist()) | set(b[mixed & (share > 1.0 - SNAP)].tolist())
    crossed = {
        (int(i), int(j)): float(t)
        for i, j, t in zip(a[mixed], b[mixed], share[mixed], strict=True)
        if int(i) not in on_line and int(j) not in on_line
    }
    return crossed, on_line


DEPTH = 0.006
"""Metres behind what is seen within which a vertex is skin, not the inside of a head."""
STEEP = 7
"""Pixels (of a third of a millimetre) round a vertex of which the deepest counts: walls of a valley are steep."""


def _in_front(mesh: Mesh, vertices: Doubles, line: LipLine) -> Mask:
    """Vertices (V,) near the line that lie on what is seen from the front."""
    half = 0.75 * float(line.x[-1] - line.x[0])
    centre = np.array([line.x.mean(), line.y.mean(), line.z.mean()])
    size = 256
    _, depth = rasterise(View(np.eye(3), centre, half).project(vertices), mesh.triangles, size)
    deepest = minimum_filter(np.where(np.isfinite(depth), depth, np.inf), STEEP)
    at = (vertices - centre) / half
    near = (np.abs(at[:, :2]) < 0.98).all(axis=1)
    column = np.clip(((at[:, 0] + 1.0) * size / 2).astype(int), 0, size - 1)
    row = np.clip(((1.0 - at[:, 1]) * size / 2).astype(int), 0, size - 1)
    return np.asarray(near & (vertices[:, 2] > deepest[row, column] * half + centre[2] - DEPTH))


def _split(
    growing: _Growing,
    side: Doubles,
    crossings: dict[tuple[int, int], float],
    made: dict[tuple[int, int], int],
    on_line: set[int],
) -> tuple[list[_Polygon], list[tuple[int, int]]]:
    """The polygons with what the line splits off at the end, and the pieces of the line between two of its points."""
    mesh = growing.mesh
    whole, rest, segments = [], [], []
    ends = np.cumsum(mesh.polygon_sizes)
    touched = np.zeros(len(mesh.vertices), bool)
    touched[[v for edge in crossings for v in edge] + list(on_line)] = True
    has_touched = np.add.reduceat(touched[mesh.polygon_vertices].astype(int), ends - mesh.polygon_sizes) > 0
    for index, (end, size) in enumerate(zip(ends.tolist(), mesh.polygon_sizes.tolist(), strict=True)):
        corners = mesh.polygon_vertices[end - size : end].tolist()
        uvs = mesh.polygon_uvs[end - size : end].tolist() if mesh.polygon_uvs is not None else [-1] * size
        group = int(mesh.polygon_groups[index]) if mesh.polygon_groups is not None else 0
        polygon = _Polygon(corners, uvs, group)
        if has_touched[index]:
            _insert(growing, polygon, crossings, made)
            parts, found = _parted(polygon, set(made.values()) | on_line, side)
            segments += found
            polygon, extra = parts[0], parts[1:]
            rest += extra
        whole.append(polygon)
    return whole + rest, segments


def _insert(
    growing: _Growing, polygon: _Polygon, crossings: dict[tuple[int, int], float], made: dict[tuple[int, int], int]
) -> None:
    """Put the line's points into the polygon's edges."""
    corners, uvs = [], []
    for k, (a, t) in enumerate(zip(polygon.corners, polygon.uvs, strict=True)):
        b, u = polygon.corners[(k + 1) % len(polygon.corners)], polygon.uvs[(k + 1) % len(polygon.uvs)]
        corners.append(a)
        uvs.append(t)
        edge = (min(a, b), max(a, b))
        if edge in made:
            share = crossings[edge]
            corners.append(made[edge])
            uvs.append(growing.uv_between(t, u, share if a == edge[0] else 1.0 - share))
    polygon.corners, polygon.uvs = corners, uvs


def _parted(polygon: _Polygon, on_line: set[int], side: Doubles) -> tuple[list[_Polygon], list[tuple[int, int]]]:
    """The polygon in two where the line crosses it, and the pieces of the line in it or along its edges."""
    corners = polygon.corners
    places = [k for k, corner in enumerate(corners) if corner in on_line]
    count = len(corners)
    along = [
        (corners[k], corners[(k + 1) % count]) for k in places if corners[(k + 1) % count] in on_line and count > 2
    ]
    for i, j in ((i, j) for n, i in enumerate(places) for j in places[n + 1 :]):
        if j - i < 2 or count - (j - i) < 2:
            continue
        first, second = list(range(i, j + 1)), [*range(j, count), *range(0, i + 1)]
        signs = [{bool(side[corners[k]] > 0) for k in part if corners[k] not in on_line} for part in (first, second)]
        if all(len(sign) == 1 for sign in signs) and signs[0] != signs[1]:
            halves = [
                _Polygon([corners[k] for k in part], [polygon.uvs[k] for k in part], polygon.group)
                for part in (first, second)
            ]
            return halves, [(corners[i], corners[j]), *along]
    return [polygon], along


def _chain(segments: list[tuple[int, int]]) -> list[int]:
    """The longest way along the pieces of the line, without turning back."""
    left = {point for segment in segments for point in segment}
    points = np.array(sorted(left), np.int64)
    a, b = np.searchsorted(points, np.array(segments, np.int64).reshape(-1, 2)).T
    joined = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(points), len(points)))
    beside, best = (joined + joined.T).tocsr(), list[int]()
    while left:  # each part from the end that is furthest from anywhere to the end that is furthest from that
        group = breadth_first_order(beside, np.searchsorted(points, next(iter(left))))[0]
        left -= set(points[group].tolist())
        far, came = breadth_first_order(beside, group[-1])
        way = [far[-1]]
        while way[-1] != far[0]:
            way.append(came[way[-1]])
        best = max(best, points[way[::-1]].tolist(), key=len)
    return best


def _assembled(growing: _Growing, polygons: list[_Polygon], doubled: list[int]) -> Mesh:
    """The mesh of the polygons, the doubled vertices at its end."""
    mesh = growing.mesh
    vertices = np.concatenate(growing.positions)
    colours = np.concatenate(growing.colours) if growing.colours else None
    corners = np.array([corner for polygon in polygons for corner in polygon.corners], np.int32)
    uvs = np.array([uv for polygon in polygons for uv in polygon.uvs], np.int32)
    return replace(
        mesh,
        vertices=np.concatenate([vertices, vertices[doubled]]),
        colours=None if colours is None else np.concatenate([colours, colours[doubled]]),
        polygon_sizes=np.array([len(polygon.corners) for polygon in polygons], np.int32),
        polygon_vertices=corners,
        uvs=np.concatenate(growing.uvs) if growing.uvs else None,
        polygon_uvs=None if mesh.polygon_uvs is None else uvs,
        polygon_groups=None
        if mesh.polygon_groups is None
        else np.array([polygon.group for polygon in polygons], np.int32),
        polygon_smoothing=None,  # it counts the corners of the polygons before the cut
    )


# --- A sealed mouth made to open.

PARTED = 3e-5
"""Metres between the lips of a cut: vertices at one place would be welded."""
OPEN_ALREADY = "--open-mouth is for sealed lips: these are apart already, nothing was cut"
"""The warning where a mouth needs no cut."""


def open_mouth(
    mesh: Mesh, sealed: Face, report: RegistrationReport, source: Face, hook: Hook = no_progress
) -> tuple[Face, RegistrationReport]:
    """A registered face whose lips are one surface, with a mouth that opens.

    The skin is cut where the lips meet and registered again. The file's vertices keep their places and numbers; what is
    new comes after them. What comes behind the lips is for ``with_mouth``.

    Args:
        mesh: the mesh in the file's coordinates; sealed, report: the face it became.
        source: the face that shapes are taken from.

    Raises:
        InputError: the mouth cannot be cut open.
    """
    if report.mouth_opens:
        return sealed, replace(report, warnings=(*report.warnings, OPEN_ALREADY))
    rotation, translation = np.asarray(report.rotation), np.asarray(report.translation)
    marks = sealed.marks
    line = find_lip_line(sealed.mesh.vertices, sealed.mesh.triangles, marks)
    cut = parted(cut_lips(mesh, sealed.mesh.vertices, line), -rotation[1] * PARTED / report.scale)
    given = GivenLandmarks((marks - translation) @ rotation / report.scale, np.ones(68), report.score)
    face, opened = register_cached(cut.mesh, source, sealed.name, given=given, hook=hook)
    if not opened.mouth_opens:
        raise InputError(f"{sealed.name}: the mouth was cut, but its lips were not found apart: cut it in a 3D program")
    added = len(face.mesh.vertices) - len(mesh.vertices)
    note = f"the mouth was cut open: {added} vertices were added after the file's own {len(mesh.vertices)}"
    return face, replace(opened, added_vertices=added, warnings=(note, *opened.warnings))


def parted(cut: Cut, step: Doubles) -> Cut:
    """The cut with the new vertices of its lower side a step away: vertices at one place count as one."""
    vertices = cut.mesh.vertices.copy()
    vertices[cut.lower[1:-1]] += step.astype(np.float32)
    return replace(cut, mesh=cut.mesh.with_vertices(vertices))
