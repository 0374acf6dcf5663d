"""The motion without the mesh: a clip of Unity (``.anim``), an animation of Godot 4 (``.tres``), and a motion of Live2D
(``.motion3.json``).

The first two are text, and move the model that the engine makes of our FBX or GLB: blend shapes and the head, by their
names. Unity's is the YAML of an ``AnimationClip``, Godot's is the resource format of its editor. Live2D's moves any
drawn model with the standard parameters of Cubism. Frame i is at ``i / fps`` seconds, linear in between; a frame inside
a stretch where a value stays the same has no key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sedtalker.animation.animation import Animation
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.option_fields import Targets
from sedtalker.arrays import Doubles
from sedtalker.export.arkit import solve_arkit
from sedtalker.export.glb import quaternions_of
from sedtalker.export.targets import choose_targets
from sedtalker.face.arkit import both_sides
from sedtalker.face.face import head_weights
from sedtalker.face.shape_maps import ShapeMap
from sedtalker.storage import whole_file, write_text

DIGITS = 6
"""Decimals of seconds, weights and quaternions."""
PER_CENT = 100.0
"""Unity's weight of a blend shape that is fully there."""
MIRRORED = np.array([1.0, -1.0, -1.0, 1.0])
"""Signs of a quaternion x y z w in Unity's left-handed axes: its importers mirror x."""
UNITY_HEAD = "body/head"
"""The bone that turns the head, as the FBX nests it."""
LINEAR = 69
"""Unity's flags of a key whose two tangents are straight lines to its neighbours, each by itself."""
SKELETON = "Skeleton3D"
"""What Godot 4 calls the skeleton of a GLB; the skinned mesh becomes its child."""
NOT_IN_NODES = re.compile(r'[.:@/"%]')
"""Characters that Godot 4 replaces by ``_`` in the names of nodes."""

UNITY = """%YAML 1.1
%TAG !u! tag:unity3d.com,2011:
--- !u!74 &7400000
AnimationClip:
  m_ObjectHideFlags: 0
  m_CorrespondingSourceObject: {{fileID: 0}}
  m_PrefabInstance: {{fileID: 0}}
  m_PrefabAsset: {{fileID: 0}}
  m_Name: {name}
  serializedVersion: 6
  m_Legacy: 0
  m_Compressed: 0
  m_UseHighQualityCurve: 1
  m_RotationCurves:
{turns}  m_CompressedRotationCurves: []
  m_EulerCurves: []
  m_PositionCurves: []
  m_ScaleCurves: []
  m_FloatCurves:{none}
{shapes}  m_PPtrCurves: []
  m_SampleRate: {rate}
  m_WrapMode: 0
  m_Bounds:
    m_Center: {{x: 0, y: 0, z: 0}}
    m_Extent: {{x: 0, y: 0, z: 0}}
  m_AnimationClipSettings:
    serializedVersion: 2
    m_StartTime: 0
    m_StopTime: {end}
    m_LoopTime: 0
  m_EditorCurves: []
  m_EulerEditorCurves: []
  m_Events: []
"""
"""A clip of Unity 2018.3 and later; what it does not name has Unity's defaults."""
UNITY_KEY = """      - serializedVersion: 3
        time: {}
        value: {}
        inSlope: {}
        outSlope: {}
        tangentMode: {tangents}
        weightedMode: 0
        inWeight: {weight}
        outWeight: {weight}
"""
"""A key of a curve; its weights of a third count only where tangents are weighted."""
UNITY_CURVE = """  - curve:
      serializedVersion: 2
      m_Curve:
{keys}      m_PreInfinity: 2
      m_PostInfinity: 2
      m_RotationOrder: 4
"""
"""A curve, which keeps its first and last value before and after."""
GODOT_TRACK = """tracks/{n}/type = "{kind}"
tracks/{n}/imported = false
tracks/{n}/enabled = true
tracks/{n}/path = NodePath({path})
tracks/{n}/interp = 1
tracks/{n}/loop_wrap = false
tracks/{n}/keys = {keys}
"""
"""A track with linear interpolation."""


def write_unity(
    path: Path, animation: Animation, audio: str | None = None, targets: Targets | ShapeMap = "arkit"
) -> dict[str, Any]:
    """Write a clip for the model that Unity imports from ``write_fbx`` with the same ``targets``.

    Curves ``blendShape.NAME`` from 0 to 100 are of the renderer with the name of the face, and the rotation is of the
    bone ``body/head``. The clip cannot name a sound.
    """
    times, shapes, turns, said = _motion(animation, targets)
    renderer = json.dumps(animation.face.name, ensure_ascii=False)
    head, end = UNITY.format(
        name=json.dumps(path.name.partition(".")[0], ensure_ascii=False),
        turns=f"{_unity_curve(times, MIRRORED * turns)}    path: {UNITY_HEAD}\n",
        none="" if shapes else " []",
        shapes="\0",
        rate=_number(animation.fps),
        end=_number(times[-1]),
    ).split("\0")
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", errors="replace") as file:
        file.write(head)
        for name, weights in shapes:  # one by one: the text of an hour is more than a gigabyte
            attribute = json.dumps(f"blendShape.{name}", ensure_ascii=False)
            file.write(_unity_curve(times, PER_CENT * weights))
            file.write(
                f"    attribute: {attribute}\n    path: {renderer}\n    classID: 137\n    script: {{fileID: 0}}\n"
            )
        file.write(end)
    return said


def write_godot(
    path: Path, animation: Animation, audio: str | None = None, targets: Targets | ShapeMap = "arkit"
) -> dict[str, Any]:
    """Write an ``Animation`` for the scene that Godot 4 imports from ``write_animation_glb`` with the same options.

    Paths begin at the root of that scene: the mesh is a child of ``Skeleton3D``, or of ``head`` where the whole mesh
    turns. The resource cannot name a sound of which Godot has not made a resource.
    """
    times, shapes, turns, said = _motion(animation, targets)
    skinned = bool((head_weights(animation.face) < 1.0).any())
    mesh = f"{SKELETON if skinned else 'head'}/{NOT_IN_NODES.sub('_', animation.face.name)}"
    tracks = list[str]()
    for name, weights in shapes:
        at = _kept(weights)
        seconds, ones = (_numbers(values) for values in (times[at], np.ones(len(at))))
        values = ", ".join(repr(float(value)) for value in weights[at, 0])
        keys = f'"times": PackedFloat32Array({seconds}),\n"transitions": PackedFloat32Array({ones}),\n"update": 0'
        where = json.dumps(f"{mesh}:blend_shapes/{name}", ensure_ascii=False)
        keys = f'{{\n{keys},\n"values": [{values}]\n}}'
        tracks.append(GODOT_TRACK.format(n=len(tracks), kind="value", path=where, keys=keys))
    at = _kept(turns)
    table = np.concatenate([times[at, None], np.ones((len(at), 1)), turns[at]], axis=1)
    keys = f"PackedFloat32Array({_numbers(table.ravel())})"
    where = json.dumps(f"{SKELETON}:head" if skinned else "head")
    tracks.append(GODOT_TRACK.format(n=len(tracks), kind="rotation_3d", path=where, keys=keys))
    head = f'[gd_resource type="Animation" format=3]\n\n[resource]\nlength = {max(float(times[-1]), 0.001)!r}\n'
    write_text(path, f"{head}step = {1.0 / animation.fps!r}\n{''.join(tracks)}")
    return said


OPEN_GAP = 0.3
"""Gap between the lips, outer-eye distances, of a Live2D mouth that is wide open."""
LIVE2D: dict[str, tuple[float, dict[str, float], tuple[float, float]]] = {
    "ParamEyeLOpen": (1.0, {"eyeBlinkLeft": -1.0, "eyeSquintLeft": -0.2}, (0.0, 1.0)),
    "ParamEyeROpen": (1.0, {"eyeBlinkRight": -1.0, "eyeSquintRight": -0.2}, (0.0, 1.0)),
    "ParamEyeLSmile": (0.0, {"cheekSquintLeft": 1.0}, (0.0, 1.0)),
    "ParamEyeRSmile": (0.0, {"cheekSquintRight": 1.0}, (0.0, 1.0)),
    "ParamEyeBallX": (
        0.0,
        {"eyeLookOutLeft": 0.5, "eyeLookInLeft": -0.5, "eyeLookInRight": 0.5, "eyeLookOutRight": -0.5},
        (-1.0, 1.0),
    ),
    "ParamEyeBallY": (0.0, {"eyeLookUp": 0.5, "eyeLookDown": -0.5}, (-1.0, 1.0)),
    "ParamBrowLY": (0.0, {"browInnerUp": 0.5, "browOuterUpLeft": 0.5, "browDownLeft": -1.0}, (-1.0, 1.0)),
    "ParamBrowRY": (0.0, {"browInnerUp": 0.5, "browOuterUpRight": 0.5, "browDownRight": -1.0}, (-1.0, 1.0)),
    "ParamMouthForm": (
        0.0,
        {"mouthSmile": 0.75, "mouthStretch": 0.25, "mouthFrown": -0.75, "mouthPucker": -0.8, "mouthFunnel": -0.5},
        (-1.0, 1.0),
    ),
    "ParamMouthOpenY": (0.0, {name: gap / OPEN_GAP for name, gap in RULES.shape_gaps.items()}, (0.0, 1.0)),
}
"""Standard parameters of Cubism: at rest, what each shape of ARKit adds (of both sides where it names none), range.

L and R are the character's own sides. Eyes look to the right of the picture, and up, where X and Y are positive.
"""
LIVE2D_ANGLES = {"ParamAngleX": (0, 1.0), "ParamAngleY": (1, -1.0), "ParamAngleZ": (2, -1.0)}
"""Degrees of the head up to 30: which of yaw, pitch and roll, and its sign. Positive is to the right of the picture,
up, and leaning to the right."""


def write_live2d(path: Path, animation: Animation, audio: str | None = None) -> dict[str, Any]:
    """Write a motion of Live2D's Cubism (``motion3.json``, version 3) for models with its standard parameters.

    Returns:
        How many parameters move.

    Raises:
        InputError: the face has no ARKit shapes.
    """
    weights = solve_arkit(animation.face, animation.coefficients, animation.fps).astype(np.float64)
    turns = Rotation.from_rotvec(animation.head_rotation).as_euler("YXZ", degrees=True)
    curves = {name: np.clip(sign * turns[:, axis], -30.0, 30.0) for name, (axis, sign) in LIVE2D_ANGLES.items()}
    for name, (rest, added, limits) in LIVE2D.items():
        row = np.zeros(weights.shape[1])
        for shape, factor in added.items():
            row[both_sides(shape)] += factor
        curves[name] = np.clip(rest + weights @ row, *limits)
    times, rows = np.round(animation.clock.times(len(animation)), DIGITS), list[dict[str, Any]]()
    for name, values in curves.items():
        rounded = np.round(values, 4) + 0.0
        first, *others = ((float(times[k]), float(rounded[k])) for k in _kept(rounded[:, None]))
        segments = [*first, *(part for key in others for part in (0, *key))]  # 0: a straight line to the key
        rows.append({"Target": "Parameter", "Id": name, "Segments": segments})
    lines = sum((len(row["Segments"]) - 2) // 3 for row in rows)
    about = {
        "Duration": float(times[-1]),
        "Fps": animation.fps,
        "Loop": False,
        "AreBeziersRestricted": True,
        "CurveCount": len(rows),
        "TotalSegmentCount": lines,
        "TotalPointCount": lines + len(rows),
        "UserDataCount": 0,
        "TotalUserDataSize": 0,
    }
    write_text(path, json.dumps({"Version": 3, "Meta": about, "Curves": rows}) + "\n")
    return {"parameters": len(rows)}


def _motion(
    animation: Animation, targets: Targets | ShapeMap
) -> tuple[Doubles, list[tuple[str, Doubles]], Doubles, dict[str, Any]]:
    """Seconds (T,), the blend shapes' names and weights (T, 1), quaternions (T, 4), all rounded; and what to say."""
    chosen = choose_targets(animation.face, animation.coefficients, targets, animation.fps)
    weights = np.round(chosen.weights.astype(np.float64), DIGITS)
    times = np.round(animation.clock.times(len(animation)), DIGITS)
    shapes: list[tuple[str, Doubles]] = [
        (name, np.asarray(weights[:, k : k + 1], np.float64)) for k, name in enumerate(chosen.names)
    ]
    turns = np.round(quaternions_of(animation.head_rotation), DIGITS)
    said: dict[str, Any] = chosen.describe(animation.face, animation.coefficients)
    return times, shapes, turns, said


def _kept(values: Doubles) -> NDArray[np.intp]:
    """Indices of the rows of (T, D) that need a key: the first, the last, and those that differ from a neighbour."""
    changed = np.any(values[1:] != values[:-1], axis=1)
    return np.flatnonzero(np.concatenate([[True], changed]) | np.concatenate([changed, [True]]))


def _unity_curve(times: Doubles, values: Doubles) -> str:
    """A curve with straight lines between the keys of (T, 1) or (T, 4)."""
    at = _kept(values)
    slopes = np.diff(values[at], axis=0) / np.diff(times[at])[:, None]
    rest = np.zeros((1, values.shape[1]))
    columns = (values[at], np.concatenate([rest, slopes]), np.concatenate([slopes, rest]))
    kind, third = (LINEAR if values.shape[1] == 1 else 0), next(_unity_values(np.full_like(rest, 1.0 / 3.0)))
    keys = zip(map(_number, times[at]), *map(_unity_values, columns), strict=True)
    return UNITY_CURVE.format(keys="".join(UNITY_KEY.format(*key, tangents=kind, weight=third) for key in keys))


def _unity_values(rows: Doubles) -> Iterator[str]:
    """Each row as a number, or as a quaternion."""
    for row in rows:
        parts = [f"{name}: {_number(value)}" for name, value in zip("xyzw", row, strict=False)]
        yield f"{{{', '.join(parts)}}}" if len(parts) > 1 else _number(row[0])


def _number(value: float) -> str:
    """A number as both formats write it; 0 has no sign."""
    return f"{float(value) + 0.0:.10g}"


def _numbers(values: Doubles) -> str:
    return ", ".join(map(_number, values))
