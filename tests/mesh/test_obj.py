from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sedtalker.errors import InputError
from sedtalker.mesh.files import read_mesh
from sedtalker.mesh.mesh import Mesh
from sedtalker.mesh.obj import read_obj, write_obj
from tests.support.cube import cube_mesh


def obj(tmp_path: Path, text: str) -> Mesh:
    path = tmp_path / "face.obj"
    path.write_text(text)
    return read_mesh(path)


@st.composite
def meshes(draw: st.DrawFn) -> Mesh:
    """Any polygons over any finite vertices: unused vertices, n-gons, UVs and colours or none, groups or none."""
    count = draw(st.integers(3, 12))
    finite = st.floats(-1e6, 1e6, width=32)
    vertices = draw(st.lists(st.tuples(finite, finite, finite), min_size=count, max_size=count))
    polygons = draw(st.lists(st.lists(st.integers(0, count - 1), min_size=3, max_size=7), min_size=1, max_size=8))
    sizes = np.array([len(p) for p in polygons], np.int32)
    corners = np.concatenate(polygons).astype(np.int32)
    unit = st.floats(0, 1, width=32)
    uvs = polygon_uvs = colours = groups = None
    names: tuple[str, ...] = ()
    if draw(st.booleans()):
        uvs = np.array(draw(st.lists(st.tuples(unit, unit), min_size=1, max_size=5)), np.float32)
        polygon_uvs = np.array(
            draw(st.lists(st.integers(0, len(uvs) - 1), min_size=len(corners), max_size=len(corners)))
        )
        polygon_uvs = polygon_uvs.astype(np.int32)
    if draw(st.booleans()):
        colours = np.array(draw(st.lists(st.tuples(unit, unit, unit), min_size=count, max_size=count)), np.float32)
    if draw(st.booleans()):
        word = st.text(string.ascii_letters + "-_. ", min_size=1, max_size=8).map(str.strip).filter(bool)
        labels = draw(st.lists(word, min_size=len(sizes), max_size=len(sizes)))
        names = tuple(dict.fromkeys(labels))
        groups = np.array([names.index(label) for label in labels], np.int32)
    return Mesh(np.array(vertices, np.float32), sizes, corners, uvs, polygon_uvs, colours, names, groups)


@given(meshes())
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back(tmp_path: Path, mesh: Mesh) -> None:
    path = tmp_path / "mesh.obj"
    write_obj(mesh, path)
    again = read_obj(path)
    for name in ("vertices", "polygon_sizes", "polygon_vertices", "uvs", "polygon_uvs", "colours", "polygon_groups"):
        before, after = getattr(mesh, name), getattr(again, name)
        assert (before is None) == (after is None), name
        if before is not None:
            np.testing.assert_array_equal(before, after, err_msg=name)
            assert before.dtype == after.dtype
    assert again.group_names == mesh.group_names


def test_writing_is_deterministic_and_leaves_no_other_file(tmp_path: Path) -> None:
    for name in ("a.obj", "b.obj"):
        write_obj(cube_mesh(), tmp_path / name)
    assert (tmp_path / "a.obj").read_bytes() == (tmp_path / "b.obj").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.obj", "b.obj"]


def test_order_quads_ngons_and_unused_vertices_are_kept(tmp_path: Path) -> None:
    mesh = obj(
        tmp_path,
        "# comment\nmtllib x.mtl\nv 9 9 9\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0 # above\nv 0.5 2 0\nv 0 0 0\n\n"
        "vn 0 0 1\ns off\nf 2//1 3//1 4//1 5//1\nf 2 3 4 \\\n6 5\n",
    )
    assert len(mesh.vertices) == 7
    assert mesh.vertices[0].tolist() == [9, 9, 9]
    assert mesh.polygon_sizes.tolist() == [4, 5]
    assert mesh.polygon_vertices.tolist() == [1, 2, 3, 4, 1, 2, 3, 5, 4]
    assert mesh.uvs is None
    assert mesh.group_names == ()


def test_negative_indices_count_back_from_the_last_vertex_read(tmp_path: Path) -> None:
    mesh = obj(tmp_path, "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 0 0 1\nf -4 -3 -1\n")
    assert mesh.polygon_vertices.tolist() == [0, 1, 2, 0, 1, 3]


def test_groups_are_named_by_what_tells_them_apart(tmp_path: Path) -> None:
    head = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
    one_object = obj(tmp_path, head + "o Head\ng skin\nf 1 2 3\ng teeth\nf 1 2 3\n")
    assert one_object.group_names == ("skin", "teeth")
    two_objects = obj(tmp_path, head + "o Head\nusemtl pink\nf 1 2 3\nf 1 2 3\no Eyes\nusemtl white\nf 1 2 3\n")
    assert two_objects.group_names == ("Head/pink", "Eyes/white")
    assert two_objects.polygon_groups is not None
    assert two_objects.polygon_groups.tolist() == [0, 0, 1]


def test_corners_without_uvs_are_marked_in_a_file_that_has_some(tmp_path: Path) -> None:
    mesh = obj(tmp_path, "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 1\nf 1/1 2/2 3/1\nf 1 3 2\n")
    assert mesh.polygon_uvs is not None
    assert mesh.polygon_uvs.tolist() == [0, 1, 0, -1, -1, -1]


def test_material_libraries_beside_the_file_colour_the_vertices(tmp_path: Path) -> None:
    Image.fromarray(np.uint8([[[255, 0, 0], [255, 0, 0], [0, 0, 255], [0, 0, 255]]])).save(tmp_path / "skin a.png")
    (tmp_path / "face.mtl").write_text("newmtl skin\nKd 1 1 1\nmap_Kd skin a.png\n\nnewmtl eye\n  Kd 0.1 0.2 0.3\n")
    mesh = obj(
        tmp_path,
        "mtllib face.mtl\nmtllib ../other.mtl\n"
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 5 0 0\nv 6 0 0\nv 5 1 0\nvt 0.25 0\nvt 0.75 0\n"
        "usemtl skin\nf 1/1 2/2 3/2\nusemtl eye\nf 4 5 6\n",
    )
    assert mesh.colours is not None
    np.testing.assert_allclose(mesh.colours[:3], [[1, 0, 0], [0, 0, 1], [0, 0, 1]], atol=0.01)
    np.testing.assert_allclose(mesh.colours[3:], [[0.1, 0.2, 0.3]] * 3, atol=1e-6)


def test_names_may_hold_a_hash(tmp_path: Path) -> None:
    """3ds Max calls a material ``Material #25``."""
    (tmp_path / "face.mtl").write_text("newmtl Material #25\n\tKd\t0.1 0.2 0.3\nnewmtl plain\nKd 0.4 0.5 0.6\n")
    faces = "usemtl Material #25 # skin\nf 1 2 3 # one\nusemtl plain # eyes\nf 4 5 6\n"
    vertices = "".join(f"v {k} {k % 2} 0#\n" for k in range(6))
    mesh = obj(tmp_path, f"mtllib face.mtl\n{vertices}{faces}")
    assert mesh.group_names == ("Material #25", "plain")
    assert mesh.colours is not None
    np.testing.assert_allclose(mesh.colours[[0, 3]], [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], atol=1e-6)


@given(st.integers(3, 9), st.integers(0, 2**32 - 1))
def test_triangles_of_a_convex_polygon_keep_its_side_and_area(corners: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    points = np.stack([np.cos(angle), np.sin(angle), np.zeros(corners)], axis=1).astype(np.float32)
    mesh = Mesh(points, np.array([corners], np.int32), np.arange(corners, dtype=np.int32))
    a, b, c = (points[mesh.triangles[:, k]] for k in range(3))
    doubled = np.cross(b - a, c - a)[:, 2]
    x, y = points[:, 0].astype(float), points[:, 1].astype(float)
    assert (doubled >= -1e-5).all()
    assert doubled.sum() == pytest.approx(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))), abs=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", "vertex 4"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 0\n", "line 4"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf -9 2 1\n", "line 4"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1/7 2/1 3/1\n", "texture coordinate"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2\n", "three corners"),
        ("v 0 0\n", "line 1"),
        ("v 0 0 zero\n", "line 1"),
        ("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not finite"),
        ("v 0 0 inf\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not finite"),
        ("v 0 0 1e60\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not finite"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\n", "point cloud"),
        ("v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", "one point"),
        ("hello, this is a text\n", "no vertex"),
        ("\x00\x01\x02\x03", "no vertex"),
    ],
)
def test_bad_files_give_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        obj(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert "face.obj" in str(caught.value)


@pytest.mark.parametrize("index", ["99999999999", "-99999999999", "1" * 30])
def test_an_index_beyond_all_vertices_is_refused(tmp_path: Path, index: str) -> None:
    (tmp_path / "wild.obj").write_text(f"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 {index}\n")
    with pytest.raises(InputError, match="line 4"):
        read_obj(tmp_path / "wild.obj")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b.mtl", "circle.mtl"])
def test_a_library_that_cannot_be_a_file_is_left_out(tmp_path: Path, name: str) -> None:
    (tmp_path / "circle.mtl").symlink_to(tmp_path / "circle.mtl")
    (tmp_path / "head.obj").write_text(f"mtllib {name}\nusemtl a\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert read_obj(tmp_path / "head.obj").materials == ()
