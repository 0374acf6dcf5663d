"""What a renderer knows of meshes before they move; those of several heads are joined, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Ints, Mask
from sedtalker.mesh.surface import split_vertices
from sedtalker.render.light import MATERIALS, blank_eyes, default_colours, to_linear, triangle_parts
from sedtalker.render.picture import DrawnMesh
from sedtalker.render.sides import sides_of
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
    painted, cut, bent = (
        np.concatenate([getattr(each, name) for each in textures]) for name in ("painted", "cut", "bent")
    )
    return Textures(whole, painted, cut, bent)


def _starts(counts: Sequence[int]) -> Ints:
    """Where each begins when they lie one after another."""
    return np.cumsum([0, *counts[:-1]]).astype(np.int32)
