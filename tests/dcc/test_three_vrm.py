"""three-vrm, of VRM's own authors, plays our animations on a small avatar made here, and the web package moves it."""

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
from sedtalker.face.arkit import ARKIT_52
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


def avatar(path: Path, presets: tuple[str, ...], customs: tuple[str, ...], version: int = 1) -> Path:
    """A triangle with a morph target for each expression, on a skeleton twice as large as that of the animation.

    Of VRM 0 it looks along -Z.
    """
    names, builder = [*presets, *customs], GltfBuilder()
    corners = np.array([[0, 1.7, 0], [0.1, 1.7, 0], [0, 1.8, 0]], np.float32)
    target = {"POSITION": builder.accessor(np.full((3, 3), 0.01, np.float32), bounds=True)}
    primitive = {"attributes": {"POSITION": builder.accessor(corners, bounds=True)}, "targets": [target] * len(names)}
    nodes: list[dict[str, Any]] = [
        {
            "name": f"J_{name}",
            "translation": [2.0 * x * (1 if version or axis == 1 else -1) for axis, x in enumerate(place)],
        }
        for name, (_, place) in BODY.items()
    ]
    for index, (parent, _) in enumerate(BODY.values()):
        if parent:
            nodes[list(BODY).index(parent)].setdefault("children", []).append(index)
    nodes.append({"name": "face", "mesh": 0})
    extensions = extension_of_1(presets, customs) if version else extension_of_0(presets, customs)
    document = {
        "asset": {"version": "2.0"},
        "extensionsUsed": list(extensions),
        "extensions": extensions,
        "scene": 0,
        "scenes": [{"nodes": [0, len(BODY)]}],
        "nodes": nodes,
        "meshes": [{"primitives": [primitive], "extras": {"targetNames": names}}],
    }
    builder.write(path, document)
    return path


def extension_of_1(presets: tuple[str, ...], customs: tuple[str, ...]) -> dict[str, Any]:
    """What VRM 1 says of the avatar: each expression is a morph target of its own."""
    names = [*presets, *customs]
    made = {
        name: {"morphTargetBinds": [{"node": len(BODY), "index": k, "weight": 1.0}]} for k, name in enumerate(names)
    }
    spread = {"inputMaxValue": 90.0, "outputScale": 90.0}
    ranges = ("HorizontalInner", "HorizontalOuter", "VerticalDown", "VerticalUp")
    vrm = {
        "specVersion": "1.0",
        "meta": {"name": "triangle", "authors": ["test"], "licenseUrl": "https://vrm.dev/licenses/1.0/"},
        "humanoid": {"humanBones": {name: {"node": index} for index, name in enumerate(BODY)}},
        "expressions": {
            "preset": {name: made[name] for name in presets},
            "custom": {name: made[name] for name in customs},
        },
        "lookAt": {"type": "bone", "offsetFromHeadBone": [0, 0.1, 0], **{f"rangeMap{x}": spread for x in ranges}},
    }
    return {"VRMC_vrm": vrm}


PRESETS_OF_0 = {
    "aa": "a", "ih": "i", "ou": "u", "ee": "e", "oh": "o", "blinkLeft": "blink_l", "blinkRight": "blink_r",
    "happy": "joy", "angry": "angry", "sad": "sorrow",
}  # fmt: skip
"""VRM 0's names of the expressions of VRM 1; it has no surprise."""


def extension_of_0(presets: tuple[str, ...], customs: tuple[str, ...]) -> dict[str, Any]:
    """What VRM 0 says of the avatar."""
    groups = [
        {
            "name": name,
            "presetName": PRESETS_OF_0.get(name, "unknown"),
            "binds": [{"mesh": 0, "index": k, "weight": 100.0}],
        }
        for k, name in enumerate([*presets, *customs])
    ]
    spread = {"curve": [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0], "xRange": 90.0, "yRange": 90.0}
    ranges = ("HorizontalInner", "HorizontalOuter", "VerticalDown", "VerticalUp")
    vrm = {
        "specVersion": "0.0",
        "meta": {"title": "triangle", "author": "test"},
        "humanoid": {"humanBones": [{"bone": name, "node": index} for index, name in enumerate(BODY)]},
        "blendShapeMaster": {"blendShapeGroups": groups},
        "firstPerson": {
            "lookAtTypeName": "Bone",
            "firstPersonBoneOffset": {"x": 0.0, "y": 0.1, "z": 0.0},
            **{f"lookAt{x}": spread for x in ranges},
        },
        "materialProperties": [],
    }
    return {"VRM": vrm}


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
    weights = solve_arkit(animation.face, animation.coefficients, animation.fps)
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
    weights = solve_arkit(spoken.face, spoken.coefficients, spoken.fps)
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
    weights = solve_arkit(spoken.face, spoken.coefficients, spoken.fps)
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


# --- The adapter of the web package.


def frames_of(animation: Animation) -> list[dict[str, Any]]:
    """The frames at ``SECONDS`` as the web package has them."""
    assert animation.track is not None
    made = []
    for second in SECONDS:
        weights, _, _ = shown(animation, second)
        head = animation.head_rotation[round(second * animation.fps)].tolist()
        made.append(
            {"weights": weights.tolist(), "tongue": [0, 0, 0], "head": head, "emotion": "happy", "intensity": 0.6}
        )
    return made


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("spelling", [None, "jawOpen", "JawOpen"], ids=str)
def test_the_web_page_moves_an_avatar_of_either_version(
    tmp_path: Path, packages: Path, builtin: Example, version: int, spelling: str | None
) -> None:
    spoken, names = builtin.animation, ("aa", "blinkLeft", "happy")
    if spelling:
        names = tuple(name if spelling[0] == "j" else name[0].upper() + name[1:] for name in ARKIT_52)
    body = avatar(tmp_path / "a.vrm", () if spelling else names, names if spelling else (), version)
    (tmp_path / "frames.json").write_text(json.dumps(frames_of(spoken)))
    answer = played(packages, body, tmp_path / "frames.json")
    for second, frame in zip(SECONDS, answer["frames"], strict=True):
        weights, gaze, angle = shown(spoken, second)
        # Where shapes move the eyes, the bones of the eyes stay as they are.
        np.testing.assert_allclose(frame["gaze"], 0.0 * gaze if spelling else gaze, atol=0.05)
        expected = Rotation.from_rotvec(spoken.head_rotation[round(second * spoken.fps)])
        assert (Rotation.from_quat(frame["head"]) * expected.inv()).magnitude() < 1e-3
        assert angle > 0.0
        values = frame["values"]
        if spelling:
            expected_values = dict(zip(names, weights.tolist(), strict=True))
        else:
            expected_values = {n: float(v[0]) for n, v in preset_expressions(weights[None], {"happy": [0.6]}).items()}
        assert {name: values[name] for name in names} == pytest.approx(
            {name: expected_values[name] for name in names}, abs=1e-5
        )
        np.testing.assert_allclose(frame["influences"], [values[name] for name in names], atol=1e-6)
