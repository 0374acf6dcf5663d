"""Wavefront OBJ, vertex for vertex and polygon for polygon, with the colours and textures of its MTL materials."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sedtalker.arrays import Floats, Ints, from_srgb, to_srgb
from sedtalker.errors import InputError
from sedtalker.mesh.mesh import NO_FILE, NO_PICTURE, Material, Mesh, file_beside, kept_picture, note, sample_image
from sedtalker.mesh.surface import smoothing_of_normals
from sedtalker.storage import whole_file

# --- Wavefront MTL: materials beside an OBJ, with their pictures, and the vertex colours that they give.

MAX_BYTES = 64 * 2**20
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


def read_libraries(path: Path, libraries: Iterable[str]) -> tuple[dict[str, Material], dict[str, list[str]]]:
    """The materials of an OBJ's libraries by name, with their PNG and JPEG pictures, and notes on those that they lack.

    Args:
        path: the OBJ; libraries and pictures are looked for beside it and below, nowhere else.
        libraries: names after ``mtllib``.
    """
    found: dict[str, Material] = {}
    notes: dict[str, list[str]] = {}
    pictures: dict[Path, bytes | None] = {}

    def picture(key: str, name: str | None) -> bytes | None:
        if not name:
            return None
        file = file_beside(path, name, MAX_BYTES)
        if file is not None and file not in pictures:
            pictures[file] = kept_picture(file.read_bytes())
        read = pictures[file] if file is not None else None
        if read is None:
            notes.setdefault(key, []).append(note(NO_FILE if file is None else NO_PICTURE, name))
        return read

    for name in libraries:
        file = file_beside(path, name, MAX_BYTES)
        for key, read in (_read_library(file) if file is not None else {}).items():
            data, mask = (picture(key, read.pictures.get(kind)) for kind in ("colour", "opacity"))
            if mask is not None:
                data = with_opacity(data, mask) or data
            bumps = picture(key, read.pictures.get("normal"))
            bumps = bumps or _if_normals(picture(key, read.pictures.get("bump")))
            linear = from_srgb(np.array(read.diffuse)).tolist()
            found[key] = Material(
                name=key,
                colour=(1.0, 1.0, 1.0, read.opacity) if data else (linear[0], linear[1], linear[2], read.opacity),
                alpha="BLEND" if read.opacity < 1.0 or mask is not None else "OPAQUE",
                texture=data,
                normal=bumps,
                normal_scale=read.bump,
            )
    return found, notes


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
        known: materials by name.
        materials: (F,) material name of each polygon.
    """
    if not any(name in known for name in materials):
        return None
    colours = np.full((len(mesh.vertices), 3), 0.8, dtype=np.float32)
    for name in dict.fromkeys(materials):
        material = known.get(name)
        if material is None:
            continue
        chosen = np.isin(mesh.corner_polygons, [i for i, other in enumerate(materials) if other == name])
        colours[mesh.polygon_vertices[chosen]] = to_srgb(np.array(material.colour[:3]))
        if material.texture is not None and mesh.uvs is not None and mesh.polygon_uvs is not None:
            _paint(colours, mesh, chosen & (mesh.polygon_uvs >= 0), material.texture)
    return colours


def _paint(colours: Floats, mesh: Mesh, corners: np.ndarray, picture: bytes) -> None:
    """Colours of the vertices of ``corners`` from a picture, in place; an unreadable picture changes nothing."""
    assert mesh.uvs is not None
    assert mesh.polygon_uvs is not None
    uvs = mesh.uvs[mesh.polygon_uvs[corners]]
    linear = sample_image(picture, np.stack([uvs[:, 0], 1.0 - uvs[:, 1]], axis=1))
    if linear is not None:
        colours[mesh.polygon_vertices[corners]] = to_srgb(linear)


def _read_library(file: Path) -> dict[str, _Material]:
    materials: dict[str, _Material] = {}
    current = _Material()
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        keyword, _, rest = line.replace("\t", " ").strip().partition(" ")
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
            with suppress(ValueError):
                current.diffuse = tuple(min(max(float(value), 0.0), 1.0) for value in values[:3])
    return materials


# --- The OBJ itself.

_NO_UV = -1
"""Stands in ``polygon_uvs`` at a corner without a texture coordinate."""
_NO_NORMAL = -1
"""Stands for the normal of a corner that has none."""
_FLAT = 2**30
"""Smoothing numbers from here on are each of one polygon, which is flat."""


@dataclass
class _Contents:
    """What the lines read so far hold; indices count from 0."""

    vertices: list[tuple[float, ...]] = field(default_factory=list)
    colours: list[tuple[float, ...]] = field(default_factory=list)
    uvs: list[tuple[float, float]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    corners: list[int] = field(default_factory=list)
    corner_uvs: list[int] = field(default_factory=list)
    normals: list[tuple[float, float, float]] = field(default_factory=list)
    corner_normals: list[int] = field(default_factory=list)
    smoothing: list[int] = field(default_factory=list)
    smooth: int = 0
    groups: list[tuple[str, str, str]] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=lambda: {"o": "", "g": "", "usemtl": ""})


def read_obj(path: Path) -> Mesh:
    """The mesh of an OBJ file; lines that are no ``v vt vn f o g s usemtl mtllib`` are skipped.

    Reads quads, n-gons, negative indices, several objects, vertex colours (``v x y z r g b``) and vertices that no
    polygon uses. A corner without a texture coordinate in a file that has some gets −1 in ``polygon_uvs``.

    Edges are where the normals make them or, without normals, the smoothing groups.

    Without vertex colours, those of the materials in a library beside the file are used, textures read at the vertices.

    Raises:
        InputError: a line that cannot be understood, or an index out of range, with its line number.
    """
    contents = _Contents()
    for number, line in _lines(path):
        keyword, _, rest = line.partition(" ")
        try:
            if keyword == "v":
                _add_vertex(contents, rest.split())
            elif keyword == "vt":
                values = rest.split()
                contents.uvs.append((float(values[0]), float(values[1]) if len(values) > 1 else 0.0))
            elif keyword == "vn":
                contents.normals.append(_normal(rest.split()))
            elif keyword == "s":
                contents.smooth = _smoothing_group(rest.strip())
            elif keyword == "f":
                _add_polygon(contents, rest.split())
            elif keyword == "mtllib":
                contents.libraries.append(rest.strip())
            elif keyword in contents.names:
                contents.names[keyword] = rest.strip()
        except (ValueError, IndexError) as error:
            detail = f": {error}" if isinstance(error, _BadIndexError) else ""
            raise InputError(f"{path}: line {number} cannot be understood ({line[:60]!r}){detail}") from None
    return _to_mesh(contents, path)


class _BadIndexError(ValueError):
    """An index that points at nothing."""


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of the lines that are not empty, comments removed, continued lines joined.

    Names may hold a # (``Material #25``): there a comment begins with one between spaces.
    """
    pending = ""
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, raw in enumerate(file, start=1):
            text = raw.replace("\t", " ").strip()
            named = text.startswith(("o ", "g ", "usemtl ", "mtllib "))
            line = pending + text.split(" # " if named else "#", 1)[0].strip()
            if line.endswith("\\"):
                pending = line[:-1] + " "
                continue
            pending = ""
            if line:
                yield number, line


def _add_vertex(contents: _Contents, values: list[str]) -> None:
    x, y, z = float(values[0]), float(values[1]), float(values[2])
    contents.vertices.append((x, y, z))
    if len(values) >= 6:
        contents.colours.append((float(values[3]), float(values[4]), float(values[5])))


def _add_polygon(contents: _Contents, corners: list[str]) -> None:
    if len(corners) < 3:
        raise _BadIndexError("a polygon needs three corners")
    for corner in corners:
        fields = corner.split("/")
        contents.corners.append(_index(fields[0], len(contents.vertices), "vertex"))
        has_uv = len(fields) > 1 and fields[1]
        contents.corner_uvs.append(_index(fields[1], len(contents.uvs), "texture coordinate") if has_uv else _NO_UV)
        contents.corner_normals.append(_normal_index(fields[2] if len(fields) > 2 else "", len(contents.normals)))
    contents.sizes.append(len(corners))
    contents.smoothing.append(contents.smooth if contents.smooth >= 0 else _FLAT + len(contents.sizes))
    contents.groups.append((contents.names["o"], contents.names["g"], contents.names["usemtl"]))


def _smoothing_group(text: str) -> int:
    """The number after ``s``; -1 for ``off`` and 0, which mean flat polygons; 0 where it cannot be understood."""
    if text.lower() in ("off", "0"):
        return -1
    with suppress(ValueError):
        return int(text) % _FLAT
    return 0


def _normal(values: list[str]) -> tuple[float, float, float]:
    """A normal; zeros for one that cannot be understood, which is no reason to refuse the mesh."""
    with suppress(ValueError, IndexError):
        return float(values[0]), float(values[1]), float(values[2])
    return 0.0, 0.0, 0.0


def _normal_index(text: str, count: int) -> int:
    """Zero-based index of a corner's normal, ``_NO_NORMAL`` where it has none."""
    if text:  # most files have none
        with suppress(ValueError):
            return _index(text, count, "normal")
    return _NO_NORMAL


def _smoothing(contents: _Contents) -> Ints | None:
    """``Mesh.polygon_smoothing`` by the normals, or by the smoothing groups where corners lack normals."""
    which = np.array(contents.corner_normals, dtype=np.int64)
    if len(which) and which.min() >= 0 and which.max() < len(contents.normals):
        return smoothing_of_normals(np.array(contents.corners), np.array(contents.normals)[which])
    groups = np.repeat(np.array(contents.smoothing, dtype=np.int32), contents.sizes)
    return groups if len(set(contents.smoothing)) > 1 else None


def _index(text: str, count: int, what: str) -> int:
    """Zero-based index; negative ones count back from the last element read so far.

    A positive index may run ahead of what has been read: files exist with all faces first.
    """
    index = int(text)
    if abs(index) >= 2**31:
        raise _BadIndexError(f"there is no {what} of so high a number")
    if index > 0:
        return index - 1
    if index == 0 or -index > count:
        raise _BadIndexError(f"there is no {what} {index}")
    return count + index


def _to_mesh(contents: _Contents, path: Path) -> Mesh:
    with np.errstate(over="ignore"):
        vertices = np.array(contents.vertices, dtype=np.float32).reshape(-1, 3)
    corner_uvs = np.array(contents.corner_uvs, dtype=np.int64)
    if len(corner_uvs) and corner_uvs.max() >= len(contents.uvs):
        last = corner_uvs.max() + 1
        raise InputError(
            f"{path}: a polygon refers to texture coordinate {last}, but there are only {len(contents.uvs)}"
        )
    has_uvs = bool(contents.uvs) and bool((corner_uvs >= 0).any())
    colours = None
    if contents.colours and len(contents.colours) == len(vertices):
        colours = np.array(contents.colours, dtype=np.float32)
        if colours.max() > 1.0:
            colours /= 255.0
        colours = np.clip(np.nan_to_num(colours), 0.0, 1.0)
    names, groups = _groups(contents.groups)
    mesh = Mesh(
        vertices=vertices,
        polygon_sizes=np.array(contents.sizes, dtype=np.int32),
        polygon_vertices=np.array(contents.corners, dtype=np.int32),
        uvs=np.array(contents.uvs, dtype=np.float32) if has_uvs else None,
        polygon_uvs=corner_uvs.astype(np.int32) if has_uvs else None,
        colours=colours,
        group_names=names,
        polygon_groups=groups,
        polygon_smoothing=_smoothing(contents),
    )
    usable = len(mesh.polygon_vertices) and int(mesh.polygon_vertices.max()) < len(vertices)
    if not contents.libraries or not usable:
        return mesh
    (known, notes), used = read_libraries(path, contents.libraries), [label[2] for label in contents.groups]
    lacking = [line for name in dict.fromkeys(used) for line in notes.get(name, ())]
    mesh = replace(mesh, notes=tuple(dict.fromkeys(lacking)))
    if groups is not None and any(name in known for name in used):
        _, first = np.unique(groups, return_index=True)
        mesh = replace(mesh, materials=tuple(known.get(used[k]) for k in first))
    return mesh if colours is not None else replace(mesh, colours=vertex_colours(mesh, known, used))


def _groups(labels: list[tuple[str, str, str]]) -> tuple[tuple[str, ...], Ints | None]:
    """Names and the group of each polygon: of object, group and material name, those that differ between polygons."""
    differing = [k for k in range(3) if len({label[k] for label in labels}) > 1]
    if not differing:
        differing = [k for k in (1, 0, 2) if labels and labels[0][k]][:1]
    if not differing:
        return (), None
    order: dict[str, int] = {}
    groups = np.empty(len(labels), dtype=np.int32)
    for i, label in enumerate(labels):
        name = "/".join(label[k] for k in differing if label[k]) or "default"
        groups[i] = order.setdefault(name, len(order))
    return tuple(order), groups


def write_obj(mesh: Mesh, path: Path) -> None:
    """Write ``mesh`` as OBJ, every float32 exactly; the file appears whole or not at all."""
    path = Path(path)
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(_obj_lines(mesh))


def _obj_lines(mesh: Mesh) -> Iterator[str]:
    rows = mesh.vertices if mesh.colours is None else np.concatenate([mesh.vertices, mesh.colours], axis=1)
    for row in rows:
        yield "v " + " ".join(f"{value:.9g}" for value in row) + "\n"
    for u, v in mesh.uvs if mesh.uvs is not None else ():
        yield f"vt {u:.9g} {v:.9g}\n"
    group, start = -1, 0
    for polygon, size in enumerate(mesh.polygon_sizes):
        if mesh.polygon_groups is not None and mesh.polygon_groups[polygon] != group:
            group = mesh.polygon_groups[polygon]
            yield f"g {mesh.group_names[group]}\n"
        corners = mesh.polygon_vertices[start : start + size] + 1
        uvs = mesh.polygon_uvs[start : start + size] + 1 if mesh.polygon_uvs is not None else np.zeros(size, np.int32)
        yield "f " + " ".join(f"{c}/{t}" if t > 0 else f"{c}" for c, t in zip(corners, uvs, strict=True)) + "\n"
        start += size
