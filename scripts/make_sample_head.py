"""Make the sample head: another person in another topology, unit and orientation, as a user's file might come.

    python scripts/make_sample_head.py

Starts from the built-in face, changes its proportions and colours, re-meshes the skin into triangles and writes
``data/samples/head.obj`` in centimetres with +Z up. Registration gets no hint of where it came from.
"""

from __future__ import annotations

from pathlib import Path

import igl
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.mesh.files import write_obj
from sedtalker.mesh.mesh import Mesh

OUTPUT = Path(__file__).parents[1] / "data" / "samples" / "head.obj"
SKIN_TRIANGLES = 13_000
PARTS = (
    *("skin", "eye_left", "eye_right", "teeth_upper", "teeth_lower", "gums", "tongue"),
    *("brows", "lashes", "hair", "collar"),
)
HEIGHT, FLAT = 0.004, 0.3
"""Metres above the scalp from which on locks are laid closer, and how much they keep of what they stand off farther:
between tufts that stand off, the sky would show."""
TINTS = {"skin": (0.80, 0.72, 0.68), "hair": (0.35, 0.30, 0.30), "brows": (0.45, 0.40, 0.40)}
Points = NDArray[np.float64]


def swell(points: Points, centre: Points, radius: float, factor: tuple[float, float, float]) -> Points:
    """Scale about a centre by ``factor`` per axis, fading smoothly to nothing beyond ``radius`` (metres)."""
    offset = points - centre
    weight = np.exp(-((np.linalg.norm(offset, axis=1) / radius) ** 2))[:, None]
    return points + weight * offset * (np.asarray(factor) - 1.0)


def another_person(points: Points, landmarks: Points) -> Points:
    """Other proportions: a narrower jaw, a longer nose, fuller lips, larger eyes, a higher skull."""
    eyes = [landmarks[36:42].mean(0), landmarks[42:48].mean(0)]
    points = swell(points, landmarks[8], 0.06, (0.86, 1.06, 1.0))
    points = swell(points, landmarks[27:31].mean(0), 0.022, (1.04, 1.16, 1.14))
    points = swell(points, landmarks[48:68].mean(0), 0.022, (1.05, 1.16, 1.06))
    for eye in eyes:
        points = swell(points, eye, 0.022, (1.05, 1.0, 1.05))
    crown = (eyes[0] + eyes[1]) / 2 + np.array([0.0, 0.08, -0.06])
    return swell(points, crown, 0.11, (1.03, 1.10, 1.04))


def settled(hair: Points, scalp: Points, triangles: NDArray[np.int32]) -> Points:
    """Hair laid closer to the scalp."""
    _, _, nearest = igl.point_mesh_squared_distance(hair, scalp, triangles.astype(np.int64))
    off = np.linalg.norm(hair - nearest, axis=1, keepdims=True)
    kept = np.minimum(off, HEIGHT + FLAT * np.maximum(off - HEIGHT, 0.0))
    return np.asarray(nearest + kept / np.maximum(off, 1e-9) * (hair - nearest))


def remesh(vertices: Points, triangles: NDArray[np.int32], count: int) -> tuple[Points, NDArray[np.int32]]:
    """The surface as ``count`` other triangles: refined, then collapsed by quadric error."""
    fine, fine_triangles = igl.upsample(vertices, triangles.astype(np.int64), 1)
    coarse, coarse_triangles, _, _ = igl.qslim(fine, fine_triangles, count)
    return np.asarray(coarse), np.asarray(coarse_triangles, np.int32)


def part(face: Face, name: str) -> tuple[Points, NDArray[np.int32], Points]:
    """Vertices, triangles and colours of one group of the built-in face."""
    mesh = face.mesh
    assert mesh.polygon_groups is not None
    assert mesh.colours is not None
    chosen = mesh.polygon_groups[mesh.triangle_polygons] == mesh.group_names.index(name)
    used, triangles = np.unique(mesh.triangles[chosen], return_inverse=True)
    colours = mesh.colours[used].astype(np.float64) * TINTS.get(name, (1.0, 1.0, 1.0))
    return mesh.vertices[used].astype(np.float64), triangles.reshape(-1, 3).astype(np.int32), colours


def main() -> None:
    """Build and write the head."""
    face = load_face()
    assert face.landmarks is not None
    landmarks = face.mesh.vertices[face.landmarks].astype(np.float64)
    points, triangles, colours, groups, first = [], [], [], [], 0
    for index, name in enumerate(PARTS):
        vertices, corners, colour = part(face, name)
        if name == "skin":
            coarse, corners = remesh(vertices, corners, SKIN_TRIANGLES)
            distance, nearest = cKDTree(vertices).query(coarse, k=3)
            weight = 1 / (distance + 1e-6)
            colour = (colour[nearest] * (weight / weight.sum(1, keepdims=True))[..., None]).sum(1)
            vertices = skin = coarse
            skin_corners = corners
        if name == "hair":
            vertices = settled(vertices, skin, skin_corners)
        points.append(another_person(vertices, landmarks))
        triangles.append(corners + first)
        colours.append(colour)
        groups.append(np.full(len(corners), index, np.int32))
        first += len(vertices)
    x, y, z = 100.0 * np.concatenate(points).T
    corners = np.concatenate(triangles)
    mesh = Mesh(
        vertices=np.stack([x, -z, y], axis=1).round(3).astype(np.float32),
        polygon_sizes=np.full(len(corners), 3, np.int32),
        polygon_vertices=corners.reshape(-1),
        colours=np.concatenate(colours).clip(0, 1).round(3).astype(np.float32),
        group_names=PARTS,
        polygon_groups=np.concatenate(groups),
    )
    write_obj(mesh, OUTPUT)
    print(f"{OUTPUT}: {len(mesh.vertices)} vertices, {len(corners)} triangles")


if __name__ == "__main__":
    main()
