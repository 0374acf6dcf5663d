"""Reading and writing meshes without touching their vertices, their order or their polygons."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np

from sedtalker.errors import InputError, extra
from sedtalker.mesh.mesh import FARTHEST, MAX_BYTES, MAX_VERTICES, Mesh, Scene
from sedtalker.mesh.obj import read_obj, write_obj
from sedtalker.mesh.ply import read_off, read_ply, read_stl, write_ply, write_stl
from sedtalker.reading import is_folder, is_there

__all__ = ["MAX_BYTES", "MAX_VERTICES", "check_mesh", "read_mesh", "read_scene", "write_mesh", "write_obj"]

GLTF_SUFFIXES, USD_SUFFIXES = (".glb", ".gltf", ".vrm"), (".usd", ".usda", ".usdc", ".usdz")
"""Endings of the scenes that are read."""
PLAIN_MESHES = {".obj": read_obj, ".ply": read_ply, ".stl": read_stl, ".off": read_off}
"""Endings of the plain meshes that are read, and what reads them."""
OF_PROGRAMS = (".fbx", ".blend", ".ma", ".mb", ".max", ".c4d", ".dae", ".abc")
"""Endings of files that other programs open, and save as GLB."""
NAMING = (".obj", ".mtl", ".ply", ".gltf", ".glb", ".vrm")
"""Endings of files that may name others which are read with them."""
NAMES = re.compile(
    rb"^[ \t]*(?:mtllib|map_\w+|norm|bump|comment TextureFile)[ \t]+(?:-.*[ \t])?(\S.*?)[ \t\r]*$"
    rb'|"uri"\s*:\s*"(?!data:)([^"]*)"',
    re.MULTILINE | re.IGNORECASE,
)
"""What they call them: a word of a line, or a ``uri`` of glTF."""


def read_mesh(path: Path) -> Mesh:
    """The mesh in a file, see ``read_scene``."""
    return read_scene(path).mesh


def read_scene(path: Path) -> Scene:
    """The mesh in an OBJ, GLB, glTF, VRM, USD, PLY, STL or OFF file, with the morph targets of GLB, glTF, VRM and USD.

    Vertex count, order and polygons are the file's (STL has no shared vertices: equal corners become one vertex).
    Coordinates are the file's too, so they are not metres unless the file's are; registration finds the scale.
    A glTF or USD file gives all its meshes in scene coordinates, skins at rest; in glTF there is one vertex for each
    entry of a vertex buffer.

    Raises:
        InputError: the file is missing, empty, too large, no mesh, has broken numbers or indices, or no polygons.
    """
    path = Path(path)
    if not is_there(path):
        raise InputError(f"{path}: no such mesh file")
    check_format(path)
    size = path.stat().st_size
    if size == 0:
        raise InputError(f"{path}: the file is empty")
    if size > MAX_BYTES:
        raise InputError(f"{path}: {size / 2**20:.0f} MiB is over the limit of {MAX_BYTES / 2**20:.0f} MiB for a mesh")
    scene = _read(path)
    check_mesh(scene.mesh, path)
    if not (np.abs(scene.targets, dtype=np.float32) <= FARTHEST).all():
        raise InputError(f"{path}: a morph target has offsets that are not finite, or too far: repair it")
    return scene


def check_format(path: Path) -> None:
    """Raise ``InputError`` where files with this ending are not read, or not without what is not installed."""
    suffix = path.suffix.lower()
    if is_folder(path):
        raise InputError(f"{path} is a folder: name a mesh file in it")
    if suffix in USD_SUFFIXES:
        with extra("usd"):
            import pxr  # noqa: F401
    elif suffix in OF_PROGRAMS:
        raise InputError(
            f"{path}: {suffix} is not read: open it in Blender or the program it is of, and export it as .glb"
        )
    elif suffix not in (*GLTF_SUFFIXES, *PLAIN_MESHES):
        raise InputError(
            f"{path}: unknown mesh format '{suffix}': convert it to .obj, .glb, .gltf, .vrm, .usd, .ply, .stl or .off"
        )


def _read(path: Path) -> Scene:
    """The scene by the file's ending."""
    suffix = path.suffix.lower()
    if suffix in GLTF_SUFFIXES:
        from sedtalker.mesh.gltf import read_gltf

        return read_gltf(path)
    if suffix in USD_SUFFIXES:
        from sedtalker.mesh.usd import read_usd_scene

        return read_usd_scene(path)
    mesh = PLAIN_MESHES[suffix](path)
    return Scene(mesh, (), np.zeros((0, len(mesh.vertices), 3), dtype=np.float32))


def write_mesh(path: Path, mesh: Mesh) -> None:
    """Write ``mesh`` as OBJ, PLY or STL by the ending of ``path``; the file appears whole or not at all.

    Raises:
        InputError: another ending.
    """
    writers = {".obj": write_obj, ".ply": write_ply, ".stl": write_stl}
    if path.suffix.lower() not in writers:
        raise InputError(f"{path}: a mesh is saved as .obj, .ply or .stl; a face with its shapes is exported as .glb")
    writers[path.suffix.lower()](mesh, path)


def check_mesh(mesh: Mesh, path: Path) -> None:
    """Raise InputError where the mesh of file ``path`` cannot be animated."""
    count = len(mesh.vertices)
    if count == 0:
        raise InputError(f"{path}: there is no vertex in it; is it a mesh?")
    if count > MAX_VERTICES:
        raise InputError(f"{path}: {count} vertices are over the limit of {MAX_VERTICES}: decimate the mesh first")
    if len(mesh.polygon_sizes) == 0:
        raise InputError(f"{path}: a point cloud, no polygons: give a surface mesh")
    broken = ~np.isfinite(mesh.vertices).all(axis=1)
    if broken.any():
        which = int(np.flatnonzero(broken)[0]) + 1
        raise InputError(
            f"{path}: {broken.sum()} vertices are not finite (the first is vertex {which}): repair the mesh"
        )
    if float(np.abs(mesh.vertices).max()) > FARTHEST:
        raise InputError(f"{path}: vertices lie more than {FARTHEST:g} units away: repair the mesh")
    for what, values in (("texture coordinates", mesh.uvs), ("colours", mesh.colours)):
        if values is not None and not (np.abs(values) <= FARTHEST).all():
            raise InputError(f"{path}: some of its {what} are not finite, or far too large: repair the mesh")
    corners = mesh.polygon_vertices
    if corners.min() < 0 or corners.max() >= count:
        raise InputError(f"{path}: a polygon refers to vertex {int(corners.max()) + 1}, but there are only {count}")
    if float(np.ptp(mesh.vertices, axis=0).max()) == 0.0:
        raise InputError(f"{path}: all vertices are at one point: nothing to animate")


def named_files(path: Path) -> list[str]:
    """What a mesh or a material library calls the files that are read with it: libraries, pictures and buffers.

    Of USD all layers, with those that they name.
    """
    if path.suffix.lower() in USD_SUFFIXES:
        from sedtalker.mesh.usd import layer_files

        return layer_files(path)
    found = NAMES.findall(path.read_bytes()) if path.suffix.lower() in NAMING else ()
    return [(line or unquote_to_bytes(uri)).decode(errors="replace") for line, uri in found]
