"""Animations of VRM are played by three-vrm, its authors' own reader, on a small avatar made here."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sedtalker.animation.animation import Animation
from sedtalker.export.arkit import eye_angles, solve_arkit
from sedtalker.export.gltf_builder import GltfBuilder
from sedtalker.export.own_file import write_animation_glb
from sedtalker.export.vrm import BODY, preset_expressions, write_perfect_sync, write_presets
from tests.dcc.conftest import Example, missing
from tests.support.user_file import spoken as spoken_in

PLAY = Path(__file__).parent / "in_node" / "play_vrm.mjs"
SECONDS = (0.0, 0.5, 1.3)


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder of npm packages that holds three-vrm."""
    folder = Path(os.environ.get("SEDTALKER_NODE", ""))
    if not (folder / "node_modules" / "@pixiv" / "three-vrm-animation").is_dir():
        missing("no three-vrm: set SEDTALKER_NODE to a folder with node_modules, or use make test-dcc")
    return folder


def avatar(path: Path, presets: tuple[str, ...], customs: tuple[str, ...]) -> Path:
    """A triangle with a morph target for each expression, on a skeleton twice as large as that of the animation."""
    names, builder = [*presets, *customs], GltfBuilder()
    corners = np.array([[0, 1.7, 0], [0.1, 1.7, 0], [0, 1.8, 0]], np.float32)
    target = {"POSITION": builder.accessor(np.full((3, 3), 0.01, np.float32), bounds=True)}
    primitive = {"attributes": {"POSITION": builder.accessor(corners, bounds=True)}, "targets": [target] * len(names)}
    nodes: list[dict[str, Any]] = [
        {"name": f"J_{name}", "translation": [2.0 * x for x in place]} for name, (_, place) in BODY.items()
    ]
    for index, (parent, _) in enumerate(BODY.values()):
        if parent:
            nodes[list(BODY).index(parent)].setdefault("children", []).append(index)
    nodes.append({"name": "face", "mesh": 0})
    made = {
        name: {"morphTargetBinds": [{"node": len(BODY), "index": k, "weight": 1.0}]} for k, name in enumerate(names)
    }
    spread = {"inputMaxValue": 90.0, "outputScale": 90.0}
    ranges = ("HorizontalInner", "HorizontalOuter", "VerticalDown", "VerticalUp")
    extension = {
        "specVersion": "1.0",
        "meta": {"name": "triangle", "authors": ["test"], "licenseUrl": "https://vrm.dev/licenses/1.0/"},
        "humanoid": {"humanBones": {name: {"node": index} for index, name in enumerate(BODY)}},
        "expressions": {
            "preset": {name: made[name] for name in presets},
            "custom": {name: made[name] for name in customs},
        },
        "lookAt": {"type": "bone", "offsetFromHeadBone": [0, 0.1, 0], **{f"rangeMap{x}": spread for x in ranges}},
    }
    document = {
        "asset": {"version": "2.0"},
        "extensionsUsed": ["VRMC_vrm"],
        "extensions": {"VRMC_vrm": extension},
        "scene": 0,
        "scenes": [{"nodes": [0, len(BODY)]}],
        "nodes": nodes,
        "meshes": [{"primitives": [primitive], "extras": {"targetNames": names}}],
    }
    builder.write(path, document)
    return path


def played(packages: Path, body: Path, file: Path) -> dict[str, Any]:
    """What three-vrm shows at ``SECONDS``."""
    command = ["node", str(PLAY), str(packages.absolute()), str(body), str(file), *map(str, SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert done.stderr == ""
    return answer


def shown(animation: Animation, second: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Weights (52,), gaze (yaw, pitch) in degrees and the angle of the head at a moment."""
    weights = solve_arkit(animation.face, animation.coefficients, animation.fps).weights
    frame = round(second * animation.fps)
    yaw, pitch, _ = np.degrees(eye_angles(weights)[frame].mean(0))
    return weights[frame], np.array([-yaw, pitch]), float(np.linalg.norm(animation.head_rotation[frame]))


def check(answer: dict[str, Any], animation: Animation) -> None:
    """Length, head and gaze."""
    assert answer["duration"] == pytest.approx((len(animation) - 1) / animation.fps, abs=1e-4)
    for second, frame in zip(SECONDS, answer["frames"], strict=True):
        _, gaze, angle = shown(animation, second)
        np.testing.assert_allclose(frame["gaze"], gaze, atol=0.05)
        turned = Rotation.from_quat(frame["head"])
        expected = Rotation.from_rotvec(animation.head_rotation[round(second * animation.fps)])
        assert (turned * expected.inv()).magnitude() < 1e-3
        assert turned.magnitude() == pytest.approx(angle, abs=1e-3)


def test_vowels_blinks_and_emotions_are_those_of_the_face(tmp_path: Path, packages: Path, builtin: Example) -> None:
    spoken = builtin.animation
    names = ("aa", "ih", "ou", "ee", "oh", "blinkLeft", "blinkRight", "happy", "angry", "sad", "surprised")
    write_presets(tmp_path / "clip.vrma", spoken)
    answer = played(packages, avatar(tmp_path / "a.vrm", names, ()), tmp_path / "clip.vrma")
    check(answer, spoken)
    assert spoken.track is not None
    track = spoken.track.at(spoken.clock.times(len(spoken)))
    strengths = dict(zip(track.labels, (track.posterior * track.intensity[:, None]).T, strict=True))
    weights = solve_arkit(spoken.face, spoken.coefficients, spoken.fps).weights
    expected = preset_expressions(weights, strengths)
    for second, frame in zip(SECONDS, answer["frames"], strict=True):
        at = round(second * spoken.fps)
        values = [frame["values"][name] for name in names]
        np.testing.assert_allclose(values, [expected[name][at] for name in names], atol=2e-3)
        np.testing.assert_allclose(frame["influences"], values, atol=1e-6)
    assert max(frame["values"]["happy"] for frame in answer["frames"]) > 0.5


@pytest.mark.parametrize("spelling", ["jawOpen", "JawOpen"])
def test_perfect_sync_moves_avatars_of_either_spelling(
    tmp_path: Path, packages: Path, builtin: Example, spelling: str
) -> None:
    spoken = builtin.animation
    write_perfect_sync(tmp_path / "clip.vrma", spoken)
    answer = played(packages, avatar(tmp_path / "a.vrm", (), (spelling,)), tmp_path / "clip.vrma")
    check(answer, spoken)
    weights = solve_arkit(spoken.face, spoken.coefficients, spoken.fps).weights
    jaw = weights[:, 17]
    for second, frame in zip(SECONDS, answer["frames"], strict=True):
        assert frame["values"][spelling] == pytest.approx(float(jaw[round(second * spoken.fps)]), abs=2e-3)
    assert jaw.max() > 0.1


def test_an_avatar_with_speech_in_it_has_perfect_sync(tmp_path: Path, packages: Path, builtin: Example) -> None:
    body = avatar(tmp_path / "a.vrm", ("aa",), ())
    write_animation_glb(tmp_path / "mine.glb", spoken_in(body, jaw=slice(0, 2)), targets="all")
    write_perfect_sync(tmp_path / "clip.vrma", builtin.animation)
    answer = played(packages, tmp_path / "mine.glb", tmp_path / "clip.vrma")
    check(answer, builtin.animation)
    jaws = [frame["values"]["jawOpen"] for frame in answer["frames"]]
    assert max(jaws) > 0.01
    for jaw, frame in zip(jaws, answer["frames"], strict=True):
        assert "aa" in frame["values"]
        np.testing.assert_allclose(frame["influences"], [0.0, jaw], atol=1e-6)
