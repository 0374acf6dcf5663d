"""Meshes that are known by how their vertices are connected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.catalogue import load_face
from sedtalker.face.face import Face
from sedtalker.face.mesh import Ints, Mesh
from sedtalker.face.registration.pose import Similarity, robust_similarity
from sedtalker.face.scene import Scene

BUILTIN_COUNTS = {19740: ("builtin",), 23124: ("amara", "pip"), 19866: ("walter",), 20802: ("mei",)}
"""Vertices of the built-in faces, as their hair styles differ. Building every face to count them would take seconds."""
FLAME, ICT = "FLAME", "ICT-FaceKit"
_OTHERS = {(5023, 9976): FLAME, (26719, 52220): ICT}  # vertices and triangles
_ALIKE = 0.999  # share of a topology's edges that a mesh must have: exporters triangulate, and drop a degenerate one
SAME = 1e-4  # RMS distance, in the mesh's size, below which two faces of one topology are the same


@dataclass(frozen=True, eq=False)
class Known:
    """A mesh of a built-in topology.

    Attributes:
        face: the built-in face nearest to it; shown: (V,) its vertex at each of the mesh.
        to_face: similarity from the file's coordinates to the face's.
        distance: RMS distance of the two after that, metres; reshaped: they are not the same person.
    """

    face: Face
    shown: Ints
    to_face: Similarity
    distance: float
    reshaped: bool


def recognise(scene: Scene, source: Face) -> Known | None:
    """The built-in face whose topology a file has, ``source`` before others; None if there is none."""
    mesh = scene.mesh
    shown = np.arange(len(mesh.vertices), dtype=np.int32) if scene.shown is None else scene.shown
    count = int(shown.max(initial=-1)) + 1
    candidates = [source] if len(source.mesh.vertices) == count else []
    candidates += [load_face(name) for name in BUILTIN_COUNTS.get(count, ()) if name != source.name]
    found: list[Known] = []
    edges = edge_keys(mesh, shown)
    for face in candidates:
        if not same_edges(edge_keys(face.mesh), edges):
            continue
        there = face.mesh.vertices.astype(np.float64)[shown]
        fit, _ = robust_similarity(mesh.vertices.astype(np.float64), there)
        distance = float(np.sqrt(((fit.apply(mesh.vertices) - there) ** 2).sum(1).mean()))
        found.append(Known(face, shown, fit, distance, distance > SAME * float(np.ptp(there, axis=0).max())))
    return min(found, key=lambda known: known.distance, default=None)


def edge_keys(mesh: Mesh, shown: Ints | None = None) -> NDArray[np.int64]:
    """The edges of a mesh's polygons, each as one number; ``shown`` (V,) renames its vertices."""
    polygon = np.repeat(np.arange(len(mesh.polygon_sizes)), mesh.polygon_sizes)
    ends = np.cumsum(mesh.polygon_sizes)
    following = np.arange(len(polygon)) + 1
    following[ends - 1] = ends - mesh.polygon_sizes
    names = mesh.polygon_vertices if shown is None else shown[mesh.polygon_vertices]
    a, b = names.astype(np.int64), names[following].astype(np.int64)
    return np.unique(np.minimum(a, b) * 2**31 + np.maximum(a, b))


def same_edges(wanted: NDArray[np.int64], given: NDArray[np.int64]) -> bool:
    """Whether a mesh has a topology's edges, besides those that cut its polygons into triangles."""
    return len(wanted) > 0 and len(given) <= 2 * len(wanted) and float(np.isin(wanted, given).mean()) > _ALIKE


def other_topology(mesh: Mesh) -> str | None:
    """``FLAME`` or ``ICT-FaceKit`` by the numbers of vertices and triangles: their meshes are not ours to compare."""
    return _OTHERS.get((len(mesh.vertices), len(mesh.triangles)))
