"""Heads on bodies, and several of them, for tests."""

from __future__ import annotations

import numpy as np

from sedtalker.face.face import Face
from sedtalker.face.mesh import Ints, Mesh, from_triangles

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
