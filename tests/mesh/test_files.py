from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.mesh import Mesh, files
from sedtalker.mesh.files import read_mesh, read_scene
from sedtalker.mesh.obj import write_obj
from tests.support.cube import CORNERS, QUADS, assert_refused, cube_mesh
from tests.support.memory import memory_watched

PLY_HEADER = (
    "ply\nformat {} 1.0\ncomment a cube\nelement vertex 8\nproperty float x\nproperty float y\nproperty float z\n"
    "{}element face {}\nproperty list uchar int vertex_indices\nend_header\n"
)
MIXED = [[0, 1, 3, 2], [4, 6, 7], [0, 4, 5, 1, 3]]


def test_ascii_ply_keeps_vertices_polygons_and_colours(tmp_path: Path) -> None:
    path = tmp_path / "cube.ply"
    colours = "property uchar red\nproperty uchar green\nproperty uchar blue\n"
    rows = "".join(f"{x:g} {y:g} {z:g} 255 0 {i}\n" for i, (x, y, z) in enumerate(CORNERS))
    faces = "".join(f"{len(f)} {' '.join(map(str, f))}\n" for f in MIXED)
    path.write_text(PLY_HEADER.format("ascii", colours, 3) + rows + faces)
    mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.vertices, CORNERS)
    assert mesh.polygon_sizes.tolist() == [4, 3, 5]
    assert mesh.polygon_vertices.tolist() == [v for polygon in MIXED for v in polygon]
    assert mesh.colours is not None
    np.testing.assert_allclose(mesh.colours[7], [1, 0, 7 / 255])


@pytest.mark.parametrize(("order", "name"), [("<", "little"), (">", "big")])
def test_binary_ply_with_mixed_polygons(tmp_path: Path, order: str, name: str) -> None:
    path = tmp_path / "cube.ply"
    body = b"".join(struct.pack(f"{order}3f", *corner) for corner in CORNERS.tolist())
    body += b"".join(struct.pack(f"{order}B{len(f)}i", len(f), *f) for f in MIXED)
    path.write_bytes(PLY_HEADER.format(f"binary_{name}_endian", "", 3).encode() + body)
    mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.vertices, CORNERS)
    assert mesh.polygon_vertices.tolist() == [v for polygon in MIXED for v in polygon]
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="shorter"):
        read_mesh(path)


def test_a_ply_point_cloud_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cloud.ply"
    path.write_text(PLY_HEADER.format("ascii", "", 0) + "".join(f"{x} {y} {z}\n" for x, y, z in CORNERS))
    with pytest.raises(InputError, match="point cloud"):
        read_mesh(path)


@pytest.mark.parametrize(
    "claim",
    [
        b"element vertex 400000000\nproperty float x\nproperty float y\nproperty float z\n",
        b"element vertex 1\nproperty list uint float x\nproperty float y\nproperty float z\n",
        b"element vertex -1\nproperty float x\nproperty float y\nproperty float z\n",
    ],
)
@pytest.mark.parametrize("order", [b"ascii", b"binary_little_endian"])
def test_a_small_ply_cannot_claim_much_memory(tmp_path: Path, order: bytes, claim: bytes) -> None:
    body = b"4000000000 0 0 0\n" if order == b"ascii" else struct.pack("<I3f", 4_000_000_000, 0, 0, 0)
    (tmp_path / "claim.ply").write_bytes(b"ply\nformat " + order + b" 1.0\n" + claim + b"end_header\n" + body)
    with memory_watched(), pytest.raises(InputError):
        read_mesh(tmp_path / "claim.ply")


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".stl"])
def test_what_is_saved_is_loaded_as_it_was(tmp_path: Path, suffix: str) -> None:
    mesh = cube_mesh()
    mesh.save(tmp_path / f"cube{suffix}")
    again = Mesh.load(tmp_path / f"cube{suffix}")
    if suffix == ".stl":
        np.testing.assert_array_equal(again.vertices[again.triangles], mesh.vertices[mesh.triangles])
        return
    np.testing.assert_array_equal(again.vertices, mesh.vertices)
    np.testing.assert_array_equal(again.polygon_sizes, mesh.polygon_sizes)
    np.testing.assert_array_equal(again.polygon_vertices, mesh.polygon_vertices)
    assert (again.colours is None) == (mesh.colours is None)
    if mesh.colours is not None:
        np.testing.assert_allclose(again.colours, mesh.colours, atol=1e-6 if suffix == ".obj" else 1 / 510)
    assert (again.uvs is None) == (mesh.uvs is None)
    if mesh.uvs is not None:
        np.testing.assert_array_equal(again.uvs[again.polygon_uvs], mesh.uvs[mesh.polygon_uvs])


def test_a_mesh_is_saved_in_known_formats_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.obj, \.ply or \.stl"):
        cube_mesh().save(tmp_path / "cube.fbx")
    assert not list(tmp_path.iterdir())


def test_stl_corners_at_one_place_become_one_vertex(tmp_path: Path) -> None:
    path = tmp_path / "cube.stl"
    triangles = cube_mesh().triangles
    body = b"".join(struct.pack("<12fH", 0, 0, 0, *CORNERS[t].reshape(-1).tolist(), 0) for t in triangles)
    path.write_bytes(b"\0" * 80 + struct.pack("<I", len(triangles)) + body)
    mesh = read_mesh(path)
    assert mesh.vertices.shape == (8, 3)
    np.testing.assert_array_equal(mesh.vertices[mesh.triangles], CORNERS[triangles])


def test_off_keeps_vertices_in_order_and_cuts_polygons_to_triangles(tmp_path: Path) -> None:
    path, mesh = tmp_path / "cube.off", cube_mesh()
    corners = np.split(mesh.polygon_vertices, np.cumsum(mesh.polygon_sizes)[:-1])
    faces = [f"{len(c)} {' '.join(map(str, c))}" for c in corners]
    points = [" ".join(map(repr, v)) for v in mesh.vertices.tolist()]
    path.write_text("\n".join(["OFF # a comment", f"{len(points)} {len(faces)} 0", *points, *faces]), encoding="utf-8")
    read = read_mesh(path)
    np.testing.assert_array_equal(read.vertices, mesh.vertices)
    assert (read.polygon_sizes == 3).all()
    area, wanted = (
        np.linalg.norm(
            np.cross(m.vertices[t[:, 1]] - m.vertices[t[:, 0]], m.vertices[t[:, 2]] - m.vertices[t[:, 0]]), axis=1
        ).sum()
        for m, t in ((read, read.triangles), (mesh, mesh.triangles))
    )
    assert area == pytest.approx(wanted)


@pytest.mark.parametrize("suffix", [".obj", ".glb", ".gltf", ".ply", ".stl", ".off"])
@pytest.mark.parametrize("content", [b"", b"just some text\n", bytes(range(256)) * 3, b"glTF\x02\0\0\0\xff\0\0\0"])
def test_files_that_are_no_mesh_give_one_line(tmp_path: Path, suffix: str, content: bytes) -> None:
    assert_refused(tmp_path / f"mesh{suffix}", content)


def test_limits_and_unknown_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cube.obj"
    write_obj(cube_mesh(), path)
    monkeypatch.setattr(files, "MAX_VERTICES", 8)
    assert len(read_mesh(path).vertices) == 8
    monkeypatch.setattr(files, "MAX_VERTICES", 7)
    with pytest.raises(InputError, match="limit of 7"):
        read_mesh(path)
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="over the limit"):
        read_mesh(path)
    with pytest.raises(InputError, match="no such"):
        read_mesh(tmp_path / "absent.obj")
    other = tmp_path / "head.fbx"
    other.write_bytes(b"Kaydara")
    with pytest.raises(InputError, match=r"open it in Blender or the program it is of, and export it as \.glb"):
        read_mesh(other)
    other.rename(tmp_path / "head.xyz")
    with pytest.raises(InputError, match="unknown mesh format"):
        read_mesh(tmp_path / "head.xyz")


@pytest.mark.data
def test_the_same_head_as_obj_and_as_gltf(data_dir: Path) -> None:
    folder = data_dir / "face" / "test_meshes"
    quads, triangles = read_mesh(folder / "mh_head.obj"), read_mesh(folder / "mh_head_arkit52.glb")
    assert (len(quads.polygon_sizes), len(triangles.polygon_sizes)) == (4832, 9664)
    np.testing.assert_allclose(quads.vertices, triangles.vertices, atol=1e-5)
    scene = read_scene(folder / "mh_head_arkit52.glb")
    assert scene.targets.shape == (52, 4903, 3)
    assert np.abs(scene.targets[scene.target_names.index("jawOpen")]).max() > 0.01


@pytest.mark.data
def test_a_skinned_figure_stands_upright_at_rest(data_dir: Path) -> None:
    mesh = read_mesh(data_dir / "face" / "test_meshes" / "robot_expressive.glb")
    height = np.ptp(mesh.vertices, axis=0)
    assert height[1] > height[0]
    assert "Head/Main" in mesh.group_names


def test_quads_are_quads() -> None:
    assert cube_mesh().polygon_vertices.reshape(6, 4).tolist() == QUADS.tolist()
