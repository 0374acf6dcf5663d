"""Clips of Unity and Godot, read by others: unityparser, and PyYAML with Unity's tags; Godot's is run in tests/dcc.

Motions of Live2D are read by the rules of its file format.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation, Slerp

from sedtalker.animation.animation import Animation
from sedtalker.animation.mouth_rules import RULES
from sedtalker.export import clips
from sedtalker.export.arkit import solve_arkit
from sedtalker.export.clips import MIRRORED, OPEN_GAP
from sedtalker.export.formats import export
from sedtalker.export.targets import choose_targets
from sedtalker.face.builtin import load_face
from tests.support.exports import read_fbx
from tests.support.memory import memory_watched
from tests.support.moving import moving_cube, speaking_face
from tests.support.standing import standing


class UnityLoader(yaml.SafeLoader):
    """PyYAML that reads an object of Unity as a mapping."""


UnityLoader.add_multi_constructor("tag:unity3d.com,2011:", lambda loader, _, node: loader.construct_mapping(node, True))


def clip(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), UnityLoader)["AnimationClip"]
    return read


def at_frames(curve: dict[str, Any], animation: Animation) -> np.ndarray:
    """Values of a curve of numbers at the frames, by Unity's cubic with its tangents."""
    keys = curve["curve"]["m_Curve"]
    times, values = ([key[name] for key in keys] for name in ("time", "value"))
    for first, last in itertools.pairwise(keys):
        slope = (last["value"] - first["value"]) / (last["time"] - first["time"])
        assert [first["outSlope"], last["inSlope"]] == pytest.approx([slope, slope], abs=1e-5), "a straight line"
    return np.interp(np.arange(len(animation)) / animation.fps, times, values)


@pytest.mark.slow
@pytest.mark.parametrize("animation", [moving_cube(12), speaking_face(40)], ids=["cube", "face"])
def test_unity_has_the_values_of_the_animation(animation: Animation, tmp_path: Path) -> None:
    said = export(animation, tmp_path / "speech.anim", audio=tmp_path / "speech.wav")
    chosen = choose_targets(animation.face, animation.coefficients, "arkit", animation.fps)
    read = clip(tmp_path / "speech.anim")
    assert (read["m_Name"], read["m_SampleRate"], said["targets"]) == ("speech", animation.fps, len(chosen.names))
    curves = {curve["attribute"]: curve for curve in read["m_FloatCurves"]}
    assert list(curves) == [f"blendShape.{name}" for name in chosen.names]
    assert {(c["path"], c["classID"]) for c in curves.values()} == {(animation.face.name, 137)}
    for name, weights in zip(chosen.names, chosen.weights.T, strict=True):
        np.testing.assert_allclose(at_frames(curves[f"blendShape.{name}"], animation) / 100, weights, atol=1e-4)
    (turning,) = read["m_RotationCurves"]
    keys = turning["curve"]["m_Curve"]
    turns = Rotation.from_quat([[key["value"][part] for part in "xyzw"] for key in keys] * MIRRORED)
    seen = Slerp([key["time"] for key in keys], turns)(np.round(np.arange(len(animation)) / animation.fps, 6))
    np.testing.assert_allclose(seen.as_rotvec(), animation.head_rotation, atol=1e-4)


def test_unitys_paths_are_those_of_the_fbx(tmp_path: Path) -> None:
    animation = moving_cube(5, face=standing())
    for name in ("a.anim", "a.fbx"):
        export(animation, tmp_path / name)
    read, fbx = clip(tmp_path / "a.anim"), read_fbx(tmp_path / "a.fbx")
    models = {o.values[1].split("\0")[0] for o in fbx.objects.values() if o.name == "Model"}
    assert models == {read["m_FloatCurves"][0]["path"], *read["m_RotationCurves"][0]["path"].split("/")}
    shapes = {o.values[1].split("\0")[0] for o in fbx.objects.values() if o.values[2] == "BlendShapeChannel"}
    assert {f"blendShape.{name}" for name in shapes} == {curve["attribute"] for curve in read["m_FloatCurves"]}


def test_unityparser_reads_it(tmp_path: Path) -> None:
    unityparser = pytest.importorskip("unityparser", reason="unityparser is not installed")
    export(moving_cube(5), tmp_path / "a.anim")
    (read,) = unityparser.UnityDocument.load_yaml(str(tmp_path / "a.anim")).entries
    assert type(read).__name__ == "AnimationClip"
    assert len(read.m_FloatCurves) == len(clip(tmp_path / "a.anim")["m_FloatCurves"])
    assert float(read.m_AnimationClipSettings["m_StopTime"]) == pytest.approx(4 / 30, abs=1e-6)


def test_what_stays_the_same_has_two_keys(tmp_path: Path) -> None:
    export(speaking_face(40), tmp_path / "a.anim")
    counts = [len(curve["curve"]["m_Curve"]) for curve in clip(tmp_path / "a.anim")["m_FloatCurves"]]
    assert (min(counts), max(counts)) == (2, 40)


@pytest.mark.parametrize("name", ["a.anim", "a.tres"])
def test_one_frame_is_written(name: str, tmp_path: Path) -> None:
    export(moving_cube(1), tmp_path / name)
    assert "nan" not in (tmp_path / name).read_text().lower()


def test_godots_paths_fit_the_nodes_of_the_glb(tmp_path: Path) -> None:
    export(moving_cube(3), tmp_path / "whole.tres")
    export(moving_cube(3, face=standing()), tmp_path / "skinned.tres")
    whole, skinned = (tmp_path / "whole.tres").read_text(), (tmp_path / "skinned.tres").read_text()
    assert 'NodePath("head/cube:blend_shapes/jawOpen")' in whole
    assert 'NodePath("head")' in whole
    assert 'NodePath("Skeleton3D/figure:blend_shapes/jawOpen")' in skinned
    assert 'NodePath("Skeleton3D:head")' in skinned


def live2d(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A motion's description, and times and values (N, 2) of each parameter, as Cubism's framework reads segments."""
    held = json.loads(path.read_text(encoding="utf-8"))
    curves = {}
    for curve in held["Curves"]:
        assert curve["Target"] == "Parameter"
        first, rest = curve["Segments"][:2], np.reshape(curve["Segments"][2:], (-1, 3))
        assert not rest[:, 0].any(), "straight lines"
        curves[curve["Id"]] = np.concatenate([[first], rest[:, 1:]])
    return held["Meta"], curves


def posed(weights: dict[str, float], turn: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Animation:
    """Two frames of the built-in face: at rest, and with some shapes, its head turned by degrees."""
    face = load_face()
    coefficients = np.zeros((2, len(face.shapes)), np.float32)
    for name, weight in weights.items():
        coefficients[1, face.shape_index[name]] = weight
    return Animation(coefficients, 30.0, face, np.radians([(0.0, 0.0, 0.0), turn]).astype(np.float32))


@pytest.mark.parametrize(
    ("weights", "turn", "moved"),
    [
        ({"jawOpen": 0.7}, (0, 0, 0), {"ParamMouthOpenY": (0.4, 1.0)}),
        ({"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}, (0, 0, 0), {"ParamMouthForm": (0.9, 1.0)}),
        ({"mouthPucker": 0.9}, (0, 0, 0), {"ParamMouthForm": (-1.0, -0.5)}),
        ({"eyeBlinkLeft": 1.0}, (0, 0, 0), {"ParamEyeLOpen": (0.0, 0.1)}),
        ({"browDownRight": 0.9}, (0, 0, 0), {"ParamBrowRY": (-1.0, -0.7)}),
        ({"eyeLookOutLeft": 0.8, "eyeLookInRight": 0.8}, (0, 0, 0), {"ParamEyeBallX": (0.6, 1.0)}),
        ({}, (0, 20, 0), {"ParamAngleX": (19.9, 20.1)}),
        ({}, (-15, 0, 0), {"ParamAngleY": (14.9, 15.1)}),
        ({}, (0, 0, 10), {"ParamAngleZ": (-10.1, -9.9)}),
    ],
)
def test_live2d_moves_the_parameter_of_a_shape(weights, turn, moved, tmp_path: Path) -> None:
    export(posed(weights, turn), tmp_path / "a.motion3.json")
    _, curves = live2d(tmp_path / "a.motion3.json")
    for name, values in curves.items():
        resting = 1.0 if name.endswith("Open") else 0.0
        assert values[0, 1] == pytest.approx(resting, abs=0.02), name
        low, high = moved.get(name, (resting - 0.15, resting + 0.15))
        assert low <= values[-1, 1] <= high, name


def test_live2d_counts_what_it_holds(tmp_path: Path) -> None:
    animation = speaking_face(40)
    said = export(animation, tmp_path / "a.motion3.json", "live2d")
    about, curves = live2d(tmp_path / "a.motion3.json")
    assert (about["CurveCount"], said["parameters"]) == (len(curves), len(curves))
    assert about["TotalSegmentCount"] == sum(len(values) - 1 for values in curves.values())
    assert about["TotalPointCount"] == sum(map(len, curves.values()))
    assert (about["Fps"], about["Duration"]) == (animation.fps, pytest.approx(39 / animation.fps, abs=1e-5))
    mouth = curves["ParamMouthOpenY"]
    weights = solve_arkit(animation.face, animation.coefficients, animation.fps)
    gaps = np.clip(weights @ RULES.gaps / OPEN_GAP, 0.0, 1.0)
    np.testing.assert_allclose(np.interp(np.arange(40) / animation.fps, *mouth.T), gaps, atol=1e-4)


def test_a_clip_of_an_hour_is_written_curve_by_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text is more than a gigabyte."""
    draws, times = np.random.default_rng(0), np.arange(1000) / 30.0
    shapes = [(f"shape{k}", draws.uniform(size=(len(times), 1))) for k in range(30)]
    monkeypatch.setattr(clips, "_motion", lambda *given: (times, shapes, draws.uniform(size=(len(times), 4)), {}))
    with memory_watched(3 * 2**20):
        export(moving_cube(1), tmp_path / "a.anim")
    assert (tmp_path / "a.anim").stat().st_size > 6 * 2**20
