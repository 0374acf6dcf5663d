"""What stands in a GLB beside the vertices: materials, bones, what is left out, names."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sedtalker.export.glb import _sixteen_bits, split_at_seams, write_glb
from sedtalker.export.own_file import write_animation_glb
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Material
from sedtalker.version import __version__
from tests.support.cube import cube_face, cube_mesh
from tests.support.moving import moving_cube
from tests.support.standing import PIVOT, standing


class File:
    """The JSON of a GLB and its numbers."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        size = struct.unpack("<I", data[12:16])[0]
        self.json: dict[str, Any] = json.loads(data[20 : 20 + size])
        self.binary = data[28 + size :]

    def values(self, index: int) -> np.ndarray:
        accessor = self.json["accessors"][index]
        kind = {5126: "<f4", 5125: "<u4", 5123: "<u2", 5121: "<u1"}[accessor["componentType"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor["type"]]
        found = np.zeros((accessor["count"], width), kind)
        if "bufferView" in accessor:
            found[:] = np.frombuffer(self._view(accessor["bufferView"]), kind).reshape(-1, width)
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            at = np.frombuffer(self._view(sparse["indices"]["bufferView"]), "<u2")
            found[at] = np.frombuffer(self._view(sparse["values"]["bufferView"]), kind).reshape(-1, width)
        return found

    def _view(self, index: int) -> bytes:
        view = self.json["bufferViews"][index]
        return self.binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]


def written(tmp_path: Path, face: Face, *given: Any, **options: Any) -> File:
    write_glb(tmp_path / "a.glb", face, *given, **options)
    return File(tmp_path / "a.glb")


def test_the_file_says_who_wrote_it_and_what_from(tmp_path: Path) -> None:
    write_animation_glb(tmp_path / "a.glb", moving_cube(2), audio="speech.wav")
    asset = File(tmp_path / "a.glb").json["asset"]
    assert asset["generator"] == f"SEDTalker {__version__}"
    assert asset["extras"] == {"seed": 1, "audio": "speech.wav"}
    still = written(tmp_path, cube_face())
    assert "extras" not in still.json["asset"]
    assert "animations" not in still.json
    assert still.json["meshes"][0]["extras"]["targetNames"] == ["jawOpen", "mouthClose"]
    assert still.json["meshes"][0]["weights"] == [0.0, 0.0]


def test_materials_of_ours_shine_by_their_part_and_take_colours_from_vertices(tmp_path: Path) -> None:
    file = written(tmp_path, cube_face())
    skin, eyes = file.json["materials"]
    assert [m["name"] for m in (skin, eyes)] == ["skin", "eyes"]
    for material, roughness in ((skin, 0.55), (eyes, 0.12)):
        assert material["pbrMetallicRoughness"] == {"metallicFactor": 0.0, "roughnessFactor": roughness}
        assert material["doubleSided"]
        assert "alphaMode" not in material
    first, second = file.json["meshes"][0]["primitives"]
    assert [p["material"] for p in (first, second)] == [0, 1]
    colours = file.values(first["attributes"]["COLOR_0"]) / 65535
    mesh = cube_face().mesh
    encoded = np.asarray(mesh.colours)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(colours[:8, :3], linear, atol=1e-4)
    assert (colours[:, 3] == 1).all()
    uvs = file.values(first["attributes"]["TEXCOORD_0"]) / 65535
    assert file.json["accessors"][first["attributes"]["TEXCOORD_0"]]["normalized"]
    sources, _, expected = split_at_seams(mesh)
    np.testing.assert_allclose(uvs, expected, atol=1e-4)
    assert second["extras"]["firstVertex"] + file.values(second["indices"]).max() <= len(sources)
    assert "extras" not in first


def test_uvs_beyond_the_picture_are_kept_as_they_are(tmp_path: Path) -> None:
    for uvs in ([[0, 0], [1.5, 0], [1, 1], [0, 1]], [[-0.5, 0], [1, 0], [1, 1], [0, 1]]):
        face = replace(cube_face(), mesh=replace(cube_mesh(), uvs=np.array(uvs, np.float32)))
        file = written(tmp_path, face)
        accessor = file.json["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"]
        assert file.json["accessors"][accessor]["componentType"] == 5126
        np.testing.assert_allclose(file.values(accessor), split_at_seams(face.mesh)[2])


def test_the_users_own_materials(tmp_path: Path) -> None:
    picture = b"\x89PNG\r\n\x1a\n picture"
    own = (
        Material("cloth", (0.5, 0.25, 1.0, 0.5), 0.25, 0.75, "BLEND", picture),
        Material("glass", (1.0, 1.0, 1.0, 0.5), alpha="MASK"),
    )
    file = written(tmp_path, replace(cube_face(), mesh=replace(cube_mesh(), materials=own)))
    cloth, glass = file.json["materials"]
    look = cloth["pbrMetallicRoughness"]
    assert (look["metallicFactor"], look["roughnessFactor"]) == (0.25, 0.75)
    assert look["baseColorFactor"] == [0.5, 0.25, 1.0, 0.5]
    assert look["baseColorTexture"] == {"index": 0}
    assert cloth["alphaMode"] == "BLEND"
    assert glass["alphaMode"] == "MASK"
    assert glass["pbrMetallicRoughness"]["baseColorFactor"] == [1.0, 1.0, 1.0, 0.5]
    textured, plain = file.json["meshes"][0]["primitives"]
    assert "COLOR_0" not in textured["attributes"], "the texture has the colours"
    assert "COLOR_0" in plain["attributes"]
    bare = replace(cube_mesh(), materials=own, uvs=None, polygon_uvs=None)
    untextured = written(tmp_path, replace(cube_face(), mesh=bare))
    assert "baseColorTexture" not in untextured.json["materials"][0]["pbrMetallicRoughness"]
    assert "COLOR_0" in untextured.json["meshes"][0]["primitives"][0]["attributes"]


@pytest.mark.parametrize(("offset", "kept"), [(2.9e-5, False), (3.1e-5, True)])
@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_offsets_under_three_hundredths_of_a_millimetre_are_left_out(
    tmp_path: Path, offset: float, kept: bool, weight: float
) -> None:
    basis = np.zeros((1, 8, 3), np.float32)
    basis[0, 0], basis[0, 5, 1] = 0.1, offset / weight
    face = Face("cube", cube_mesh(), ("jawOpen",), basis)
    file = written(tmp_path, face, np.full((2, 1), weight, np.float32))
    moved = file.values(file.json["meshes"][0]["primitives"][0]["targets"][0]["POSITION"])
    assert bool(moved[5].any()) == kept
    np.testing.assert_allclose(moved[0], 0.1)


def test_normals_are_bent_only_where_it_shows(tmp_path: Path) -> None:
    face = cube_face()
    file = written(tmp_path, face)
    bent = file.values(file.json["meshes"][0]["primitives"][0]["targets"][0]["NORMAL"])
    size = np.abs(bent).max(1)
    assert ((size == 0) | (size >= 0.03)).all()
    assert (size > 0.03).any()


def test_a_head_without_shoulders_turns_as_a_node(tmp_path: Path) -> None:
    animation = moving_cube(3)
    file = written(tmp_path, animation.face, animation.coefficients, 25.0, animation.head_rotation)
    head, shown = file.json["nodes"]
    assert (head["name"], head["children"], head["translation"]) == ("head", [1], [0, -1, 0])
    assert shown["translation"] == [0, 1, 0]
    assert "skins" not in file.json
    channels = file.json["animations"][0]["channels"]
    assert [(c["target"]["node"], c["target"]["path"]) for c in channels] == [(1, "weights"), (0, "rotation")]
    samplers = file.json["animations"][0]["samplers"]
    assert {s["interpolation"] for s in samplers} == {"LINEAR"}
    np.testing.assert_allclose(file.values(samplers[0]["input"])[:, 0], [0, 0.04, 0.08])
    turns = file.values(samplers[1]["output"])
    np.testing.assert_allclose(np.linalg.norm(turns, axis=1), 1.0, atol=1e-6)
    assert ((turns[1:] * turns[:-1]).sum(1) >= 0).all()


def test_a_head_on_shoulders_is_a_joint(tmp_path: Path) -> None:
    face = standing()
    file = written(tmp_path, face, np.zeros((2, 1), np.float32), 30.0, np.zeros((2, 3), np.float32))
    skin = file.json["skins"][0]
    assert [file.json["nodes"][k]["name"] for k in skin["joints"]] == ["body", "head"]
    inverse = file.values(skin["inverseBindMatrices"]).reshape(2, 4, 4)
    np.testing.assert_array_equal(inverse[0], np.eye(4))
    np.testing.assert_allclose(inverse[1, 3], [*-PIVOT, 1])
    attributes = file.json["meshes"][0]["primitives"][0]["attributes"]
    joints, weights = file.values(attributes["JOINTS_0"]), file.values(attributes["WEIGHTS_0"]).astype(int)
    assert (weights.sum(1) == 65535).all()
    assert set(np.unique(joints[:, 1])) == {0, 1}
    assert (joints[:, 1] == (weights[:, 1] > 0)).all()
    top, bottom = face.mesh.vertices[:, 1].argmax(), face.mesh.vertices[:, 1].argmin()
    assert weights[top, 1] == weights[bottom, 0] == 65535


def test_a_head_turns_the_short_way_between_frames(tmp_path: Path) -> None:
    """Past half a turn the usual quaternion changes sign; linear interpolation would then go the long way round."""
    angles = np.array([3.0, 3.3, 3.6, 3.0])
    file = written(tmp_path, cube_face(), np.zeros((4, 2)), 25.0, angles[:, None] * (0, 1, 0), targets="all")
    (animation,) = file.json["animations"]
    channel = next(c for c in animation["channels"] if c["target"]["path"] == "rotation")
    turns = file.values(animation["samplers"][channel["sampler"]]["output"])
    np.testing.assert_allclose(turns, [[0, np.sin(a / 2), 0, np.cos(a / 2)] for a in angles], atol=1e-6)


def test_turns_must_fit_the_frames(tmp_path: Path) -> None:
    for turns in (np.zeros((3, 3)), np.zeros((2, 2))):
        with pytest.raises(ValueError, match="head rotations"):
            write_glb(tmp_path / "a.glb", cube_face(), np.zeros((2, 2), np.float32), 30.0, turns)
    assert not list(tmp_path.iterdir())


def test_shares_are_kept_as_sixteen_bits() -> None:
    assert _sixteen_bits(np.array([0.0, 0.5, 1.0, 2.0, -1.0, 1 / 65535])).tolist() == [0, 32768, 65535, 65535, 0, 1]
