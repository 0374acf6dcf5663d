"""A user's GLB or VRM keeps all that is hers when speech is put into it, and moves as the face does."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sedtalker.animation.animation import Animation
from sedtalker.export.gltf_builder import GltfBuilder
from sedtalker.export.own_file import write_animation_glb
from sedtalker.face.added_parts import PlacedPart, parts_after, with_parts
from sedtalker.face.face import Face, head_weights, turn_head
from sedtalker.mesh.gltf import read_gltf
from sedtalker.mesh.gltf_file import GltfFile, chunks
from sedtalker.mesh.mesh import from_triangles
from tests.support.user_file import ROTATION, SCALE, TRANSLATION, Change, grid, spoken, translated, written


def document_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(chunks(path)[0])
    return found


def at_frame(path: Path, frame: int, folder: Path) -> NDArray[np.float64]:
    """The scene's vertices in a frame of the first animation, as the glTF specification moves them."""
    file, document = GltfFile(path), document_of(path)
    builder = GltfBuilder(document, chunks(path)[1])
    for channel in document["animations"][0]["channels"]:
        node, sampler = channel["target"]["node"], document["animations"][0]["samplers"][channel["sampler"]]
        values = file.accessor(sampler["output"]).reshape(3, -1)[frame]
        if channel["target"]["path"] == "rotation":
            document["nodes"][node]["rotation"] = values.tolist()
            continue
        for primitive in document["meshes"][document["nodes"][node]["mesh"]]["primitives"]:
            position = primitive["attributes"]["POSITION"]
            moved = file.accessor(position).copy()
            for weight, target in zip(values, primitive["targets"], strict=True):
                moved += weight * file.accessor(target["POSITION"])
            primitive["attributes"] = {
                **primitive["attributes"],
                "POSITION": builder.accessor(moved.astype(np.float32)),
            }
            primitive["targets"] = []
    builder.write(folder / "frame.glb", document)
    return read_gltf(folder / "frame.glb").mesh.vertices.astype(np.float64)


def expected(animation: Animation, frame: int, weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """The face's vertices of that frame in the coordinates of the file."""
    face = animation.face
    still = face.mesh.vertices + np.tensordot(animation.coefficients[frame], face.basis[:2], axes=1)
    turn = Rotation.from_rotvec(animation.head_rotation[frame]).as_matrix()[None]
    turned = turn_head(still[None], turn, face.pivot, weights.astype(np.float32))[0]
    return np.asarray((turned - TRANSLATION) @ ROTATION.as_matrix() / SCALE)


def as_set(vertices: NDArray[np.floating]) -> set[tuple[float, ...]]:
    return {tuple(row) for row in np.round(np.asarray(vertices, np.float64), 2).tolist()}


@pytest.mark.parametrize("skinned", [False, True], ids=["nodes", "skin"])
def test_all_that_is_hers_stays(tmp_path: Path, skinned: bool) -> None:
    mine = written(tmp_path / "mine.glb", skinned=skinned)
    write_animation_glb(tmp_path / "out.glb", spoken(mine, teeth=True), "a.wav", "all")
    before, after = document_of(mine), document_of(tmp_path / "out.glb")
    for key in ("extensions", "extensionsUsed", "images", "textures", "scene"):
        assert after[key] == before[key], key
    for key in ("materials", "accessors", "bufferViews", "skins"):
        assert after.get(key, [])[: len(before.get(key, []))] == before.get(key, []), key
    assert after["asset"] == {**before["asset"], "extras": {"author": "Ada", "seed": 3, "audio": "a.wav"}}
    for node, same in zip(before["nodes"], after["nodes"], strict=False):
        assert {k: same[k] for k in node if k != "children"} == {k: v for k, v in node.items() if k != "children"}
        assert set(node.get("children", [])) <= set(same.get("children", []))
    assert after["meshes"][1] == before["meshes"][1]
    assert after["meshes"][0]["extras"]["targetNames"] == ["wink", "jawOpen", "mouthSmileLeft"]
    assert [p["targets"][0] for p in after["meshes"][0]["primitives"]] == [
        p["targets"][0] for p in before["meshes"][0]["primitives"]
    ]
    assert chunks(tmp_path / "out.glb")[1].startswith(chunks(mine)[1])
    assert [a["name"] for a in after["animations"]] == ["speech", "Idle"]


def test_an_animation_of_hers_goes_on_moving_her_target_alone(tmp_path: Path) -> None:
    mine = written(tmp_path / "mine.glb")
    write_animation_glb(tmp_path / "out.glb", spoken(mine), targets="all")
    idle = document_of(tmp_path / "out.glb")["animations"][1]
    sampler = idle["samplers"][idle["channels"][0]["sampler"]]
    assert GltfFile(tmp_path / "out.glb").accessor(sampler["output"]).reshape(2, -1).tolist() == [[0] * 3, [1, 0, 0]]


def near_pivot(document: dict[str, Any]) -> None:
    """A node for the head, with a turn and a stretch in a matrix, above the face."""
    matrix = translated(0.0, -9.0, 0.0)
    matrix[:3, :3] = 2.0 * Rotation.from_euler("z", 30, degrees=True).as_matrix()
    document["nodes"].append({"name": "Head", "matrix": matrix.T.ravel().tolist(), "children": [3]})
    back = np.linalg.inv(matrix).T.ravel().tolist()
    document["nodes"].append({"name": "Neck", "matrix": back, "children": [0]})
    document["scenes"][0]["nodes"] = [2]


@pytest.mark.parametrize("frame", range(3))
@pytest.mark.parametrize(
    ("change", "skinned", "shoulders"),
    [(None, False, False), (None, True, False), (near_pivot, False, False), (None, False, True)],
    ids=["a new node", "a joint", "a node of hers", "new joints"],
)
def test_it_moves_as_the_face_does(
    tmp_path: Path, change: Change | None, skinned: bool, shoulders: bool, frame: int
) -> None:
    mine = written(tmp_path / "mine.glb", change, skinned)
    animation = spoken(mine, shoulders=shoulders, teeth=True)
    write_animation_glb(tmp_path / "out.glb", animation, targets="all")
    assert document_of(tmp_path / "out.glb")["asset"]["generator"] == "her tool"
    weights = head_weights(animation.face)
    assert (weights.min() < 0.5) == shoulders
    wanted = expected(animation, frame, weights)
    hat = slice(len(grid()[0]), len(grid()[0]) + 3)
    rows = np.r_[: hat.start, hat.stop : len(wanted)] if skinned else np.arange(len(wanted))  # her hat hangs elsewhere
    assert as_set(wanted[rows]) <= as_set(at_frame(tmp_path / "out.glb", frame, tmp_path))


def test_a_target_that_is_there_already_is_used(tmp_path: Path) -> None:
    mine = written(tmp_path / "mine.glb")
    write_animation_glb(tmp_path / "first.glb", spoken(mine), targets="all")
    again = replace(spoken(mine), face=replace(spoken(mine).face, file=tmp_path / "first.glb"))
    write_animation_glb(tmp_path / "second.glb", again, targets="all")
    first, second = document_of(tmp_path / "first.glb"), document_of(tmp_path / "second.glb")
    assert first["meshes"] == second["meshes"]
    assert len(second["animations"]) == 3

    def other(document: dict[str, Any]) -> None:
        document["meshes"][0]["extras"]["targetNames"] = ["jawOpen"]

    write_animation_glb(tmp_path / "third.glb", spoken(written(tmp_path / "other.glb", other)), targets="all")
    names = document_of(tmp_path / "third.glb")["meshes"][0]["extras"]["targetNames"]
    assert names == ["jawOpen", "jawOpen speech", "mouthSmileLeft"]


def test_two_nodes_that_show_one_mesh_move_by_themselves(tmp_path: Path) -> None:
    def twice(document: dict[str, Any]) -> None:
        document["nodes"].append({"name": "Twin", "mesh": 0, "translation": [50.0, 0.0, 0.0]})
        document["scenes"][0]["nodes"].append(2)

    mine = written(tmp_path / "mine.glb", twice)
    animation = spoken(mine, turning=False)
    animation.face.basis[1, -2:] = 0.005  # of the twin
    write_animation_glb(tmp_path / "out.glb", animation, targets="all")
    made = document_of(tmp_path / "out.glb")
    assert [node.get("mesh") for node in made["nodes"]] == [0, 1, 2]
    assert made["meshes"][0]["extras"]["targetNames"] == ["wink", "jawOpen", "mouthSmileLeft"]
    assert made["meshes"][2]["extras"]["targetNames"] == ["wink", "mouthSmileLeft"]


def vrm1(document: dict[str, Any]) -> None:
    expressions = {"preset": {"aa": {"morphTargetBinds": [{"node": 0, "index": 0, "weight": 1.0}]}}}
    bones = {"head": {"node": 3}}
    document["extensions"]["VRMC_vrm"] = {"humanoid": {"humanBones": bones}, "expressions": expressions}


def vrm0(document: dict[str, Any]) -> None:
    groups = [{"name": "A", "presetName": "a", "binds": [{"mesh": 0, "index": 0, "weight": 100}]}, {"name": "JawOpen"}]
    bones = [{"bone": "head", "node": 3}]
    document["extensions"]["VRM"] = {
        "humanoid": {"humanBones": bones},
        "blendShapeMaster": {"blendShapeGroups": groups},
    }


def test_avatars_get_the_expressions_that_they_lack(tmp_path: Path) -> None:
    mine = written(tmp_path / "mine.vrm", vrm1, skinned=True)
    write_animation_glb(tmp_path / "out.glb", spoken(mine), targets="all")
    made = document_of(tmp_path / "out.glb")["extensions"]["VRMC_vrm"]["expressions"]
    assert made["preset"] == document_of(mine)["extensions"]["VRMC_vrm"]["expressions"]["preset"]
    assert made["custom"]["jawOpen"] == {"morphTargetBinds": [{"node": 0, "index": 1, "weight": 1.0}]}
    assert list(made["custom"]) == ["jawOpen", "mouthSmileLeft"]

    mine = written(tmp_path / "old.vrm", vrm0, skinned=True)
    write_animation_glb(tmp_path / "old.glb", spoken(mine), targets="all")
    groups = document_of(tmp_path / "old.glb")["extensions"]["VRM"]["blendShapeMaster"]["blendShapeGroups"]
    assert [group["name"] for group in groups] == ["A", "JawOpen", "MouthSmileLeft"]
    assert groups[2]["binds"] == [{"mesh": 0, "index": 2, "weight": 100.0}]


def no_scene(document: dict[str, Any]) -> None:
    document["nodes"][0]["skin"] = 0  # no joint has a name that is known
    document["skins"] = [{"joints": [1]}]


def loose_picture(document: dict[str, Any]) -> None:
    document["images"] = [{"uri": "skin.png"}]


def shared(document: dict[str, Any]) -> None:
    document["meshes"][0]["primitives"][1]["extras"] = {"firstVertex": 0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [(no_scene, "no joint called head"), (loose_picture, "not one file"), (shared, "share vertices")],
)
def test_why_it_is_not_in_her_file_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: Change, reason: str
) -> None:
    mine = written(tmp_path / "mine.glb", None if change is loose_picture else change)
    animation = spoken(mine)
    if change is loose_picture:
        document = document_of(mine)
        change(document)
        builder = GltfBuilder(document, chunks(mine)[1])
        builder._images = document["images"]
        builder.write(mine, document)
    with caplog.at_level(logging.INFO):
        write_animation_glb(tmp_path / "out.glb", animation, targets="all")
    assert "mine.glb" in caplog.text
    assert reason in caplog.text
    assert document_of(tmp_path / "out.glb")["asset"]["generator"].startswith("SEDTalker")


def test_a_face_of_no_file_is_written_alone_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    animation = spoken(written(tmp_path / "mine.glb"))
    with caplog.at_level(logging.INFO):
        write_animation_glb(tmp_path / "out.glb", replace(animation, face=replace(animation.face, file=None)))
    assert not caplog.records
    gone = replace(animation, face=replace(animation.face, file=tmp_path / "gone.glb"))
    write_animation_glb(tmp_path / "out.glb", gone)
    moved = replace(animation.face, mesh=animation.face.mesh.with_vertices(animation.face.mesh.vertices + 1.0))
    write_animation_glb(tmp_path / "out.glb", replace(animation, face=moved))


def test_the_parts_after_a_face_are_what_was_added() -> None:
    vertices, triangles = grid()
    face = Face("a", from_triangles(vertices, triangles), ("jawOpen",), np.zeros((1, len(vertices), 3), np.float32))
    part = PlacedPart("teeth", vertices[:3].astype(float), np.ones((1, 3, 3)), np.array([[0, 2, 1]]), (1, 1, 1), ())
    alone = parts_after(with_parts(face, [part]), len(vertices))
    assert alone.mesh.triangles.tolist() == [[0, 2, 1]]
    assert (alone.mesh.vertices == vertices[:3]).all()
    assert (alone.basis == 1.0).all()
