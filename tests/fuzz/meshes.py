# ruff: noqa: E501
"""Readers of meshes, their materials and pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzz import hostile, mutation, seeds
from tests.fuzz.target import BYTES, JSON, TEXT, Target, and_any, written


def _mesh(name: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        from sedtalker.mesh.files import read_scene
        from sedtalker.mesh.mesh import vertex_normals

        scene = read_scene(written(name, data))
        mesh = scene.mesh
        assert mesh.polygon_vertices.min() >= 0
        assert mesh.polygon_vertices.max() < len(mesh.vertices)
        assert int(mesh.polygon_sizes.sum()) == len(mesh.polygon_vertices)
        if mesh.polygon_uvs is not None:
            assert mesh.uvs is not None
            assert mesh.polygon_uvs.max(initial=-1) < len(mesh.uvs)
        assert scene.targets.shape == (len(scene.target_names), *mesh.vertices.shape)
        with np.errstate(all="ignore"):
            vertex_normals(mesh.vertices, mesh.triangles)

    return read


def _materials(data: bytes) -> None:
    written("good.mtl", data)
    written("good.png", seeds.picture("PNG"))
    _mesh("input.obj")(seeds.obj_with_materials())


def _obj_with_links(data: bytes) -> None:
    loop = Path("loop.mtl")
    if not loop.is_symlink():
        loop.symlink_to("loop.mtl")
    _mesh("input.obj")(data)


def _picture(data: bytes) -> None:
    from sedtalker.mesh.mesh import kept_picture, sample_image
    from sedtalker.render.picture import read_background

    kept_picture(data)
    sample_image(data, np.array([[0.5, 0.5], [np.nan, np.inf], [1e30, -1e30]]))
    written("input.png", data)
    read_background("input.png")


TARGETS = (
    Target("mesh .obj", lambda: [seeds.mesh_file("a.obj"), seeds.obj_with_materials()], _obj_with_links, TEXT, and_any(hostile.obj), 1.5),
    Target("materials .mtl", lambda: [seeds.materials()], _materials, TEXT, and_any()),
    Target("pictures", lambda: [seeds.picture(kind) for kind in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")], _picture, (mutation.change_png, *BYTES), and_any()),
    Target("mesh .ply", lambda: [seeds.mesh_file("a.ply"), seeds.plain_ply()], _mesh("input.ply"), (mutation.change_bytes, mutation.change_text), and_any(hostile.ply), 1.5),
    Target("mesh .stl", lambda: [seeds.mesh_file("a.stl"), seeds.plain_stl()], _mesh("input.stl"), (mutation.change_bytes, mutation.change_text), and_any(hostile.stl)),
    Target("mesh .off", lambda: [seeds.plain_off()], _mesh("input.off"), TEXT, and_any(hostile.off)),
    Target("mesh .glb", lambda: [seeds.glb()], _mesh("input.glb"), (mutation.change_glb, mutation.change_glb, *BYTES), and_any(hostile.glb), 1.5),
    Target("mesh .gltf", lambda: [seeds.gltf()], _mesh("input.gltf"), JSON, and_any(hostile.gltf, hostile.json_text), 1.5),
    Target("mesh .usda", lambda: [seeds.usda()], _mesh("input.usda"), TEXT, and_any(hostile.usda), 2.0),
    Target("mesh .usdc", lambda: [seeds.usdc()], _mesh("input.usdc"), BYTES, tuple, 2.0),
)  # fmt: skip
"""These readers."""
