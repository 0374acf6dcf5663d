"""What a renderer knows of meshes before they move; those of several heads are joined, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Ints, Mask
from sedtalker.mesh.mesh import Mesh, face_normals
from sedtalker.mesh.surface import split_vertices, weld
from sedtalker.render.light import MATERIALS, blank_eyes, default_colours, to_linear, triangle_parts
from sedtalker.render.picture import DrawnMesh
from sedtalker.render.textures import Looks, Textures, textures_of


class Drawable(NamedTuple):
    """A surface of V vertices, split into W where they have several normals, and T triangles.

    Attributes:
        rest: (V, 3) where the vertices are at rest.
        sources: (W,) the vertex of each split one.
        weld: (W,) those that shade alike.
        triangles: (T, 3) over split vertices.
        colours: (W, 3) linear light; directions from the middle of eyeballs that have no colours.
        parts: (T,) position in ``MATERIALS``.
        own_parts: (T,) likewise, but one past the last where ``colours`` are directions.
        inner, one_sided: (T,) see ``sides_of``.
        textures: of the materials.
    """

    rest: Floats
    sources: Ints
    weld: Ints
    triangles: Ints
    colours: Floats
    parts: Ints
    own_parts: Ints
    inner: NDArray[np.int8]
    one_sided: Mask
    textures: Textures


def drawable(subjects: Sequence[DrawnMesh]) -> Drawable:
    """All of them as one."""
    return joined([_one(subject) for subject in subjects])


def _one(subject: DrawnMesh) -> Drawable:
    mesh, regions, rest = subject
    sources, triangles, weld, _ = split_vertices(mesh)
    parts, textures = triangle_parts(mesh, regions), textures_of(mesh)
    colours = np.ascontiguousarray(to_linear(default_colours(mesh, regions)))
    directions = blank_eyes(mesh, regions)
    directions[mesh.triangles[textures.painted]] = 0.0
    blank = np.asarray(directions.any(axis=1))
    colours[blank] = directions[blank]
    own_parts = np.where(blank[mesh.triangles].all(axis=1), len(MATERIALS), parts).astype(np.int32)
    sides = sides_of(mesh, parts, regions)
    return Drawable(rest, sources, weld, triangles, colours[sources], parts, own_parts, *sides, textures)


def joined(surfaces: Sequence[Drawable]) -> Drawable:
    """Several surfaces as one: vertices, split vertices, triangles and pictures one after another."""
    if len(surfaces) == 1:
        return surfaces[0]
    vertices = _starts([len(each.rest) for each in surfaces])
    split = _starts([len(each.sources) for each in surfaces])
    columns = {name: [getattr(each, name) for each in surfaces] for name in Drawable._fields}
    columns["sources"] = [own + start for own, start in zip(columns["sources"], vertices, strict=True)]
    for name in ("weld", "triangles"):
        columns[name] = [own + start for own, start in zip(columns[name], split, strict=True)]
    textures = _joined_textures(columns.pop("textures"))
    return Drawable(**{name: np.concatenate(parts) for name, parts in columns.items()}, textures=textures)


def _joined_textures(textures: Sequence[Textures]) -> Textures:
    """Those of several meshes; a negative row or level stands for none and stays."""
    looks = [each.looks for each in textures]
    rows, levels = (_starts([len(getattr(each, name)) for each in looks]) for name in ("pictures", "levels"))
    pixels = _starts([len(each.pixels) for each in looks])
    pictures = [each.pictures.copy() for each in looks]
    for own, start in zip(pictures, levels, strict=True):
        for column in (0, 2):
            own[:, column] += np.where(own[:, column] >= 0, start, 0)
    whole = Looks(
        np.concatenate([np.where((k := each.of_triangle) >= 0, k + s, k) for each, s in zip(looks, rows, strict=True)]),
        np.concatenate([each.uvs for each in looks]),
        np.concatenate(pictures),
        np.concatenate([each.factors for each in looks]),
        np.concatenate([each.levels + np.array([s, 0, 0], np.int32) for each, s in zip(looks, pixels, strict=True)]),
        np.concatenate([each.pixels for each in looks]),
        looks[0].decode,
    )
    painted, cut = (np.concatenate([getattr(each, name) for each in textures]) for name in ("painted", "cut"))
    return Textures(whole, painted, cut)


def _starts(counts: Sequence[int]) -> Ints:
    """Where each begins when they lie one after another."""
    return np.cumsum([0, *counts[:-1]]).astype(np.int32)


# --- Which sides of a mesh are seen: the inside of a head is dark, and what is one-sided is not there from behind.


CERTAIN = 0.25
"""Share of a piece's area by which one way of winding must outweigh the other, for its outside to be known."""


def sides_of(mesh: Mesh, parts: Ints, regions: dict[str, Mask] | None) -> tuple[NDArray[np.int8], Mask]:
    """What a renderer does with the backs of triangles.

    Args:
        parts: (T,) of ``triangle_parts``: 0 is skin.
        regions: of the face, if it is one: ``skin`` says which piece is the head.

    Returns:
        inner: (T,) int8 side of the head's skin that is inside: 1 the back, -1 the front, 0 for everything else.
        one_sided: (T,) triangles that are left out from behind: those of one-sided materials, but not of the skin, and
            only where the skin is wound as it should be. Through an open mouth the skin would show the background.
    """
    inner = np.zeros(len(mesh.triangles), dtype=np.int8)
    head = _head(mesh, parts, regions)
    outward = _outward(mesh, head)
    inner[head] = outward
    one_sided = np.zeros(len(inner), dtype=bool)
    if outward == 1 and mesh.materials and mesh.polygon_groups is not None:
        flags = np.array([m is not None and not m.double_sided for m in mesh.materials])
        one_sided = flags[mesh.polygon_groups[mesh.triangle_polygons]] & ~head
    return inner, one_sided


def _head(mesh: Mesh, parts: Ints, regions: dict[str, Mask] | None) -> Mask:
    """Triangles (T,) of the largest piece of skin."""
    skin = parts == 0
    known = (regions or {}).get("skin")
    if known is not None and known[mesh.triangles].all(axis=1).any():
        skin &= known[mesh.triangles].all(axis=1)
    if not skin.any():
        return skin
    surface = weld(mesh)
    corner = surface.vertex_point[mesh.triangles[:, 0]]
    piece = np.where(corner >= 0, surface.component[np.maximum(corner, 0)], -1)
    sizes = np.bincount(piece[skin & (piece >= 0)], minlength=1)
    return np.asarray(piece == int(sizes.argmax())) & ((parts == 0) if sizes.any() else skin)


def _outward(mesh: Mesh, head: Mask) -> int:
    """1 where the triangles ``head`` (T,) are counter-clockwise seen from outside, -1 the other way, 0 unknown."""
    if not head.any():
        return 0
    vertices, triangles = mesh.vertices.astype(np.float64), mesh.triangles[head]
    with np.errstate(invalid="ignore", over="ignore"):
        faces = np.nan_to_num(face_normals(vertices, triangles), nan=0.0, posinf=0.0, neginf=0.0)
        area = np.linalg.norm(faces, axis=1)
        middle = np.nan_to_num(vertices[triangles].sum(axis=1) / 3, nan=0.0, posinf=0.0, neginf=0.0)
        centre = (middle * area[:, None]).sum(axis=0) / max(float(area.sum()), 1e-30)
        facing = (faces * (middle - centre)).sum(axis=1)
    balance = float((area * np.sign(facing)).sum()) / max(float(area.sum()), 1e-30)
    return 0 if abs(balance) < CERTAIN else int(np.sign(balance))
