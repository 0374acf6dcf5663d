"""PLY, and by trimesh STL and OFF.

PLY is read here with its quads and n-gons: trimesh triangulates them, and refuses binary files that mix sizes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.lib.recfunctions import structured_to_unstructured

from sedtalker.arrays import Doubles, Floats, Ints
from sedtalker.errors import InputError
from sedtalker.mesh.mesh import NO_FILE, NO_PICTURE, Material, Mesh, file_beside, from_triangles, kept_picture, note
from sedtalker.mesh.obj import MAX_BYTES, vertex_colours
from sedtalker.storage import whole_file

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
"""NumPy types of the property types of PLY."""
_MAX_HEADER = 65536
"""A header must end within so many bytes."""


@dataclass
class _Property:
    name: str
    type: str
    count_type: str | None = None


@dataclass
class _Element:
    name: str
    count: int
    properties: list[_Property]


def read_ply(path: Path) -> Mesh:
    """The mesh of an ASCII or binary PLY file (http://paulbourke.net/dataformats/ply), vertex for vertex.

    Raises:
        InputError: the file is broken or shorter than its header says.
    """
    data = path.read_bytes()
    end = data.find(b"end_header", 0, _MAX_HEADER)
    if not data.startswith(b"ply") or end < 0:
        raise InputError(f"{path}: not a PLY file")
    body = data.find(b"\n", end) + 1
    try:
        order, elements = _header(data[:end].decode("ascii", errors="replace"))
        reader = _AsciiReader(data[body:]) if order == "" else _BinaryReader(data, body, order)
        tables = {element.name: _read_element(element, reader) for element in elements}
        mesh = _to_mesh(tables)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError):
        raise InputError(f"{path}: a broken PLY file, or shorter than its header says") from None
    return _with_texture(mesh, path, data[:end].decode("ascii", errors="replace"))


def _with_texture(mesh: Mesh, path: Path, header: str) -> Mesh:
    """The mesh with the first picture that its header names (MeshLab's ``comment TextureFile``), if it can be had."""
    lines = (line.partition("comment TextureFile ")[2].strip() for line in header.splitlines())
    name = next(filter(None, lines), None)
    if name is None or mesh.uvs is None:
        return mesh
    file = file_beside(path, name, MAX_BYTES)
    picture = kept_picture(file.read_bytes()) if file is not None else None
    if picture is None:
        return replace(mesh, notes=(note(NO_FILE if file is None else NO_PICTURE, name),))
    material = Material("texture", texture=picture)
    everywhere = np.zeros(len(mesh.polygon_sizes), dtype=np.int32)
    painted = replace(mesh, group_names=("texture",), polygon_groups=everywhere, materials=(material,))
    known, used = {"texture": material}, ["texture"] * len(mesh.polygon_sizes)
    return replace(painted, colours=vertex_colours(painted, known, used)) if mesh.colours is None else painted


def _header(text: str) -> tuple[str, list[_Element]]:
    """Byte order ('' for ASCII) and the elements."""
    order, elements = None, []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["format"]:
            order = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}[words[1]]
        elif words[:1] == ["element"]:
            count = int(words[2])
            if count < 0:
                raise ValueError("a negative number of elements")
            elements.append(_Element(words[1], count, []))
        elif words[:2] == ["property", "list"]:
            elements[-1].properties.append(_Property(words[4], _TYPES[words[3]], _TYPES[words[2]]))
        elif words[:1] == ["property"]:
            elements[-1].properties.append(_Property(words[2], _TYPES[words[1]]))
    if order is None:
        raise ValueError("no format line")
    return order, elements


class _AsciiReader:
    """Numbers one after another."""

    def __init__(self, body: bytes) -> None:
        self._numbers = np.array(body.split(), dtype=np.float64)
        self._at = 0

    def take(self, kind: str, count: int) -> Doubles:
        """The next ``count`` numbers of one kind."""
        taken = self._numbers[self._at : self._at + count]
        if len(taken) < count:
            raise ValueError("too short")
        self._at += count
        return taken

    def table(self, kinds: list[str], rows: int) -> Doubles:
        """(rows, len(kinds)) numbers."""
        return self.take("", rows * len(kinds)).reshape(rows, len(kinds))


class _BinaryReader:
    """Packed numbers in one byte order."""

    def __init__(self, data: bytes, at: int, order: str) -> None:
        self._data, self._at, self._order = data, at, order

    def take(self, kind: str, count: int) -> Doubles:
        """The next ``count`` numbers of one kind."""
        values = np.frombuffer(self._data, self._order + kind, count, self._at)
        self._at += values.nbytes
        return values.astype(np.float64)

    def table(self, kinds: list[str], rows: int) -> Doubles:
        """(rows, len(kinds)) numbers."""
        record = np.dtype([(str(i), self._order + kind) for i, kind in enumerate(kinds)])
        records = np.frombuffer(self._data, record, rows, self._at)
        self._at += records.nbytes
        return structured_to_unstructured(records, np.float64)


def _read_element(element: _Element, reader: _AsciiReader | _BinaryReader) -> dict[str, list[Doubles]]:
    """The columns of an element: an (N,) array in a list for a plain property, a list of rows for a list property."""
    properties = element.properties
    if element.count == 0 or not properties:
        return {p.name: [] for p in properties}
    if all(p.count_type is None for p in properties):
        table = reader.table([p.type for p in properties], element.count)
        return {p.name: [table[:, i]] for i, p in enumerate(properties)}
    columns: dict[str, list[Doubles]] = {p.name: [] for p in properties}
    for _ in range(element.count):
        for p in properties:
            length = 1 if p.count_type is None else int(reader.take(p.count_type, 1)[0])
            if length < 0:
                raise ValueError("a list of negative length")
            columns[p.name].append(reader.take(p.type, length) if length else np.empty(0))
    return columns


def _to_mesh(tables: dict[str, dict[str, list[Doubles]]]) -> Mesh:
    vertex, face = tables["vertex"], tables.get("face", {})
    position = np.stack([np.concatenate(vertex[axis]) for axis in "xyz"], axis=1) if vertex["x"] else np.empty((0, 3))
    every = face.get("vertex_indices") or face.get("vertex_index") or []
    kept = [k for k, row in enumerate(every) if len(row) >= 3]
    rows = [every[k] for k in kept]
    wedges = face.get("texcoord") or []
    colours = None
    if all(vertex.get(channel) for channel in ("red", "green", "blue")):
        values = np.stack([np.concatenate(vertex[channel]) for channel in ("red", "green", "blue")], axis=1)
        colours = (values / 255.0 if values.max() > 1.0 else values).astype(np.float32)
    corners = (np.concatenate(rows) if rows else np.empty(0)).astype(np.int32)
    uvs, corner_uvs = _uvs(vertex, corners, [wedges[k] for k in kept] if len(wedges) == len(every) else [])
    return Mesh(
        vertices=position.astype(np.float32),
        polygon_sizes=np.array([len(row) for row in rows], dtype=np.int32),
        polygon_vertices=corners,
        uvs=uvs,
        polygon_uvs=corner_uvs,
        colours=colours,
    )


def _uvs(vertex: dict[str, list[Doubles]], corners: Ints, wedges: list[Doubles]) -> tuple[Floats | None, Ints | None]:
    """Texture coordinates by corner (MeshLab's ``texcoord`` lists) or by vertex (``s t``, ``u v``, ``texture_u …``)."""
    table = np.concatenate(wedges) if wedges else np.empty(0)
    if len(table) and len(table) == 2 * len(corners):
        return table.reshape(-1, 2).astype(np.float32), np.arange(len(corners), dtype=np.int32)
    for u, v in (("s", "t"), ("u", "v"), ("texture_u", "texture_v")):
        if vertex.get(u) and vertex.get(v):
            return np.stack([np.concatenate(vertex[u]), np.concatenate(vertex[v])], axis=1).astype(np.float32), corners
    return None, None


def write_ply(mesh: Mesh, path: Path) -> None:
    """Write ``mesh`` as binary PLY: every float32 exactly, polygons of any size, colours in 8 bits, UVs by corner."""
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(mesh.vertices)}"]
    header += [f"property float {axis}" for axis in "xyz"]
    columns: list[tuple[str, str]] = [(axis, "<f4") for axis in "xyz"]
    values = [mesh.vertices[:, k] for k in range(3)]
    if mesh.colours is not None:
        header += [f"property uchar {channel}" for channel in ("red", "green", "blue")]
        columns += [(channel, "u1") for channel in ("red", "green", "blue")]
        values += list(np.round(255.0 * np.clip(mesh.colours, 0.0, 1.0)).astype(np.uint8).T)
    header += [f"element face {len(mesh.polygon_sizes)}", "property list int int vertex_indices"]
    table = np.empty(len(mesh.vertices), dtype=columns)
    for (name, _), value in zip(columns, values, strict=True):
        table[name] = value
    uvs = None
    if mesh.uvs is not None and mesh.polygon_uvs is not None:
        header.append("property list int float texcoord")
        uvs = np.where((mesh.polygon_uvs >= 0)[:, None], mesh.uvs[mesh.polygon_uvs], 0.0).astype("<f4")
    ends = np.cumsum(mesh.polygon_sizes)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.write(("\n".join([*header, "end_header"]) + "\n").encode("ascii"))
        file.write(table.tobytes())
        for end, size in zip(ends.tolist(), mesh.polygon_sizes.tolist(), strict=True):
            file.write(struct.pack(f"<i{size}i", size, *mesh.polygon_vertices[end - size : end].tolist()))
            if uvs is not None:
                file.write(struct.pack("<i", 2 * size) + uvs[end - size : end].tobytes())


# --- STL, triangles without shared vertices, and OFF.


def read_stl(path: Path) -> Mesh:
    """The mesh of an STL file; corners at exactly the same place become one vertex, in order of first appearance.

    Raises:
        InputError: the file is no STL.
    """
    vertices, triangles = _by_trimesh(path, "stl")
    corners = vertices[triangles.reshape(-1)]
    if len(corners) == 0:
        raise InputError(f"{path}: not an STL file, or one without triangles")
    _, first, place = np.unique(corners, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int32)
    rank[np.argsort(first)] = np.arange(len(first))
    return from_triangles(corners[np.sort(first)], rank[place.reshape(-1)].reshape(-1, 3))


def read_off(path: Path) -> Mesh:
    """The mesh of an OFF file: the file's vertices in its order; polygons become triangles.

    Raises:
        InputError: the file is no OFF.
    """
    return from_triangles(*_by_trimesh(path, "off"))


def _by_trimesh(path: Path, kind: str) -> tuple[Floats, Ints]:
    """Vertices (V, 3) and triangles (T, 3) of a file, in its order."""
    import trimesh

    try:
        loaded = trimesh.load_mesh(str(path), file_type=kind, process=False, maintain_order=True)
        vertices, triangles = np.asarray(loaded.vertices, np.float32), np.asarray(loaded.faces, np.int32)
        if len(triangles) and not 0 <= triangles.min() <= triangles.max() < len(vertices):
            raise ValueError("a corner is no vertex")
        return vertices, triangles.reshape(-1, 3)
    except Exception:  # trimesh raises whatever its parser meets
        raise InputError(f"{path}: not an {kind.upper()} file, or a broken one") from None


def write_stl(mesh: Mesh, path: Path) -> None:
    """Write the triangles of ``mesh`` as binary STL."""
    record = [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("unused", "<u2")]
    triangles = np.zeros(len(mesh.triangles), dtype=record)
    corners = mesh.vertices[mesh.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    triangles["normal"], triangles["corners"] = normals / np.where(length > 0.0, length, 1.0), corners
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.write(b"SEDTalker".ljust(80) + struct.pack("<I", len(triangles)) + triangles.tobytes())
