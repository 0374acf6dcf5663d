"""What files say of the look of a surface: edges, opacity, normal maps, backs; and that a face file keeps it."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sedtalker.export.gltf_builder import GltfBuilder
from sedtalker.face.sedface import face_arrays, face_from_arrays
from sedtalker.mesh.files import read_mesh
from sedtalker.mesh.gltf_file import chunks
from sedtalker.mesh.mesh import Material
from sedtalker.mesh.ply import write_ply
from sedtalker.mesh.surface import smoothing_of_normals, split_vertices
from tests.support.cube import cube_face, cube_mesh
from tests.support.painted import halves, png, sheet
from tests.support.user_file import written

FOLD = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 2 0 1\nv 2 1 1\n"


def obj(folder: Path, text: str, library: str = "") -> Path:
    (folder / "a.obj").write_text(text)
    (folder / "a.mtl").write_text(library)
    return folder / "a.obj"


@pytest.mark.parametrize(
    ("faces", "edges"),
    [
        ("f 1 2 3 4\nf 2 5 6 3\n", False),
        ("s 1\nf 1 2 3 4\nf 2 5 6 3\n", False),
        ("s 1\nf 1 2 3 4\ns 2\nf 2 5 6 3\n", True),
        ("s off\nf 1 2 3 4\nf 2 5 6 3\n", True),
        ("s what\nf 1 2 3 4\nf 2 5 6 3\n", False),
        ("vn 0 0 1\nvn -.7 0 .7\nf 1//1 2//1 3//1 4//1\nf 2//2 5//2 6//2 3//2\n", True),
        ("vn 0 0 1\nvn -.1 0 1\nf 1//1 2//1 3//1 4//1\nf 2//2 5//2 6//2 3//2\n", False),
        ("vn 0 0 1\nvn x\nf 1//1 2//1 3//1 4//1\nf 2//9 5//9 6//9 3//9\n", False),
    ],
)
def test_smoothing_groups_and_normals_of_an_obj_make_edges(tmp_path: Path, faces: str, edges: bool) -> None:
    mesh = read_mesh(obj(tmp_path, FOLD + faces))
    _, triangles, _, _ = split_vertices(mesh)
    assert (len(np.unique(triangles)) == 8) == edges


@given(st.integers(0, 2**16), st.integers(1, 6))
def test_split_vertices_keep_every_triangle(seed: int, groups: int) -> None:
    numbers = np.random.default_rng(seed).integers(0, groups, 24).astype(np.int32)
    mesh = replace(cube_mesh(), polygon_smoothing=numbers)
    for uvs in (False, True):
        sources, triangles, weld, places = split_vertices(mesh, uvs)
        np.testing.assert_array_equal(sources[triangles], mesh.triangles)
        np.testing.assert_array_equal(sources[:8], np.arange(8))
        assert weld.max() < len(sources)
        assert (places is None) != uvs


def test_normals_that_agree_make_no_edge() -> None:
    places = np.array([0, 0, 1, 1])
    assert smoothing_of_normals(places, np.tile([0.0, 0.0, 2.0], (4, 1))) is None
    bent = smoothing_of_normals(places, np.array([[0, 0, 1], [0, 1, 0], [0, 0, 1], [0, 0, 1.0]]))
    assert bent is not None
    assert bent[0] != bent[1]
    assert bent[2] == bent[3]


def test_a_material_library_has_opacity_and_normals(tmp_path: Path) -> None:
    (tmp_path / "c.png").write_bytes(halves((200, 100, 50), (200, 100, 50)))
    (tmp_path / "d.png").write_bytes(halves((255, 255, 255), (0, 0, 0)))
    (tmp_path / "n.png").write_bytes(halves((128, 128, 255), (140, 128, 250)))
    (tmp_path / "h.png").write_bytes(halves((10, 10, 10), (200, 200, 200)))
    library = (
        "newmtl a\nmap_Kd c.png\nmap_d d.png\nmap_Bump -bm 0.5 n.png\nnewmtl b\nbump h.png\nnewmtl c\nnorm n.png\n"
    )
    faces = "mtllib a.mtl\nvt 0 0\nusemtl a\nf 1/1 2/1 3/1\nusemtl b\nf 1/1 3/1 4/1\nusemtl c\nf 2/1 5/1 6/1\n"
    first, second, third = read_mesh(obj(tmp_path, FOLD + faces, library)).materials
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.alpha, first.normal_scale) == ("BLEND", 0.5)
    assert first.normal == third.normal == (tmp_path / "n.png").read_bytes()
    assert second.normal is None  # heights
    with Image.open(io.BytesIO(first.texture or b"")) as image:
        assert image.convert("RGBA").getpixel((2, 2)) == (200, 100, 50, 255)
        assert image.convert("RGBA").getpixel((13, 2)) == (200, 100, 50, 0)


@pytest.mark.parametrize("picture", ["nothere.png", "broken.png", r"C:\\Users\\x\\skin.jpg", "x" * 300 + "\x07"])
def test_a_texture_that_cannot_be_had_is_noted_once(tmp_path: Path, picture: str) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no")
    (tmp_path / "here.png").write_bytes(halves((1, 2, 3), (4, 5, 6)))
    library = f"newmtl a\nmap_Kd {picture}\nnewmtl b\nmap_Kd {picture}\nmap_d here.png\nnewmtl unused\nnorm other.png\n"
    faces = "mtllib a.mtl\nvt 0 0\nusemtl a\nf 1/1 2/1 3/1\nusemtl b\nf 1/1 3/1 4/1\n"
    notes = read_mesh(obj(tmp_path, FOLD + faces, library)).notes
    assert len(notes) == 1
    assert (picture if len(picture) < 100 else "'" + "x" * 100 + "…'") in notes[0]
    assert ("cannot be read" if picture == "broken.png" else "no file beside") in notes[0]
    assert notes[0].isprintable()
    assert read_mesh(obj(tmp_path, FOLD + faces, library.replace(picture, "here.png"))).notes == ()


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ({"uri": "no%20where.png"}, "'no where.png' is no file beside"),
        ({"uri": "data:image/png;base64,AAAA", "name": "Skin"}, "'Skin' cannot be read"),
        ({"bufferView": 99}, "'0' cannot be read"),
    ],
)
def test_a_texture_of_a_gltf_that_cannot_be_had_is_noted(tmp_path: Path, image: dict[str, Any], name: str) -> None:
    document = json.loads(chunks(written(tmp_path / "a.glb"))[0])
    blob = chunks(tmp_path / "a.glb")[1]
    document["materials"][1]["pbrMetallicRoughness"] = {"baseColorTexture": {"index": 0}}
    builder = GltfBuilder(document, blob)
    builder._images = [image]
    builder.write(tmp_path / "a.glb", document)
    notes = read_mesh(tmp_path / "a.glb").notes
    assert len(notes) == 1
    assert name in notes[0]


def test_a_gltf_says_cutoff_backs_normals_and_edges(tmp_path: Path) -> None:
    picture = png(np.full((4, 4, 3), 128))
    points = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [1, 1, 1]])
    normals = np.float32([[0, 0, 1]] * 3 + [[1, 0, 0]] * 3)
    blob = points.tobytes() + normals.tobytes() + np.zeros((6, 2), np.float32).tobytes() + picture
    views = [(0, 72), (72, 72), (144, 48), (192, len(picture))]
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}, "material": 0}]}],
        "materials": [
            {"alphaMode": "MASK", "alphaCutoff": 0.25, "doubleSided": True, "normalTexture": {"index": 0, "scale": 0.5}}
        ],
        "textures": [{"source": 0}],
        "images": [{"bufferView": 3, "mimeType": "image/png"}],
        "accessors": [
            {"bufferView": k, "componentType": 5126, "count": 6, "type": kind}
            for k, kind in enumerate(("VEC3", "VEC3", "VEC2"))
        ],
        "bufferViews": [{"buffer": 0, "byteOffset": start, "byteLength": length} for start, length in views],
        "buffers": [{"byteLength": len(blob)}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    blob += b"\0" * (-len(blob) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob
    (tmp_path / "a.glb").write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
    mesh = read_mesh(tmp_path / "a.glb")
    material = mesh.materials[0]
    assert material is not None
    assert (material.cutoff, material.double_sided, material.normal_scale) == (0.25, True, 0.5)
    assert material.normal == picture
    assert mesh.polygon_smoothing is not None
    assert mesh.polygon_smoothing[1] != mesh.polygon_smoothing[3]  # one place, two directions


def test_the_picture_of_a_ply_is_its_texture(tmp_path: Path) -> None:
    mesh = replace(sheet(Material("m")), colours=None, materials=())
    write_ply(mesh, tmp_path / "a.ply")
    data = (tmp_path / "a.ply").read_bytes()
    (tmp_path / "none.ply").write_bytes(data.replace(b"element vertex", b"comment TextureFile \nelement vertex", 1))
    assert (read_mesh(tmp_path / "none.ply").materials, read_mesh(tmp_path / "none.ply").notes) == ((), ())
    (tmp_path / "a.ply").write_bytes(
        data.replace(b"element vertex", b"comment TextureFile skin.png\nelement vertex", 1)
    )
    lacking = read_mesh(tmp_path / "a.ply")
    assert lacking.materials == ()  # there is no such file
    assert "'skin.png' is no file beside" in lacking.notes[0]
    (tmp_path / "skin.png").write_bytes(halves((220, 20, 20), (20, 20, 220)))
    again = read_mesh(tmp_path / "a.ply")
    assert again.notes == ()
    assert again.materials[0] is not None
    assert again.materials[0].texture == (tmp_path / "skin.png").read_bytes()
    assert again.colours is not None
    assert again.colours[2, 0] > 3 * again.colours[2, 2]


def test_a_face_file_keeps_looks() -> None:
    face = cube_face()
    look = Material("skin", alpha="MASK", texture=halves((1, 2, 3), (4, 5, 6)), cutoff=0.3, double_sided=False,
                    normal=halves((128, 128, 255), (128, 128, 255)), normal_scale=0.7)  # fmt: skip
    numbers = np.arange(24, dtype=np.int32)
    kept = replace(face, mesh=replace(face.mesh, materials=(look, None), polygon_smoothing=numbers))
    again = face_from_arrays(face_arrays(kept)).mesh
    assert again.materials == (look, None)
    np.testing.assert_array_equal(again.polygon_smoothing, numbers)
