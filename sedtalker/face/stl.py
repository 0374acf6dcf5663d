"""STL: triangles without shared vertices."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sedtalker.errors import InputError
from sedtalker.face.mesh import Mesh, from_triangles


def read_stl(path: Path) -> Mesh:
    """The mesh of an STL file; corners at exactly the same place become one vertex, in order of first appearance.

    Raises:
        InputError: the file is no STL.
    """
    import trimesh

    try:
        loaded = trimesh.load_mesh(str(path), file_type="stl", process=False, maintain_order=True)
        corners = np.asarray(loaded.vertices, dtype=np.float32)[np.asarray(loaded.faces).reshape(-1)]
    except Exception:  # trimesh raises whatever its parser meets
        raise InputError(f"{path}: not an STL file, or a broken one") from None
    if len(corners) == 0:
        raise InputError(f"{path}: not an STL file, or one without triangles")
    _, first, place = np.unique(corners, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int32)
    rank[np.argsort(first)] = np.arange(len(first))
    return from_triangles(corners[np.sort(first)], rank[place.reshape(-1)].reshape(-1, 3))
