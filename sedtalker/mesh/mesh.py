"""Polygon meshes exactly as the user's file had them, their materials and textures, and what else a file holds."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Ints, Reals, from_srgb, to_srgb
from sedtalker.plugins import plugin

Real = TypeVar("Real", np.float32, np.float64)
"""Precision of points."""

MAX_VERTICES = 500_000
"""Meshes of more vertices are refused: a fit would take hours and many gigabytes."""
FARTHEST = 1e12
"""Coordinates beyond it are refused: their squares and products would leave the range of float32's sums."""
MAX_BYTES = 512 * 2**20
"""Mesh files larger than that are refused before they are opened."""


@dataclass(frozen=True)
class Material:
    """How a polygon group looks in the user's file, for the formats that can carry it.

    Attributes:
        colour: linear RGBA that multiplies the texture.
        metallic, roughness: of the metallic-roughness model, in [0, 1].
        alpha: ``OPAQUE``, ``MASK`` or ``BLEND``, as in glTF.
        texture: PNG or JPEG file of the base colour, or None.
        cutoff: opacity below which a material of ``MASK`` is not there.
        double_sided: whether its polygons are seen from behind too.
        normal: PNG or JPEG file of a normal map in tangent space, +Y up as in glTF, or None.
        normal_scale: factor on what the normal map bends sideways.
    """

    name: str
    colour: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    metallic: float = 0.0
    roughness: float = 1.0
    alpha: str = "OPAQUE"
    texture: bytes | None = None
    cutoff: float = 0.5
    double_sided: bool = True
    normal: bytes | None = None
    normal_scale: float = 1.0


@dataclass(frozen=True, eq=False)
class Mesh:
    """A polygon mesh: vertex count, order, n-gons, UVs and groups are those of the source.

    Attributes:
        vertices: (V, 3) float32, metres, +Y up, +Z out of the face, right-handed.
        polygon_sizes: (F,) int32, corners of each polygon.
        polygon_vertices: (sum of polygon_sizes,) int32, vertex of each corner, counter-clockwise seen from outside.
        uvs: (N, 2) float32 texture coordinates, or None.
        polygon_uvs: (sum of polygon_sizes,) int32 into ``uvs``, or None.
        colours: (V, 3) float32 sRGB in [0, 1], or None.
        group_names: names of the polygon groups (objects, groups or materials of the file).
        polygon_groups: (F,) int32 into ``group_names``, or None.
        materials: the material of each group, None where it has none; empty where the file has none.
        polygon_smoothing: (sum of polygon_sizes,) int32: corners at one place shade smoothly into each other where they
            have the same number, and meet in an edge where they do not; None: all is smooth. Corners beyond its end,
            of polygons that were added to the file's, are smooth.
        notes: what its file names and could not be read, one line each, for people.
    """

    vertices: Floats
    polygon_sizes: Ints
    polygon_vertices: Ints
    uvs: Floats | None = None
    polygon_uvs: Ints | None = None
    colours: Floats | None = None
    group_names: tuple[str, ...] = field(default=())
    polygon_groups: Ints | None = None
    materials: tuple[Material | None, ...] = field(default=())
    polygon_smoothing: Ints | None = None
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def load(cls, path: Path | str) -> Mesh:
        """The mesh in an OBJ, GLB, glTF, USD, PLY, STL or OFF file, in the file's coordinates.

        Raises:
            InputError: the file is missing, too large, broken, or holds no surface.
        """
        return cast(Mesh, plugin("mesh files").read_mesh(Path(path)))

    def save(self, path: Path | str) -> None:
        """Write an OBJ, PLY or STL file by the ending of ``path``; it appears whole or not at all.

        OBJ and PLY keep polygons, texture coordinates and colours, OBJ also groups; STL keeps triangles alone.

        Raises:
            InputError: another ending.
        """
        plugin("mesh files").write_mesh(Path(path), self)

    @cached_property
    def corner_triangles(self) -> Ints:
        """(T, 3) indices of polygon *corners*: each polygon as a fan around its first corner."""
        fans = np.maximum(self.polygon_sizes - 2, 0)
        start = np.repeat(np.cumsum(self.polygon_sizes, dtype=np.int64) - self.polygon_sizes, fans)
        step = np.arange(fans.sum()) - np.repeat(np.cumsum(fans) - fans, fans)
        return np.stack([start, start + step + 1, start + step + 2], axis=1).astype(np.int32)

    @cached_property
    def triangles(self) -> Ints:
        """(T, 3) vertex indices of the triangulated polygons."""
        return self.polygon_vertices[self.corner_triangles]

    @cached_property
    def triangle_polygons(self) -> Ints:
        """(T,) polygon each triangle came from."""
        return np.repeat(np.arange(len(self.polygon_sizes)), np.maximum(self.polygon_sizes - 2, 0)).astype(np.int32)

    @cached_property
    def corner_polygons(self) -> NDArray[np.int64]:
        """(sum of polygon_sizes,) the polygon of each corner."""
        return np.repeat(np.arange(len(self.polygon_sizes)), self.polygon_sizes)

    @cached_property
    def sides(self) -> NDArray[np.int64]:
        """(sum of polygon_sizes, 2) the vertices of each corner and of the next one of its polygon."""
        ends = np.cumsum(self.polygon_sizes)
        following = np.arange(len(self.polygon_vertices)) + 1
        following[ends - 1] = ends - self.polygon_sizes
        return np.stack([self.polygon_vertices, self.polygon_vertices[following]], axis=1).astype(np.int64)

    def with_vertices(self, vertices: Floats) -> Mesh:
        """The same mesh with other positions (V, 3)."""
        if vertices.shape != self.vertices.shape:
            raise ValueError(f"expected {self.vertices.shape} vertices, got {vertices.shape}")
        return replace(self, vertices=np.ascontiguousarray(vertices, dtype=np.float32))


def from_triangles(vertices: Floats, triangles: Ints, colours: Floats | None = None) -> Mesh:
    """A mesh from plain triangles (T, 3)."""
    return Mesh(
        vertices=np.ascontiguousarray(vertices, dtype=np.float32),
        polygon_sizes=np.full(len(triangles), 3, dtype=np.int32),
        polygon_vertices=np.ascontiguousarray(triangles, dtype=np.int32).reshape(-1),
        colours=colours,
    )


def grid_quads(rows: int, columns: int, closed: bool = False) -> NDArray[np.int64]:
    """Quads (Q, 4) of a grid of rows × columns points, row by row; ``closed`` joins its last column to its first."""
    here = np.arange(columns if closed else columns - 1)
    after, start = (here + 1) % columns, columns * np.arange(rows - 1)[:, None]
    corners = start + here, start + columns + here, start + columns + after, start + after
    return np.stack(corners, axis=-1).reshape(-1, 4)


def grid_triangles(rows: int, columns: int) -> Ints:
    """Triangles (T, 3) of such a grid that is not closed."""
    return quad_triangles(grid_quads(rows, columns))


def quad_triangles(quads: NDArray[np.integer]) -> Ints:
    """(2 Q, 3) the halves of quads (Q, 4): the first of each, then the second."""
    return np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]]).astype(np.int32)


def face_normals(points: NDArray[Real], triangles: Ints) -> NDArray[Real]:
    """(T, 3) normals, each as long as twice the area of its triangle."""
    a, b, c = np.take(points, triangles, axis=0).swapaxes(0, 1)  # indexing takes four times as long
    return np.cross(b - a, c - a)


def area_normals(points: NDArray[Real], triangles: Ints) -> NDArray[Real]:
    """(N, 3) at each point the sum of its triangles' normals, each as long as twice the triangle's area."""
    face = face_normals(points, triangles)
    total = np.zeros_like(points)
    for k in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(triangles[:, k], face[:, axis], len(points)).astype(total.dtype)
    return total


def vertex_normals(vertices: Floats, triangles: Ints) -> Floats:
    """Area-weighted unit normals (V, 3) of a triangle mesh; vertices no triangle uses get +Z."""
    normals = area_normals(vertices, triangles)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals[length[:, 0] < 1e-20] = (0.0, 0.0, 1.0)
    return (normals / np.where(length < 1e-20, 1.0, length)).astype(np.float32)


def welded_normals(vertices: Floats, triangles: Ints, weld: Ints) -> Floats:
    """``vertex_normals``, where vertices with the same entry of ``weld`` (V,) share theirs: smooth across seams."""
    return np.take(vertex_normals(vertices, np.take(weld, triangles)), weld, axis=0)


def weld_map(mesh: Mesh, apart: NDArray[np.integer] | None = None) -> Ints:
    """(V,) first vertex at the same place with much the same normal, so that split vertices shade smoothly.

    Vertices with different numbers in ``apart`` (V,) are never the same.
    """
    vertices = np.ascontiguousarray(mesh.vertices, dtype=np.float32)
    own = np.arange(len(vertices), dtype=np.int32)
    if len(vertices) == 0:
        return own
    normals = vertex_normals(vertices, mesh.triangles)
    grain = max(float(np.ptp(vertices, axis=0).max()), 1e-12) * 1e-5
    places = np.round(vertices / grain).astype(np.int64)
    if apart is not None:
        places = np.concatenate([places, apart[:, None]], axis=1)
    _, first, place = np.unique(places, axis=0, return_index=True, return_inverse=True)
    twin = first[place.reshape(-1)].astype(np.int32)
    alike = (normals * normals[twin]).sum(axis=1) > 0.5
    return np.where(alike, twin, own).astype(np.int32)


# --- All that a mesh file holds of a face: the mesh, and the blend shapes it may come with.


@dataclass(frozen=True, eq=False)
class Scene:
    """All meshes of a file as one, and its morph targets.

    Attributes:
        mesh: the mesh, in the file's coordinates.
        target_names: (K,) names of the morph targets; empty where the format or the file has none.
        targets: (K, V, 3) their offsets.
        shown: (V,) which vertex each one shows, where the file says that some double others at texture seams (as our
            own GLB does); None where every vertex is one of its own.
    """

    mesh: Mesh
    target_names: tuple[str, ...]
    targets: Floats
    shown: Ints | None = None


@dataclass
class ScenePart:
    """One of the meshes of a file, in scene coordinates.

    Attributes:
        vertices: (V, 3).
        sizes, corners: corners of each polygon (F,), and the vertex of each (C,).
        groups: (F,) into ``names``.
        names: of its polygon groups.
        uvs: (N, 2) texture coordinates, or None.
        corner_uvs: (C,) into ``uvs``, −1 where a corner has none; None without ``uvs``.
        colours: (V, 3) linear, NaN where there is none; None where there is none at all.
        materials: of its groups.
        targets: offsets (V, 3) of the morph targets by name.
    """

    vertices: Doubles
    sizes: Ints
    corners: Ints
    groups: NDArray[np.integer]
    names: list[str]
    uvs: Reals | None = None
    corner_uvs: Ints | None = None
    colours: Doubles | None = None
    materials: list[Material | None] = field(default_factory=list)
    targets: dict[str, Doubles] = field(default_factory=dict)


def joined(parts: list[ScenePart]) -> Scene:
    """The meshes of a file as one, their vertices one after another; groups of one name and one material are one."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    targets = list(dict.fromkeys(name for part in parts for name in part.targets))
    offsets = np.zeros((len(targets), starts[-1], 3), dtype=np.float32)
    order: dict[str, int] = {}
    materials, groups, corners = list[Material | None](), [], []
    for part, start in zip(parts, starts, strict=False):
        corners.append(part.corners + start)
        for name, moved in part.targets.items():
            offsets[targets.index(name), start : start + len(moved)] = moved
        numbers = []
        for name, material in zip(part.names, part.materials or [None] * len(part.names), strict=True):
            unlike = name in order and materials[order[name]] != material  # two of one name, or of none
            label = f"{name} {len(order)}" if unlike else name
            if label not in order:
                order[label] = len(order)
                materials.append(material)
            numbers.append(order[label])
        groups.append(np.array(numbers, np.int32)[part.groups])
    uvs, corner_uvs = _joined_uvs(parts)
    mesh = Mesh(
        vertices=np.concatenate([part.vertices for part in parts], dtype=np.float32),
        polygon_sizes=np.concatenate([part.sizes for part in parts]),
        polygon_vertices=np.concatenate(corners, dtype=np.int32),
        uvs=uvs,
        polygon_uvs=corner_uvs,
        colours=_joined_colours(parts),
        group_names=tuple(order),
        polygon_groups=np.concatenate(groups) if order else None,
        materials=tuple(materials) if any(materials) else (),
    )
    return Scene(mesh, tuple(targets), offsets)


def _joined_uvs(parts: list[ScenePart]) -> tuple[Floats | None, Ints | None]:
    tables, corners, start = list[Reals](), [], 0
    for part in parts:
        if part.uvs is None or part.corner_uvs is None:
            corners.append(np.full(len(part.corners), -1))
            continue
        tables.append(part.uvs)
        corners.append(np.where(part.corner_uvs < 0, -1, part.corner_uvs + start))
        start += len(part.uvs)
    if not tables:
        return None, None
    return np.concatenate(tables, dtype=np.float32), np.concatenate(corners, dtype=np.int32)


def _joined_colours(parts: list[ScenePart]) -> Floats | None:
    """sRGB by vertex; grey where only other vertices have colours."""
    linear = np.concatenate(
        [np.full(part.vertices.shape, np.nan) if part.colours is None else part.colours for part in parts]
    )
    if not np.isfinite(linear).any():
        return None
    return to_srgb(np.clip(np.nan_to_num(linear, nan=0.6), 0.0, 1.0)).astype(np.float32)


# --- Textures: kept as the file had them for the formats that can carry them, and read at vertices for the others.

PICTURES = (b"\x89PNG", b"\xff\xd8\xff")
"""How the files begin that textures are kept in: PNG and JPEG."""
_MAX_SIDE = 8192
"""Pictures with more pixels a side are refused."""
_USED_SIDE = 512
"""Pixels a side to which a picture is reduced before it is read at vertices, which lie about so far apart: a finer
one would alias."""


NO_FILE = "the texture '{name}' is no file beside the mesh, or one that is too large: the mesh is shown without it"
"""The note on a texture without a file."""
NO_PICTURE = "the texture '{name}' cannot be read as a picture: the mesh is shown without it"
"""The note on one whose file is no picture."""


def note(message: str, name: str) -> str:
    """A note on the texture of a name, which may be anything and of any length."""
    shown = "".join(character if character.isprintable() else "?" for character in name)
    return message.format(name=shown if len(shown) <= 100 else f"{shown[:100]}…")


def kept_picture(data: bytes) -> bytes | None:
    """A texture's file as it is if it is PNG or JPEG, made PNG if it is another kind; None if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            if max(image.size) > _MAX_SIDE:
                return None
            if data.startswith(PICTURES):
                image.verify()
                return data
            made = io.BytesIO()
            image.convert("RGBA" if image.has_transparency_data else "RGB").save(made, "PNG")
            return made.getvalue()
    except Exception:  # Pillow raises whatever its decoders meet
        return None


def file_beside(path: Path, name: str, max_bytes: int) -> Path | None:
    """The file ``name`` in the folder of ``path`` or below it, if it is there and not larger than ``max_bytes``."""
    try:
        folder = path.parent.resolve()
        file = (folder / name.replace("\\", "/")).resolve()
        usable = file.is_relative_to(folder) and file.is_file() and file.stat().st_size <= max_bytes
    except (OSError, ValueError, RuntimeError):  # a name that is too long or holds a NUL, links in a circle
        return None
    return file if usable else None


def sample_image(data: bytes, uvs: Reals) -> Doubles | None:
    """Linear colours (N, 3) of an encoded sRGB image at ``uvs`` (N, 2), origin at the top left, repeating.

    None where the image cannot be read, or has more than 8192 pixels a side: no reason to refuse a mesh.
    """
    from PIL import Image
    from scipy.ndimage import map_coordinates

    try:
        with Image.open(io.BytesIO(data)) as image:
            if max(image.size) > _MAX_SIDE:
                return None
            image.thumbnail((_USED_SIDE, _USED_SIDE), Image.Resampling.BOX)
            pixels = np.asarray(image.convert("RGB"), dtype=np.float64) / 255.0
    except Exception:  # Pillow raises whatever its decoders meet
        return None
    linear = from_srgb(pixels)
    height, width = linear.shape[:2]
    column, row = (np.nan_to_num(np.asarray(uvs, dtype=np.float64)) % 1.0 * (width, height) - 0.5).T
    channels = [map_coordinates(linear[..., k], (row, column), order=1, mode="grid-wrap") for k in range(3)]
    return np.stack(channels, axis=1)
