"""A user's mesh comes out of every export as it went in: vertices and their order, polygons, UVs, groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sedtalker.animation.animation import Animation
from sedtalker.export.formats import export, export_formats
from sedtalker.export.glb import write_glb
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.mesh.files import read_mesh, read_scene, write_obj
from sedtalker.mesh.mesh import Mesh
from tests.support.exports import read_mdd, read_npy, read_pc2

SCALE, TURN, SHIFT = 0.01, np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]), np.array([0.1, 0.2, 0.3])
INPUTS = ("obj", "glb", "usda", "ply")


def user_mesh() -> Mesh:
    """Centimetres, Z up: a quad, a triangle and a pentagon over nine vertices of which one is in none; a UV seam."""
    vertices = 10.0 * np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    corners = np.array([8, 0, 1, 2, 2, 1, 3, 4, 5, 6, 0, 8], np.int32)
    return Mesh(
        vertices,
        np.array([4, 3, 5], np.int32),
        corners,
        uvs=np.random.default_rng(1).uniform(size=(12, 2)).astype(np.float32),
        polygon_uvs=np.arange(12, dtype=np.int32)[::-1].copy(),
        group_names=("face", "tongue"),
        polygon_groups=np.array([0, 1, 0], np.int32),
    )


def write_input(mesh: Mesh, folder: Path, kind: str) -> Path:
    """The mesh in a file of that kind, by other hands than the reader's where there are any."""
    path = folder / f"user.{kind}"
    if kind == "obj":
        write_obj(mesh, path)
    elif kind == "glb":
        write_glb(path, Face("user", mesh, (), np.zeros((0, len(mesh.vertices), 3), np.float32)))
    elif kind == "usda":
        write_usda(mesh, path)
    else:
        write_ply(mesh, path)
    return path


def write_usda(mesh: Mesh, path: Path) -> None:
    pytest.importorskip("pxr", reason="usd-core is not installed")
    corner_uvs = mesh.uvs[mesh.polygon_uvs]

    def listed(rows: np.ndarray) -> str:
        return ", ".join(str(tuple(row)) if np.ndim(row) else str(row) for row in rows.tolist())

    subsets = "".join(
        f'def GeomSubset "{name}" {{\nuniform token elementType = "face"\n'
        f"int[] indices = [{listed(np.flatnonzero(mesh.polygon_groups == k))}]\n}}\n"
        for k, name in enumerate(mesh.group_names)
    )
    path.write_text(
        f'#usda 1.0\ndef Mesh "user" {{\npoint3f[] points = [{listed(mesh.vertices)}]\n'
        f"int[] faceVertexCounts = [{listed(mesh.polygon_sizes)}]\n"
        f"int[] faceVertexIndices = [{listed(mesh.polygon_vertices)}]\n"
        f'texCoord2f[] primvars:st = [{listed(corner_uvs)}] (interpolation = "faceVarying")\n{subsets}}}\n'
    )


def write_ply(mesh: Mesh, path: Path) -> None:
    """With texture coordinates by corner, as MeshLab writes them; PLY knows no groups."""
    ends = np.cumsum(mesh.polygon_sizes)
    corner_uvs = mesh.uvs[mesh.polygon_uvs]
    rows = [" ".join(f"{x:.9g}" for x in vertex) for vertex in mesh.vertices]
    for end, size in zip(ends, mesh.polygon_sizes, strict=True):
        corners, uvs = mesh.polygon_vertices[end - size : end], corner_uvs[end - size : end].reshape(-1)
        rows.append(f"{size} {' '.join(map(str, corners))} {2 * size} {' '.join(f'{x:.9g}' for x in uvs)}")
    header = [
        "ply", "format ascii 1.0", f"element vertex {len(mesh.vertices)}", *(f"property float {x}" for x in "xyz"),
        f"element face {len(ends)}", "property list uchar int vertex_indices", "property list uchar float texcoord",
        "end_header",
    ]  # fmt: skip
    path.write_text("\n".join([*header, *rows, ""]))


def as_face(mesh: Mesh) -> Face:
    """What registration makes of a mesh, as far as the mesh is concerned."""
    upright = (SCALE * mesh.vertices.astype(np.float64) @ TURN.T + SHIFT).astype(np.float32)
    basis = 0.01 * np.random.default_rng(2).normal(size=(2, len(mesh.vertices), 3)).astype(np.float32)
    return Face("user", mesh.with_vertices(upright), ("jawOpen", "mouthClose"), basis)


def animated(face: Face) -> Animation:
    coefficients = np.array([[0, 0], [1, 0.2], [0.3, 0.9]], np.float32)
    registration = {"scale": SCALE, "rotation": TURN.tolist(), "translation": SHIFT.tolist()}
    return Animation(coefficients, 30.0, face, np.zeros((3, 3), np.float32), None, {"registration": registration})


def assert_same_triangles(got: Mesh, expected: Mesh, groups: bool) -> None:
    """Positions, UVs (16 bits of them) and groups of a triangulated mesh, group by group."""
    tables = []
    for mesh in (got, expected):
        fans = mesh.corner_triangles
        corners = np.concatenate([mesh.vertices[mesh.polygon_vertices[fans]], mesh.uvs[mesh.polygon_uvs[fans]]], axis=2)
        numbers = mesh.polygon_groups[mesh.triangle_polygons] if groups else np.zeros(len(fans), int)
        names = [name.split("/")[-1] for name in mesh.group_names] if groups else [""]
        tables.append({name: corners[numbers == k] for k, name in enumerate(names)})
    assert tables[0].keys() == tables[1].keys()
    for name, corners in tables[0].items():
        np.testing.assert_allclose(corners, tables[1][name], atol=2e-5)


def assert_same_mesh(got: Mesh, expected: Mesh, groups: bool) -> None:
    np.testing.assert_allclose(got.vertices, expected.vertices, atol=1e-6)
    np.testing.assert_array_equal(got.polygon_sizes, expected.polygon_sizes)
    np.testing.assert_array_equal(got.polygon_vertices, expected.polygon_vertices)
    np.testing.assert_allclose(got.uvs[got.polygon_uvs], expected.uvs[expected.polygon_uvs], atol=1e-6)
    if groups:
        names = [[mesh.group_names[g] for g in mesh.polygon_groups] for mesh in (got, expected)]
        assert names[0] == names[1]


@pytest.mark.parametrize("kind", INPUTS)
def test_reading_keeps_vertices_polygons_uvs_and_groups(tmp_path: Path, kind: str) -> None:
    given = user_mesh()
    mesh = read_mesh(write_input(given, tmp_path, kind))
    if kind != "glb":
        assert_same_mesh(mesh, given, groups=kind != "ply")
        return
    np.testing.assert_array_equal(mesh.vertices[: len(given.vertices)], given.vertices)  # seams split off at the end
    assert_same_triangles(mesh, given, groups=True)


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("format", ["glb", "usd", "usda", "mdd", "pc2", "npy", "npz", "obj"])
def test_every_export_has_the_vertices_polygons_uvs_and_groups(tmp_path: Path, kind: str, format: str) -> None:
    if format.startswith("usd"):
        pytest.importorskip("pxr", reason="usd-core is not installed")
    mesh = read_mesh(write_input(user_mesh(), tmp_path, kind))
    face = as_face(mesh)
    animation, groups = animated(face), mesh.polygon_groups is not None
    if format == "obj":
        write_obj(face.mesh, tmp_path / "out.obj")
        assert_same_mesh(read_mesh(tmp_path / "out.obj"), face.mesh, groups)
        return
    path = tmp_path / f"out{export_formats()[format].suffix}"
    export(animation, path, format, **({"targets": "all"} if "targets" in export_formats()[format].options else {}))
    if format in ("mdd", "pc2", "npy"):
        read = {"npy": read_npy, "mdd": lambda p: read_mdd(p).points, "pc2": lambda p: read_pc2(p, 30.0).points}
        points = read[format](path)
        expected = animation.vertices()
        if format != "npy":  # a cache lies on the mesh as the user's program has it
            expected = ((expected - SHIFT) @ TURN / SCALE).astype(np.float32)
            np.testing.assert_allclose(points[0], mesh.vertices, atol=1e-4)
        np.testing.assert_allclose(points, expected, atol=1e-4)
    elif format == "npz":
        assert_same_mesh(Animation.load(path).face.mesh, face.mesh, groups)
    elif format == "glb":
        scene = read_scene(path)
        np.testing.assert_allclose(scene.mesh.vertices[: len(mesh.vertices)], face.mesh.vertices, atol=1e-6)
        assert scene.shown is None or scene.shown[: len(mesh.vertices)].tolist() == list(range(len(mesh.vertices)))
        assert_same_triangles(scene.mesh, face.mesh, groups)
        np.testing.assert_allclose(scene.targets[:, : len(mesh.vertices)], face.basis, atol=1e-4)
    else:
        scene = read_scene(path)
        assert_same_mesh(scene.mesh, face.mesh, groups and kind != "glb")  # a slash in a name is none of USD's
        np.testing.assert_allclose(scene.targets, face.basis, atol=1e-6)


def test_a_whole_head_goes_through_glb_and_usd_and_back(tmp_path: Path) -> None:
    pytest.importorskip("pxr", reason="usd-core is not installed")
    face = load_face("walter")
    still = Animation(np.zeros((1, len(face.shapes)), np.float32), 30.0, face, np.zeros((1, 3), np.float32))
    export(still, tmp_path / "a.usdc", "usd", targets="all")
    assert_same_mesh(read_mesh(tmp_path / "a.usdc"), face.mesh, groups=True)
    write_glb(tmp_path / "a.glb", face)
    mesh = read_mesh(tmp_path / "a.glb")
    count = len(face.mesh.vertices)
    np.testing.assert_array_equal(mesh.vertices[:count], face.mesh.vertices)
    assert len(mesh.triangles) == len(face.mesh.triangles)
    table = dict.fromkeys(map(tuple, np.sort(face.mesh.triangles, axis=1).tolist()))
    shown = read_scene(tmp_path / "a.glb").shown
    assert all(tuple(t) in table for t in np.sort(shown[mesh.triangles], axis=1).tolist())
