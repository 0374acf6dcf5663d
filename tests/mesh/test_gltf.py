"""Reading of glTF features that this project does not write itself."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sedtalker.errors import InputError
from sedtalker.export.formats import export
from sedtalker.mesh.files import read_mesh, read_scene
from sedtalker.mesh.gltf import read_gltf
from tests.support.memory import memory_watched
from tests.support.moving import moving_cube

POINTS = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
STRIP = np.uint8([0, 1, 2, 3])


def document(**changes: Any) -> dict[str, Any]:
    """A quad as a triangle strip under a moved and scaled node, its buffer inside."""
    data = POINTS.tobytes() + STRIP.tobytes()
    return {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"children": [1], "translation": [0, 0, 5]}, {"name": "Head", "mesh": 0, "scale": [2, 2, 2]}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "mode": 5, "material": 0}]}],
        "materials": [{"name": "Skin", "pbrMetallicRoughness": {"baseColorFactor": [0.5, 0.25, 0.125, 1]}}],
        "buffers": [
            {"byteLength": len(data), "uri": "data:application/octet-stream;base64," + base64.b64encode(data).decode()}
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 48},
            {"buffer": 0, "byteOffset": 48, "byteLength": 4},
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3", "min": [0, 0, 0], "max": [1, 1, 0]},
            {"bufferView": 1, "componentType": 5121, "count": 4, "type": "SCALAR"},
        ],
        **changes,
    }


def written(tmp_path: Path, content: dict[str, Any]) -> Path:
    path = tmp_path / "quad.gltf"
    path.write_text(json.dumps(content))
    return path


def test_strips_node_transforms_and_material_colours(tmp_path: Path) -> None:
    mesh = read_mesh(written(tmp_path, document()))
    np.testing.assert_allclose(mesh.vertices, POINTS * 2 + np.float32([0, 0, 5]))
    assert mesh.triangles.tolist() == [[0, 1, 2], [2, 1, 3]]
    assert mesh.group_names == ("Head/Skin",)
    assert mesh.colours is not None
    np.testing.assert_allclose(mesh.colours[0], [0.735, 0.537, 0.389], atol=2e-3)


def test_a_mirroring_node_keeps_outsides_outside(tmp_path: Path) -> None:
    nodes = [{"mesh": 0, "scale": [-1, 1, 1]}]
    mesh = read_mesh(written(tmp_path, document(nodes=nodes)))
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


@pytest.mark.parametrize("part", ["mesh", "primitive"])
def test_sparse_morph_targets_follow_the_node(tmp_path: Path, part: str) -> None:
    content = document()
    offset = np.float32([[0, 0, 1]]).tobytes() + np.uint16([3]).tobytes()
    content["buffers"].append({"byteLength": len(offset), "uri": "data:;base64," + base64.b64encode(offset).decode()})
    content["bufferViews"] += [
        {"buffer": 1, "byteOffset": 0, "byteLength": 12},
        {"buffer": 1, "byteOffset": 12, "byteLength": 2},
    ]
    sparse = {
        "count": 1,
        "indices": {"bufferView": 3, "componentType": 5123},
        "values": {"bufferView": 2},
    }
    content["accessors"].append({"componentType": 5126, "count": 4, "type": "VEC3", "sparse": sparse})
    content["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": 2}]
    mesh = content["meshes"][0]  # files of VRM 0 name the targets at the primitives
    (mesh if part == "mesh" else mesh["primitives"][0])["extras"] = {"targetNames": ["tongueOut"]}
    scene = read_gltf(written(tmp_path, content))
    assert scene.target_names == ("tongueOut",)
    assert scene.targets[0].tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 2]]


def picture() -> bytes:
    """Left half red, right half blue."""
    stream = io.BytesIO()
    Image.fromarray(np.uint8([[[255, 0, 0], [255, 0, 0], [0, 0, 255], [0, 0, 255]]])).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("image", [picture(), b"no picture"])
def test_textures_are_read_at_the_vertices(tmp_path: Path, image: bytes) -> None:
    content = document()
    uvs = np.float32([[0.25, 0.5], [0.75, 0.5], [0.25, 0.5], [0.75, 0.5]]).tobytes()
    content["buffers"].append({"byteLength": 32, "uri": "data:;base64," + base64.b64encode(uvs).decode()})
    content["bufferViews"].append({"buffer": 1, "byteOffset": 0, "byteLength": 32})
    content["accessors"].append({"bufferView": 2, "componentType": 5126, "count": 4, "type": "VEC2"})
    content["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"] = 2
    content["materials"][0]["pbrMetallicRoughness"] = {"baseColorTexture": {"index": 0}}
    content["textures"] = [{"source": 0}]
    content["images"] = [{"uri": "skin%20a.png"}]
    (tmp_path / "skin a.png").write_bytes(image)
    mesh = read_mesh(written(tmp_path, content))
    if image == picture():
        assert mesh.colours is not None
        np.testing.assert_allclose(mesh.colours, [[1, 0, 0], [0, 0, 1]] * 2, atol=0.01)
    else:
        assert mesh.colours is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extensionsRequired": ["KHR_draco_mesh_compression"]}, "KHR_draco_mesh_compression"),
        ({"nodes": [{"name": "empty"}]}, "no mesh"),
        ({"nodes": [{"mesh": 0, "children": [0]}]}, "broken"),
        ({"nodes": [{"mesh": 7}]}, "broken"),
        ({"buffers": [{"byteLength": 4, "uri": "data:;base64,AAAAAA=="}]}, "broken"),
        ({"buffers": [{"byteLength": 52, "uri": "../secret.bin"}]}, "not a file beside it"),
        ({"buffers": [{"byteLength": 52, "uri": "/etc/hostname"}]}, "not a file beside it"),
    ],
)
def test_broken_files_give_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_mesh(written(tmp_path, document(**changes)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_targets_and_texture_coordinates_are_finite(tmp_path: Path, value: float) -> None:
    """What is no number at rest is refused elsewhere; here it would come out of every format."""
    for what in ("targets", "TEXCOORD_0"):
        content = document()
        added = np.float32([[0, 0, value]] * 4 if what == "targets" else [[0, value]] * 4).tobytes()
        content["buffers"].append({"byteLength": len(added), "uri": f"data:;base64,{base64.b64encode(added).decode()}"})
        content["bufferViews"].append({"buffer": 1, "byteOffset": 0, "byteLength": len(added)})
        kind = "VEC3" if what == "targets" else "VEC2"
        content["accessors"].append({"bufferView": 2, "componentType": 5126, "count": 4, "type": kind})
        primitive = content["meshes"][0]["primitives"][0]
        if what == "targets":
            primitive["targets"] = [{"POSITION": 2}]
        else:
            primitive["attributes"][what] = 2
        with pytest.raises(InputError, match="morph target" if what == "targets" else "texture coordinates"):
            read_scene(written(tmp_path, content))


@pytest.mark.parametrize("count", [600_000, 100_000_000, 10**18])
def test_a_small_file_cannot_claim_many_vertices(tmp_path: Path, count: int) -> None:
    accessors = [{"componentType": 5126, "count": count, "type": "VEC3"}]
    primitive = {"attributes": {"POSITION": 0}}
    path = written(tmp_path, document(meshes=[{"primitives": [primitive]}], accessors=accessors))
    with memory_watched(), pytest.raises(InputError, match="vertices"):
        read_mesh(path)


def test_a_small_file_cannot_claim_many_targets(tmp_path: Path) -> None:
    accessors = [{"componentType": 5126, "count": 400_000, "type": "VEC3"}]
    primitive = {"attributes": {"POSITION": 0}, "targets": [{"POSITION": 0}] * 400}
    path = written(tmp_path, document(meshes=[{"primitives": [primitive]}], accessors=accessors))
    with memory_watched(), pytest.raises(InputError, match="morph targets"):
        read_mesh(path)


def test_instances_count_together(tmp_path: Path) -> None:
    accessors = [{"componentType": 5126, "count": 400_000, "type": "VEC3"}]
    nodes = [{"mesh": 0}, {"mesh": 0}]
    meshes = [{"primitives": [{"attributes": {"POSITION": 0}}]}]
    scenes = [{"nodes": [0, 1]}]
    path = written(tmp_path, document(meshes=meshes, accessors=accessors, nodes=nodes, scenes=scenes))
    with pytest.raises(InputError, match="limit of 500000 vertices"):
        read_mesh(path)


@pytest.mark.parametrize("uri", ["x" * 300, "a\0b", "../quad.gltf", "none.bin"])
def test_a_buffer_is_a_file_beside(tmp_path: Path, uri: str) -> None:
    path = written(tmp_path, document(buffers=[{"byteLength": 52, "uri": uri}]))
    with pytest.raises(InputError, match="not a file beside it"):
        read_mesh(path)


def test_a_file_that_claims_or_repeats_is_refused_soon(tmp_path: Path) -> None:
    many = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": list(range(30_000))}],
        "nodes": [{"mesh": 0}] * 30_000,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"componentType": 5126, "count": 3, "type": "VEC3"}],
    }
    for name, data, said in (
        ("a.gltf", json.dumps(many).encode(), "nodes are over the limit"),
        ("a.gltf", b"[" * 100_000, "nested"),
        ("a.gltf", b"[]", "not a glTF"),
        ("a.glb", b"glTF\x02\0\0\0" + b"\xff" * 4 + b"\xff\xff\xff\x7fJSON{}", "cut short"),
        ("a.glb", b"glTF\x01\0\0\0", "not a glTF file of version 2"),
    ):
        (tmp_path / name).write_bytes(data)
        with memory_watched(500 * 2**20), pytest.raises(InputError, match=said):
            read_mesh(tmp_path / name)


def test_names_of_the_json_are_only_names(tmp_path: Path) -> None:
    text = json.dumps({"asset": {"version": "2.0", "__class__": "x", "__init__": 1}, "nodes": [{"__getattr__": 0}]})
    (tmp_path / "a.gltf").write_text(text)
    with pytest.raises(InputError, match="no mesh"):
        read_mesh(tmp_path / "a.gltf")


def test_an_avatar_of_vrm_is_a_glb(tmp_path: Path) -> None:
    export(moving_cube(1), tmp_path / "cube.glb")
    shutil.copy(tmp_path / "cube.glb", tmp_path / "cube.VRM")
    np.testing.assert_array_equal(*(read_mesh(tmp_path / f"cube.{x}").vertices for x in ("glb", "VRM")))
