"""The Godot resource in a real Godot: version 3, as Debian has it, after the renamings between it and Godot 4."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sedtalker.export.formats import export
from sedtalker.export.targets import choose_targets
from tests.dcc.conftest import Example, missing

PLAYS = """
extends SceneTree

class Face:
    extends Spatial
    var weights = {}
    func _get(name):
        return weights.get(name, 0.0) if name.begins_with("blend_shapes/") else null
    func _set(name, value):
        if not name.begins_with("blend_shapes/"):
            return false
        weights[name.substr(13)] = value
        return true

func _init():
    var scene = Spatial.new()
    get_root().add_child(scene)
    var skeleton = Skeleton.new()
    skeleton.name = "Skeleton3D"
    skeleton.add_bone("body")
    skeleton.add_bone("head")
    scene.add_child(skeleton)
    var face = Face.new()
    face.name = "FACE"
    skeleton.add_child(face)
    var player = AnimationPlayer.new()
    scene.add_child(player)
    var animation = load("res://speech.tres")
    player.add_animation("speech", animation)
    player.play("speech")
    var seen = []
    for time in TIMES:
        player.seek(time, true)
        var turn = skeleton.get_bone_pose(1).basis.get_rotation_quat()
        seen.append({"weights": face.weights.duplicate(), "turn": [turn.x, turn.y, turn.z, turn.w]})
    print("SEEN", to_json({"length": animation.length, "step": animation.step, "frames": seen}))
    quit()
"""
"""A scene with the nodes that the GLB has in Godot, and what the player sets in it."""


def as_godot_3(text: str) -> str:
    """The resource in the words of Godot 3, whose tracks of bones also have places (first) and sizes (last)."""

    def moved(match: re.Match[str]) -> str:
        rows = np.array(match[2].split(", "), float).reshape(-1, 6)
        whole = np.hstack([rows[:, :2], np.zeros((len(rows), 3)), rows[:, 2:], np.ones((len(rows), 3))])
        return f"{match[1]}PoolRealArray({', '.join(map(str, whole.ravel()))})"

    text = re.sub(r'("rotation_3d".*?keys = )PackedFloat32Array\(([^)]*)\)', moved, text, flags=re.DOTALL)
    for new, old in (("rotation_3d", "transform"), ("format=3", "format=2"), ("PackedFloat32Array", "PoolRealArray")):
        text = text.replace(new, old)
    return text


@pytest.mark.slow
def test_godot_3_plays_the_values_of_the_animation(builtin: Example, tmp_path: Path) -> None:
    program = shutil.which("godot3-server")
    if program is None:
        missing("no Godot: apt install godot3-server")
    animation = builtin.animation
    export(animation, tmp_path / "made.tres")
    (tmp_path / "speech.tres").write_text(as_godot_3((tmp_path / "made.tres").read_text()))
    frames = [0, 1, 17, len(animation) // 2, len(animation) - 1]
    script = PLAYS.replace("FACE", animation.face.name).replace("TIMES", str([k / animation.fps for k in frames]))
    (tmp_path / "plays.gd").write_text(script.replace("    ", "\t"))
    (tmp_path / "project.godot").write_text("config_version=4\n")
    done = subprocess.run(
        [program, "--path", str(tmp_path), "--script", "plays.gd"],
        capture_output=True,
        text=True,
        timeout=120,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("SEEN{")]
    assert said, done.stdout[-2000:] + done.stderr[-2000:]
    seen = json.loads(said[0].removeprefix("SEEN"))
    assert seen["length"] == pytest.approx((len(animation) - 1) / animation.fps, abs=1e-4)
    chosen = choose_targets(animation.face, animation.coefficients, "arkit", animation.fps)
    for frame, held in zip(frames, seen["frames"], strict=True):
        assert held["weights"] == pytest.approx(
            dict(zip(chosen.names, chosen.weights[frame].tolist(), strict=True)), abs=1e-4
        )
        turned = Rotation.from_quat(held["turn"]).as_rotvec()
        np.testing.assert_allclose(turned, animation.head_rotation[frame], atol=1e-4)
