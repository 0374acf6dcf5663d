"""A sealed mouth made to open: cut, registered again, and given an inside: a socket, teeth, gums and a tongue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.face.face import Face, RegistrationReport
from sedtalker.face.mouth_cut import Cut, cut_lips, find_lip_line
from sedtalker.face.registration import register_cached
from sedtalker.face.registration.carry import affine_offsets
from sedtalker.face.registration.pose import GivenLandmarks, Similarity, similarity
from sedtalker.mesh.mesh import Floats, Ints, Mesh
from sedtalker.mesh.surface import Points
from sedtalker.progress import Hook, no_progress

PARTED = 3e-5
"""Metres between the lips of a cut: vertices at one place would be welded."""
OPEN_ALREADY = "the lips are apart already: --open-mouth added nothing"
"""The warning where a mouth needs no cut."""


def open_mouth(
    mesh: Mesh, sealed: Face, report: RegistrationReport, source: Face, hook: Hook = no_progress
) -> tuple[Face, RegistrationReport]:
    """A registered face whose lips are one surface, with a mouth that opens.

    The skin is cut where the lips meet and registered again; a mouth socket, and the source's teeth, gums and tongue,
    come behind it. The file's vertices keep their places and numbers; what is new comes after them.

    Args:
        mesh: the mesh in the file's coordinates; sealed, report: the face it became.
        source: the face that shapes, teeth and tongue are taken from.
        hook: receives the progress.

    Raises:
        InputError: the mouth cannot be cut open.
    """
    if report.mouth_opens:
        return sealed, replace(report, warnings=(*report.warnings, OPEN_ALREADY))
    assert sealed.landmarks is not None
    rotation, translation = np.asarray(report.rotation), np.asarray(report.translation)
    marks = sealed.mesh.vertices[sealed.landmarks].astype(np.float64)
    line = find_lip_line(sealed.mesh.vertices, sealed.mesh.triangles, marks)
    cut = parted(cut_lips(mesh, sealed.mesh.vertices, line), -rotation[1] * PARTED / report.scale)
    given = GivenLandmarks((marks - translation) @ rotation / report.scale, np.ones(68), report.score)
    face, opened = register_cached(cut.mesh, source, sealed.name, given=given, hook=hook)
    if not opened.mouth_opens:
        raise InputError(f"{sealed.name}: the mouth was cut, but its lips were not found apart: cut it in a 3D program")
    inside = build_inside(face, source, cut.upper, cut.lower, winds_outwards(face.mesh, cut.upper))
    whole = with_inside(face, inside)
    added = len(whole.mesh.vertices) - len(mesh.vertices)
    note = f"the mouth was cut open: {added} vertices were added after the file's own {len(mesh.vertices)}"
    return whole, replace(opened, added_vertices=added, warnings=(note, *opened.warnings))


def parted(cut: Cut, step: NDArray[np.float64]) -> Cut:
    """The cut with the new vertices of its lower side a step away: vertices at one place count as one."""
    vertices = cut.mesh.vertices.copy()
    vertices[cut.lower[1:-1]] += step.astype(np.float32)
    return replace(cut, mesh=cut.mesh.with_vertices(vertices))


def winds_outwards(mesh: Mesh, upper: NDArray[np.int64]) -> bool:
    """Whether the polygons over the mouth wind counter-clockwise: along the upper lip's rim from right to left."""
    edges = mesh.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    there = set(map(tuple, edges[np.isin(edges, upper).all(axis=1)].tolist()))
    forward = sum((a, b) in there for a, b in pairwise(upper.tolist()))
    backward = sum((b, a) in there for a, b in pairwise(upper.tolist()))
    return forward >= backward


def with_inside(face: Face, inside: Inside) -> Face:
    """The face with the inside of its mouth as groups of their own."""
    mesh, count = face.mesh, len(inside.vertices)
    names = mesh.group_names if mesh.polygon_groups is not None else ("head",)
    groups = np.zeros(len(mesh.polygon_sizes), np.int32) if mesh.polygon_groups is None else mesh.polygon_groups
    new_names = tuple(name if name not in names else f"{name}_new" for name in inside.names)
    no_uvs = np.full(len(inside.corners), -1, np.int32)
    whole = replace(
        mesh,
        vertices=np.concatenate([mesh.vertices, inside.vertices.astype(np.float32)]),
        polygon_sizes=np.concatenate([mesh.polygon_sizes, inside.sizes]),
        polygon_vertices=np.concatenate([mesh.polygon_vertices, inside.corners]),
        polygon_uvs=None if mesh.polygon_uvs is None else np.concatenate([mesh.polygon_uvs, no_uvs]),
        colours=None if mesh.colours is None else np.concatenate([mesh.colours, inside.colours]),
        group_names=(*names, *new_names),
        polygon_groups=np.concatenate([groups, len(names) + inside.groups]).astype(np.int32),
        materials=(*mesh.materials, *[None] * len(new_names)) if mesh.materials else (),
    )
    none = np.zeros(count, bool)
    regions = {
        name: np.concatenate(
            [face.regions.get(name, np.zeros(len(mesh.vertices), bool)), inside.regions.get(name, none)]
        )
        for name in dict.fromkeys((*face.regions, *inside.regions))
    }
    basis = np.concatenate([face.basis, inside.offsets.astype(np.float32)], axis=1)
    return replace(face, mesh=whole, basis=basis, regions=regions)


# --- The inside: a socket that continues the lips inwards, and the source's own teeth, gums and tongue.

# Depth behind the lips, height over the line and how far the lip's own motion reaches: the back of the lip, the
# vestibule before the gums, the palate, the throat. Metres on a mouth of WIDTH.
RINGS = (
    (0.0015, 0.0004, 1.0), (0.006, 0.003, 0.9), (0.012, 0.007, 0.6), (0.024, 0.012, 0.2), (0.045, 0.014, 0.0),
    (0.06, 0.009, 0.0),
)  # fmt: skip
WIDTH = 0.046
"""Metres from corner to corner of the mouth that ``RINGS`` are given for."""
CLEARANCE = 0.001
"""Metres that teeth keep behind the lips."""
PARTS = ("teeth_upper", "teeth_lower", "gums", "tongue")
"""Groups of the source that come behind the lips."""
SOCKET = "mouth_socket"
"""Name of the new group and region behind the lips."""
SOCKET_COLOUR = (0.45, 0.16, 0.16)
"""Its colour (sRGB)."""
AROUND = (*range(31, 36), *range(48, 60), *range(6, 11))
"""Landmarks by which our mouth is placed: nose, outer lips and chin."""


@dataclass(frozen=True, eq=False)
class Inside:
    """New vertices behind the lips, to be put after those of a mesh.

    Attributes:
        vertices: (N, 3) metres; offsets: (K, N, 3); colours: (N, 3).
        sizes, corners: polygons; corners below ``lips`` are vertices of the mesh, others count on from there.
        groups: (F,) into ``names``; regions: masks (N,).
    """

    vertices: Points
    offsets: NDArray[np.float64]
    colours: Floats
    sizes: Ints
    corners: Ints
    names: tuple[str, ...]
    groups: Ints
    regions: dict[str, NDArray[np.bool_]]


def build_inside(
    face: Face, source: Face, upper: NDArray[np.int64], lower: NDArray[np.int64], outwards: bool
) -> Inside:
    """The inside of a mouth whose lips end at vertices ``upper`` and ``lower`` (P,) of a face.

    Args:
        face: the cut and registered face; source: the face whose teeth and tongue are taken.
        upper, lower: from the subject's right corner to the left; the ends are the same vertex.
        outwards: the mesh winds counter-clockwise seen from outside.
    """
    mouth = placed_mouth(face, source, upper)
    teeth = source.regions["lower_teeth"]
    jaw = (
        mouth.apply(source.mesh.vertices[teeth].astype(np.float64)),
        (source.basis[:, teeth] @ _linear(mouth).T).astype(np.float32),
    )
    socket = _socket(face, upper, lower, jaw, outwards)
    mesh, names = source.mesh, [name for name in PARTS if name in source.mesh.group_names]
    assert mesh.polygon_groups is not None
    kept = np.isin(mesh.polygon_groups, [mesh.group_names.index(name) for name in names])
    corners = mesh.polygon_vertices[np.repeat(kept, mesh.polygon_sizes)]
    used, local = np.unique(corners, return_inverse=True)
    start = len(face.mesh.vertices) + len(socket.vertices)
    group_of = {mesh.group_names.index(name): k + 1 for k, name in enumerate(names)}
    colours = np.full((len(used), 3), 0.8) if mesh.colours is None else mesh.colours[used]
    regions = {
        name: np.concatenate([np.zeros(len(socket.vertices), bool), mask[used]])
        for name, mask in source.regions.items()
    }
    regions[SOCKET] = regions.get(SOCKET, np.zeros(len(socket.vertices) + len(used), bool))
    regions[SOCKET][: len(socket.vertices)] = True
    return Inside(
        vertices=np.concatenate([socket.vertices, mouth.apply(mesh.vertices[used].astype(np.float64))]),
        offsets=np.concatenate([socket.offsets, source.basis[:, used] @ _linear(mouth).T], axis=1),
        colours=np.concatenate([socket.colours, colours]).astype(np.float32),
        sizes=np.concatenate([socket.sizes, mesh.polygon_sizes[kept]]).astype(np.int32),
        corners=np.concatenate([socket.corners, start + local.reshape(-1)]).astype(np.int32),
        names=(SOCKET, *names),
        groups=np.concatenate([socket.groups, [group_of[int(g)] for g in mesh.polygon_groups[kept]]]).astype(np.int32),
        regions=regions,
    )


def _linear(fit: Similarity) -> NDArray[np.float64]:
    return fit.scale * fit.rotation


def placed_mouth(face: Face, source: Face, upper: NDArray[np.int64]) -> Similarity:
    """From the source's coordinates to where its mouth belongs by lips, nose and chin; teeth behind the lips."""
    assert face.landmarks is not None
    assert source.landmarks is not None
    here = face.mesh.vertices[face.landmarks[list(AROUND)]].astype(np.float64)
    there = source.mesh.vertices[source.landmarks[list(AROUND)]].astype(np.float64)
    fit = similarity(there, here, np.ones(len(AROUND)))
    line = face.mesh.vertices[upper].astype(np.float64)
    contact = source.mesh.vertices[source.landmarks[[62, 66]]].astype(np.float64).mean(axis=0)
    shift = line[len(line) // 2] - fit.apply(contact[None])[0]
    shift[2] = min(shift[2], 0.0)
    moved = Similarity(fit.scale, fit.rotation, fit.translation + shift)
    front = moved.apply(source.mesh.vertices[source.regions["teeth"]].astype(np.float64))
    limit = np.interp(front[:, 0], line[:, 0], line[:, 2]) - CLEARANCE
    between = (front[:, 0] > line[0, 0]) & (front[:, 0] < line[-1, 0])
    back = np.array([0.0, 0.0, min(0.0, float((limit - front[:, 2])[between].min(initial=0.0)))])
    return Similarity(moved.scale, moved.rotation, moved.translation + back)


def _socket(
    face: Face,
    upper: NDArray[np.int64],
    lower: NDArray[np.int64],
    jaw: tuple[Points, Floats],
    outwards: bool,
) -> Inside:
    """A bag of rings that share the lips' rim: its top follows the upper lip and the skull, its floor the jaw."""
    loop = np.concatenate([upper, lower[-2:0:-1]])  # right corner, over the upper lip, left corner, over the lower
    above = np.concatenate([_arch(len(upper)), -_arch(len(upper))[-2:0:-1]])
    rest = face.mesh.vertices[loop].astype(np.float64)
    lips = face.basis[:, loop].astype(np.float64)
    size = float(rest[len(upper) - 1, 0] - rest[0, 0]) / WIDTH
    level = np.interp(rest[:, 0], rest[: len(upper), 0], gentle(rest[: len(upper), 1]))
    share = np.clip(0.5 - 0.5 * above, 0.0, 1.0)[:, None]  # of the jaw
    vertices: list[Points] = []
    offsets: list[NDArray[np.float64]] = []
    for depth, height, reach in RINGS:
        flat = reach * rest[:, 1] + (1.0 - reach) * level
        narrow = 1.0 - 0.3 * max(0.0, depth - 0.012) / 0.05
        x = rest[:, 0].mean() + narrow * (rest[:, 0] - rest[:, 0].mean())
        ring = np.stack([x, flat + size * height * above, rest[:, 2] - size * depth], axis=1)
        vertices.append(ring)
        offsets.append(reach * lips + (1.0 - reach) * share * affine_offsets(*jaw, ring))
    vertices.append(vertices[-1].mean(axis=0, keepdims=True) - np.array([0.0, 0.0, size * 0.004]))
    offsets.append(offsets[-1].mean(axis=1, keepdims=True))
    start, n = len(face.mesh.vertices), len(loop)
    rings = [loop, *(start + k * n + np.arange(n) for k in range(len(RINGS)))]
    quads = [np.stack([a, b, np.roll(b, -1), np.roll(a, -1)], axis=1) for a, b in pairwise(rings)]
    last = rings[-1]
    fan = np.stack([last, np.full(n, start + len(RINGS) * n), np.roll(last, -1)], axis=1)
    turn = slice(None) if outwards else slice(None, None, -1)
    corners = np.concatenate([*(quad[:, turn].reshape(-1) for quad in quads), fan[:, turn].reshape(-1)])
    sizes = np.concatenate([np.full(len(RINGS) * n, 4), np.full(n, 3)])
    points = np.concatenate(vertices)
    return Inside(
        points,
        np.concatenate(offsets, axis=1),
        np.tile(np.array(SOCKET_COLOUR, np.float32), (len(points), 1)),
        sizes.astype(np.int32),
        corners.astype(np.int32),
        (SOCKET,),
        np.zeros(len(sizes), np.int32),
        {},
    )


def _arch(count: int) -> NDArray[np.float64]:
    """0 at the corners, 1 over most of the way between."""
    along = np.linspace(0.0, 1.0, count)
    return np.minimum(1.0, 1.15 * np.sqrt(np.sin(np.pi * along)))


def gentle(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """A line's heights without its bows: straight from end to end."""
    return np.linspace(heights[0], heights[-1], len(heights))
