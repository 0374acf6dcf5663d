"""Wavefront MTL: materials beside an OBJ, with their pictures, and the vertex colours that they give."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sedtalker.arrays import Floats
from sedtalker.mesh.mesh import Material, Mesh, file_beside, kept_picture, sample_image

_MAX_BYTES = 64 * 2**20
"""Material libraries and pictures larger than that are not read."""


@dataclass
class _Material:
    diffuse: tuple[float, ...] = (0.8, 0.8, 0.8)
    opacity: float = 1.0
    pictures: dict[str, str] = field(default_factory=dict)
    bump: float = 1.0


_MAPS = {
    "map_kd": "colour",
    "map_d": "opacity",
    "norm": "normal",
    "map_kn": "normal",
    "map_bump": "bump",
    "bump": "bump",
}
"""Keywords, in lower case, that name pictures, and what they hold. ``norm`` and ``map_Kn`` are extensions."""
_BLUE = 0.6
"""Mean of the blue channel above which a bump map is a normal map: exporters write both as ``map_Bump``."""


def read_libraries(path: Path, libraries: Iterable[str]) -> dict[str, Material]:
    """The materials of an OBJ's libraries by name, with their PNG and JPEG pictures.

    Args:
        path: the OBJ; libraries and pictures are looked for beside it and below, nowhere else.
        libraries: names after ``mtllib``.
    """
    found: dict[str, Material] = {}
    pictures: dict[Path, bytes | None] = {}

    def picture(name: str | None) -> bytes | None:
        file = file_beside(path, name, _MAX_BYTES) if name else None
        if file is not None and file not in pictures:
            pictures[file] = kept_picture(file.read_bytes())
        return pictures[file] if file is not None else None

    for name in libraries:
        file = file_beside(path, name, _MAX_BYTES)
        for key, read in (_read_library(file) if file is not None else {}).items():
            data, mask = picture(read.pictures.get("colour")), picture(read.pictures.get("opacity"))
            if mask is not None:
                data = with_opacity(data, mask) or data
            bumps = picture(read.pictures.get("normal")) or _if_normals(picture(read.pictures.get("bump")))
            linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in read.diffuse]
            found[key] = Material(
                name=key,
                colour=(1.0, 1.0, 1.0, read.opacity) if data else (linear[0], linear[1], linear[2], read.opacity),
                alpha="BLEND" if read.opacity < 1.0 or mask is not None else "OPAQUE",
                texture=data,
                normal=bumps,
                normal_scale=read.bump,
            )
    return found


def with_opacity(colour: bytes | None, mask: bytes) -> bytes | None:
    """A PNG of the picture ``colour`` (white without one), as opaque as ``mask``; None where they are no pictures.

    The opacity is the mask's own transparency, or its lightness where it has none.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(mask)) as image:
            clear = image.has_transparency_data
            opacity = image.convert("RGBA").getchannel("A") if clear else image.convert("L")
        if colour is None:
            base = Image.new("RGB", opacity.size, (255, 255, 255))
        else:
            with Image.open(io.BytesIO(colour)) as image:
                base = image.convert("RGB")
        base.putalpha(opacity.resize(base.size))
        made = io.BytesIO()
        base.save(made, "PNG")
    except Exception:  # Pillow raises whatever its decoders meet
        return None
    return made.getvalue()


def _if_normals(picture: bytes | None) -> bytes | None:
    """A bump map if it is a normal map, which is mostly blue; heights are not used."""
    if picture is None:
        return None
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture)) as image:
            red, green, blue = (np.asarray(c, dtype=np.float32).mean() / 255 for c in image.convert("RGB").split())
    except Exception:  # Pillow raises whatever its decoders meet
        return None
    return picture if blue > _BLUE and max(abs(red - 0.5), abs(green - 0.5)) < 0.15 else None


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


def _read_library(file: Path) -> dict[str, _Material]:
    materials: dict[str, _Material] = {}
    current = _Material()
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        keyword, _, rest = line.strip().partition(" ")
        values = rest.split()
        lower = keyword.lower()
        if keyword == "newmtl":
            current = materials.setdefault(rest.strip(), _Material())
        elif lower in _MAPS and values:
            # Options such as "-s 1 1 1" come first; a name may hold spaces.
            current.pictures[_MAPS[lower]] = rest.strip() if not rest.strip().startswith("-") else values[-1]
            if "-bm" in values[:-1]:
                with suppress(ValueError):
                    current.bump = min(max(float(values[values.index("-bm") + 1]), 0.0), 10.0)
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
