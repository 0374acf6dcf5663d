"""A small face for tests: a quad cube with two shapes and a corrective."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.face.face import Corrective, Face
from sedtalker.mesh.files import read_mesh
from sedtalker.mesh.mesh import Mesh

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]], np.int32)


def cube_mesh() -> Mesh:
    """Six outward quads in two groups, with UVs and colours."""
    return Mesh(
        vertices=CORNERS,
        polygon_sizes=np.full(6, 4, np.int32),
        polygon_vertices=QUADS.reshape(-1),
        uvs=np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32),
        polygon_uvs=np.tile(np.arange(4, dtype=np.int32), 6),
        colours=(CORNERS + 1) / 2,
        group_names=("skin", "eyes"),
        polygon_groups=np.array([0, 0, 0, 0, 0, 1], np.int32),
    )


def cube_face() -> Face:
    """The cube with shapes ``jawOpen`` and ``mouthClose`` and their corrective."""
    basis = np.zeros((3, 8, 3), np.float32)
    basis[0, :4, 1] = -0.5
    basis[1, 2:6, 2] = 0.25
    basis[2, 0] = (0.1, 0.2, 0.3)
    lips = np.zeros(8, bool)
    lips[:4] = True
    return Face(
        name="cube",
        mesh=cube_mesh(),
        shapes=("jawOpen", "mouthClose"),
        basis=basis,
        correctives=(Corrective("jawOpen_mouthClose", ("jawOpen", "mouthClose")),),
        regions={"lips": lips, "skin": ~lips},
        landmarks=np.zeros(68, np.int32),
        pivot=np.array([0, -1, 0], np.float32),
    )


def assert_refused(path: Path, content: bytes) -> None:
    """A file with this content is no mesh, and one line says so and names it."""
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_mesh(path)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
