"""What a file's own morph targets can show is shown by them, whatever they are called and however large they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sedtalker.animation.animation import Animation
from sedtalker.export.gltf_builder import GltfBuilder
from sedtalker.export.own_file import write_animation_glb
from sedtalker.mesh.gltf_file import GltfFile, chunks
from tests.support.user_file import PLACE, ROTATION, SCALE, spoken, written


def with_targets(path: Path, offsets: dict[str, NDArray[np.floating]], **extensions: Any) -> Animation:
    """A file with further targets, given (V, 3) in metres of the face, and three frames of speech for it."""
    mine = written(path)
    document = json.loads(chunks(mine)[0])
    builder, face = GltfBuilder(document, chunks(mine)[1]), spoken(mine, turning=False)
    mesh = document["meshes"][0]
    rows = builder.count(mesh["primitives"][0]["attributes"]["POSITION"])
    for name, moved in offsets.items():
        local = moved[:rows] @ ROTATION.as_matrix() @ np.linalg.inv(PLACE[:3, :3]).T / SCALE
        target = {"POSITION": builder.accessor(local.astype(np.float32), bounds=True)}
        for primitive in mesh["primitives"]:
            primitive["targets"].append(dict(target))
        mesh["extras"]["targetNames"].append(name)
        mesh["weights"].append(0.0)
    del document["animations"]
    document["extensions"] |= extensions
    builder.write(mine, document)
    return face


def columns(path: Path) -> dict[str, list[float]]:
    """Names of the targets of the first mesh, and their weights in the animation."""
    document = json.loads(chunks(path)[0])
    names = document["meshes"][0]["extras"]["targetNames"]
    output = document["animations"][0]["samplers"][0]["output"]
    values = GltfFile(path).accessor(output).reshape(-1, len(names))
    return {name: np.round(values[:, k], 4).tolist() for k, name in enumerate(names)}


@pytest.mark.parametrize("name", ["jawOpen", "Face.M_JawOpen", "A25_Jaw_Open", "whatever"])
@pytest.mark.parametrize("factor", [1.0, 1.6, 0.5])
def test_her_target_is_driven_under_any_name_and_by_a_factor(tmp_path: Path, name: str, factor: float) -> None:
    jaw = spoken(written(tmp_path / "mine.glb")).face.basis[0]
    animation = with_targets(tmp_path / "mine.glb", {"other": jaw[::-1] / factor, name: jaw / factor})
    write_animation_glb(tmp_path / "out.glb", animation, targets="all")
    found = columns(tmp_path / "out.glb")
    assert list(found) == ["wink", "other", name, "mouthSmileLeft"]
    assert found[name] == pytest.approx([0.0, factor, 0.3 * factor], abs=1e-4)
    assert found["mouthSmileLeft"] == pytest.approx([0.0, 0.5, 0.8], abs=1e-4)
    assert found["wink"] == found["other"] == [0.0, 0.0, 0.0]


def test_two_sides_of_hers_make_one_shape(tmp_path: Path) -> None:
    jaw = spoken(written(tmp_path / "mine.glb")).face.basis[0]
    left, right = jaw.copy(), jaw.copy()
    left[10:], right[:10] = 0.0, 0.0
    animation = with_targets(tmp_path / "mine.glb", {"jawOpen_L": left, "jawOpen_R": 2.0 * right})
    write_animation_glb(tmp_path / "out.glb", animation, targets="all")
    found = columns(tmp_path / "out.glb")
    assert list(found) == ["wink", "jawOpen_L", "jawOpen_R", "mouthSmileLeft"]
    assert found["jawOpen_L"] == pytest.approx([0.0, 1.0, 0.3], abs=1e-4)
    assert found["jawOpen_R"] == pytest.approx([0.0, 0.5, 0.15], abs=1e-4)


@pytest.mark.parametrize("wrong", ["reversed", "too small", "something else"])
def test_what_hers_do_not_show_is_added(tmp_path: Path, wrong: str) -> None:
    jaw = spoken(written(tmp_path / "mine.glb")).face.basis[0]
    other = {"reversed": -jaw, "too small": 0.1 * jaw, "something else": jaw + 0.1 * jaw[::-1]}[wrong]
    animation = with_targets(tmp_path / "mine.glb", {"jawOpen": other})
    write_animation_glb(tmp_path / "out.glb", animation, targets="all")
    found = columns(tmp_path / "out.glb")
    assert list(found) == ["wink", "jawOpen", "jawOpen speech", "mouthSmileLeft"]
    assert found["jawOpen speech"] == pytest.approx([0.0, 1.0, 0.3], abs=1e-4)
    assert found["jawOpen"] == [0.0, 0.0, 0.0]


def test_a_target_of_hers_that_shows_two_shapes_gets_both_weights(tmp_path: Path) -> None:
    animation = with_targets(tmp_path / "mine.glb", {"jawOpen": spoken(written(tmp_path / "mine.glb")).face.basis[0]})
    basis = animation.face.basis.copy()
    basis[1] = 0.5 * basis[0]
    animation = replace(animation, face=replace(animation.face, basis=basis))
    write_animation_glb(tmp_path / "out.glb", animation, targets="all")
    assert columns(tmp_path / "out.glb")["jawOpen"] == pytest.approx([0.0, 1.25, 0.7], abs=1e-4)


@pytest.mark.parametrize(("factor", "weight"), [(1.6, 1.0), (0.5, 0.5)])
def test_expressions_of_avatars_have_no_weight_above_one(tmp_path: Path, factor: float, weight: float) -> None:
    jaw = spoken(written(tmp_path / "mine.glb")).face.basis[0] / factor
    vrm = {"VRMC_vrm": {"humanoid": {"humanBones": {}}}}
    write_animation_glb(tmp_path / "new.glb", with_targets(tmp_path / "mine.glb", {"A": jaw}, **vrm), targets="all")
    made = json.loads(chunks(tmp_path / "new.glb")[0])["extensions"]["VRMC_vrm"]["expressions"]["custom"]["jawOpen"]
    assert made == {"morphTargetBinds": [{"node": 0, "index": 1, "weight": pytest.approx(weight, abs=1e-4)}]}
    old = {"VRM": {"humanoid": {"humanBones": []}}}
    write_animation_glb(tmp_path / "old.glb", with_targets(tmp_path / "mine.glb", {"A": jaw}, **old), targets="all")
    groups = json.loads(chunks(tmp_path / "old.glb")[0])["extensions"]["VRM"]["blendShapeMaster"]["blendShapeGroups"]
    assert groups[0]["binds"] == [{"mesh": 0, "index": 1, "weight": pytest.approx(100.0 * weight, abs=1e-2)}]
