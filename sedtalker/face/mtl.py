"""Wavefront MTL: the plain colours and colour textures of an OBJ's materials, as colours of its vertices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sedtalker.face.mesh import Floats, Mesh
from sedtalker.face.textures import sample_image

_MAX_BYTES = 64 * 2**20


@dataclass
class _Material:
    diffuse: tuple[float, ...] = (0.8, 0.8, 0.8)
    texture: str | None = None


def vertex_colours(mesh: Mesh, path: Path, libraries: Iterable[str], materials: list[str]) -> Floats | None:
    """(V, 3) sRGB from the material libraries of the OBJ ``path``; None where they are missing or say nothing.

    Args:
        mesh: the mesh of the file.
        path: the OBJ; libraries and pictures are looked for beside it and below, nowhere else.
        libraries: names after ``mtllib``.
        materials: (F,) material name of each polygon.
    """
    known: dict[str, _Material] = {}
    for name in libraries:
        file = _beside(path, name)
        if file is not None:
            known |= _read_library(file)
    if not any(name in known for name in materials):
        return None
    colours = np.full((len(mesh.vertices), 3), 0.8, dtype=np.float32)
    corner_materials = np.repeat(np.arange(len(materials)), mesh.polygon_sizes)
    for name in dict.fromkeys(materials):
        material = known.get(name)
        if material is None:
            continue
        chosen = np.isin(corner_materials, [i for i, other in enumerate(materials) if other == name])
        colours[mesh.polygon_vertices[chosen]] = material.diffuse
        file = _beside(path, material.texture) if material.texture else None
        if file is not None and mesh.uvs is not None and mesh.polygon_uvs is not None:
            painted = chosen & (mesh.polygon_uvs >= 0)
            _paint(colours, mesh, painted, file)
    return colours


def _paint(colours: Floats, mesh: Mesh, corners: np.ndarray, picture: Path) -> None:
    """Colours of the vertices of ``corners`` from a picture, in place; an unreadable picture changes nothing."""
    assert mesh.uvs is not None
    assert mesh.polygon_uvs is not None
    uvs = mesh.uvs[mesh.polygon_uvs[corners]]
    try:
        linear = sample_image(picture.read_bytes(), np.stack([uvs[:, 0], 1.0 - uvs[:, 1]], axis=1))
    except (OSError, ValueError):
        return
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours[mesh.polygon_vertices[corners]] = srgb


def _beside(path: Path, name: str) -> Path | None:
    """The file ``name`` in the folder of ``path`` or below it, if it is there and not huge."""
    folder = path.parent.resolve()
    file = (folder / name.replace("\\", "/")).resolve()
    usable = file.is_relative_to(folder) and file.is_file() and file.stat().st_size <= _MAX_BYTES
    return file if usable else None


def _read_library(file: Path) -> dict[str, _Material]:
    materials: dict[str, _Material] = {}
    current = _Material()
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        keyword, _, rest = line.strip().partition(" ")
        values = rest.split()
        if keyword == "newmtl":
            current = materials.setdefault(rest.strip(), _Material())
        elif keyword == "map_Kd" and values:
            # Options such as "-s 1 1 1" come first; a name may hold spaces.
            current.texture = rest.strip() if not rest.strip().startswith("-") else values[-1]
        elif keyword == "Kd" and len(values) >= 3:
            try:
                red, green, blue = (min(max(float(value), 0.0), 1.0) for value in values[:3])
            except ValueError:
                continue
            current.diffuse = (red, green, blue)
    return materials
