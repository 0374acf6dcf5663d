"""Heads on bodies, and several of them, for tests."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from sedtalker.arrays import Ints
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Mesh, from_triangles
from sedtalker.mesh.rasteriser import View, rasterise

HEAD_PARTS = (
    "skin",
    "eye_left",
    "eye_right",
    "teeth_upper",
    "teeth_lower",
    "gums",
    "tongue",
    "lashes",
    "brows",
    "hair",
)
# Height under the neck's end (m), half width, half depth, and how far forward the ring's centre lies.
TORSO = (
    (0.02, 0.075, 0.07, 0.0), (0.045, 0.15, 0.085, 0.0), (0.08, 0.20, 0.10, 0.0), (0.2, 0.19, 0.12, 0.01),
    (0.4, 0.15, 0.10, 0.01), (0.55, 0.18, 0.11, 0.0), (0.75, 0.17, 0.10, 0.0), (1.5, 0.12, 0.08, 0.0),
)  # fmt: skip


def parts_of(face: Face, groups: tuple[str, ...] = HEAD_PARTS) -> Mesh:
    """Some groups of a built-in face, with only their vertices."""
    mesh = face.mesh
    assert mesh.polygon_groups is not None
    kept = np.isin(mesh.polygon_groups, [mesh.group_names.index(name) for name in groups])
    triangles = mesh.triangles[kept[mesh.triangle_polygons]]
    used, corners = np.unique(triangles, return_inverse=True)
    return from_triangles(mesh.vertices[used], corners.reshape(-1, 3).astype(np.int32))


def rim(triangles: Ints, vertices: np.ndarray) -> Ints:
    """The lowest open border of a mesh as a loop of vertices, in the order in which its triangles run."""
    edges = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    there = {(int(a), int(b)) for a, b in edges}
    follow = {a: b for a, b in there if (b, a) not in there}
    loops = []
    while follow:
        start, loop = next(iter(follow)), []
        at = start
        while at in follow:
            loop.append(at)
            at = follow.pop(at)
        loops.append(loop)
    return np.array(min(loops, key=lambda loop: float(vertices[loop, 1].mean())), np.int32)


def on_body(head: Mesh) -> tuple[Mesh, int]:
    """A head whose neck runs into a modelled torso, one surface; and how many vertices are the head's: the first."""
    loop = rim(head.triangles, head.vertices)
    ring = head.vertices[loop].astype(np.float64)
    middle = ring.mean(axis=0)
    angle = np.arctan2(ring[:, 0] - middle[0], ring[:, 2] - middle[2])
    vertices, triangles = [head.vertices.astype(np.float64)], [head.triangles]
    before, count = loop, len(head.vertices)
    for down, wide, deep, forward in TORSO:
        x, z = middle[0] + wide * np.sin(angle), middle[2] - 0.02 + deep * np.cos(angle) + forward
        vertices.append(np.stack([x, np.full(len(loop), ring[:, 1].min() - down), z], axis=1))
        now = np.arange(count, count + len(loop), dtype=np.int32)
        count += len(loop)
        a, b, c, d = before, np.roll(before, -1), np.roll(now, -1), now
        triangles += [np.stack([b, a, d], axis=1), np.stack([b, d, c], axis=1)]
        before = now
    fan = np.stack([np.full(len(loop) - 2, before[0]), before[2:], before[1:-1]], axis=1)
    body = from_triangles(np.concatenate(vertices).astype(np.float32), np.concatenate([*triangles, fan]))
    return body, len(head.vertices)


def side_by_side(*meshes: Mesh, apart: float = 0.8) -> Mesh:
    """Several meshes in one, each ``apart`` metres to the left of the one before."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    vertices = np.concatenate([mesh.vertices + (k * apart, 0, 0) for k, mesh in enumerate(meshes)])
    triangles = np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts, strict=False)])
    return from_triangles(vertices.astype(np.float32), triangles.astype(np.int32))


def sealed(face: Face) -> Mesh:
    """The skin of a built-in face whose lips are one surface: joined where they touch, nothing behind."""
    skin = parts_of(face, ("skin",))
    origin = {tuple(v): k for k, v in enumerate(face.mesh.vertices.tolist())}
    index = np.array([origin[tuple(v)] for v in skin.vertices.tolist()])
    upper, lower = (np.flatnonzero(face.regions[name][index]) for name in ("upper_lip", "lower_lip"))
    distance = cKDTree(skin.vertices[upper]).query(skin.vertices[lower])[0]
    touching = (distance < 0.0005) & (distance > 0.0)
    touching &= skin.vertices[lower, 2] > skin.vertices[lower[touching], 2].max() - 0.014
    line = skin.vertices[lower[touching]]
    line = line[np.argsort(line[:, 0])]
    lips = (face.regions["upper_lip"] | face.regions["lower_lip"])[index]
    behind = lips & (skin.vertices[:, 2] < np.interp(skin.vertices[:, 0], line[:, 0], line[:, 2]) - 0.0003)
    behind |= face.regions["mouth_socket"][index]
    triangles = skin.triangles[~behind[skin.triangles].any(axis=1)]
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    border = unique[count == 1]
    border = np.unique(border[(np.abs(skin.vertices[border].mean(axis=1) - line.mean(axis=0)) < 0.04).all(axis=1)])
    over = face.regions["upper_lip"][index[border]]
    joined = np.arange(len(skin.vertices))
    joined[border[~over]] = border[over][cKDTree(skin.vertices[border[over]]).query(skin.vertices[border[~over]])[1]]
    corners = joined[triangles]
    corners = corners[
        (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2]) & (corners[:, 0] != corners[:, 2])
    ]
    used, local = np.unique(corners, return_inverse=True)
    return from_triangles(skin.vertices[used], local.reshape(-1, 3).astype(np.int32))


def scan(face: Face, size: int = 140, half: float = 0.15) -> Mesh:
    """A height field of a face, ``size`` points wide: no mouth hole, no eye hole."""
    assert face.landmarks is not None
    centre = face.mesh.vertices[face.landmarks[30]].astype(np.float64)
    ids, depth = rasterise(View(np.eye(3), centre, half).project(face.mesh.vertices), face.mesh.triangles, size)
    rows, columns = np.nonzero(ids >= 0)
    index = np.full((size, size), -1)
    index[rows, columns] = np.arange(len(rows))
    flat = np.stack([(columns + 0.5) * 2 / size - 1, 1 - (rows + 0.5) * 2 / size, depth[rows, columns]], 1)
    points = flat * half + centre
    a, b, c, d = (index[i : size - 1 + i, j : size - 1 + j].ravel() for i, j in ((0, 0), (1, 0), (1, 1), (0, 1)))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    triangles = triangles[(triangles >= 0).all(1)]
    steep = np.ptp(points[triangles][:, :, 2], axis=1) > 0.03
    return from_triangles(points.astype(np.float32), triangles[~steep].astype(np.int32))
