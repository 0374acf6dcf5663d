"""Wavefront MTL: the plain colours and colour textures of an OBJ's materials, as colours of its vertices."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sedtalker.face.mesh import Floats, Material, Mesh
from sedtalker.face.textures import kept_picture, sample_image

_MAX_BYTES = 64 * 2**20


@dataclass
class _Material:
    diffuse: tuple[float, ...] = (0.8, 0.8, 0.8)
    texture: str | None = None
    opacity: float = 1.0


def read_libraries(path: Path, libraries: Iterable[str]) -> dict[str, Material]:
    """The materials of an OBJ's libraries by name, with their PNG and JPEG pictures.

    Args:
        path: the OBJ; libraries and pictures are looked for beside it and below, nowhere else.
        libraries: names after ``mtllib``.
    """
    found: dict[str, Material] = {}
    pictures: dict[Path, bytes | None] = {}
    for name in libraries:
        file = _beside(path, name)
        for key, read in (_read_library(file) if file is not None else {}).items():
            picture = _beside(path, read.texture) if read.texture else None
            if picture is not None and picture not in pictures:
                pictures[picture] = kept_picture(picture.read_bytes())
            data = pictures.get(picture) if picture is not None else None
            linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in read.diffuse]
            found[key] = Material(
                name=key,
                colour=(1.0, 1.0, 1.0, read.opacity) if data else (linear[0], linear[1], linear[2], read.opacity),
                alpha="BLEND" if read.opacity < 1.0 else "OPAQUE",
                texture=data,
            )
    return found


def vertex_colours(mesh: Mesh, known: dict[str, Material], materials: list[str]) -> Floats | None:
    """(V, 3) sRGB from the materials of a mesh's polygons, pictures read at the vertices; None where none is known.

    Args:
        mesh: the mesh of the file.
        known: materials by name.
        materials: (F,) material name of each polygon.
    """
    if not any(name in known for name in materials):
        return None
    colours = np.full((len(mesh.vertices), 3), 0.8, dtype=np.float32)
    corner_materials = np.repeat(np.arange(len(materials)), mesh.polygon_sizes)
    for name in dict.fromkeys(materials):
        material = known.get(name)
        if material is None:
            continue
        chosen = np.isin(corner_materials, [i for i, other in enumerate(materials) if other == name])
        linear = np.array(material.colour[:3])
        srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        colours[mesh.polygon_vertices[chosen]] = srgb
        if material.texture is not None and mesh.uvs is not None and mesh.polygon_uvs is not None:
            _paint(colours, mesh, chosen & (mesh.polygon_uvs >= 0), material.texture)
    return colours


def _paint(colours: Floats, mesh: Mesh, corners: np.ndarray, picture: bytes) -> None:
    """Colours of the vertices of ``corners`` from a picture, in place; an unreadable picture changes nothing."""
    assert mesh.uvs is not None
    assert mesh.polygon_uvs is not None
    uvs = mesh.uvs[mesh.polygon_uvs[corners]]
    try:
        linear = sample_image(picture, np.stack([uvs[:, 0], 1.0 - uvs[:, 1]], axis=1))
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
        elif keyword == "d" and values:
            with suppress(ValueError):
                current.opacity = min(max(float(values[-1]), 0.0), 1.0)
        elif keyword == "Kd" and len(values) >= 3:
            try:
                red, green, blue = (min(max(float(value), 0.0), 1.0) for value in values[:3])
            except ValueError:
                continue
            current.diffuse = (red, green, blue)
    return materials
