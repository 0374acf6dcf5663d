"""VRM: the expressions of an avatar, and an animation for any of them (``.vrma``).

Follows VRM 1.0 and ``VRMC_vrm_animation`` 1.0 of the VRM Consortium (https://vrm.dev): a glTF file of nodes without a
mesh. A node stands for each bone in the T-pose of all avatars, for each expression, whose weight is the x of its
place, and for the gaze, which is its rotation.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.arrays import Doubles, Reals
from sedtalker.export.arkit import eye_angles, solve_arkit
from sedtalker.export.glb import quaternions_of
from sedtalker.export.gltf_builder import GltfBuilder
from sedtalker.face.arkit import ARKIT_52
from sedtalker.version import __version__

# --- Expressions.

EMOTIONS = {"happy": "happy", "angry": "angry", "sad": "sad", "fear": "surprised", "surprise": "surprised"}
"""The preset expression of a category; disgust has none."""


def preset_expressions(weights: Reals, emotions: Mapping[str, Reals]) -> dict[str, Doubles]:
    """The face as the preset expressions of VRM 1.0: five vowels, blinks and emotions, (T,) each, in [0, 1].

    The vowels share the opening of the jaw by how round and how wide the lips are.

    Args:
        weights: (T, 52) in the order of ``ARKIT_52``.
        emotions: strengths (T,) of categories; those that are not named are 0.
    """
    shape = dict(zip(ARKIT_52, np.asarray(weights, np.float64).T, strict=True))
    rounded = np.minimum(1.0, 1.5 * np.maximum(shape["mouthPucker"], shape["mouthFunnel"]))
    wider = [shape[f"mouth{name}Left"] + shape[f"mouth{name}Right"] for name in ("Stretch", "Smile", "Dimple")]
    wide = np.minimum(1.0, 0.75 * np.maximum.reduce(wider))  # 1.5 of the mean of both sides
    lips = np.maximum(0.0, np.minimum(1.0, 1.6 * shape["jawOpen"]) - shape["mouthClose"])
    spread = wide * (1.0 - rounded)
    found: dict[str, Doubles] = {
        "aa": lips * (1.0 - rounded) * (1.0 - wide),
        "oh": lips * rounded,
        "ou": (1.0 - lips) * rounded,
        "ee": lips * spread,
        "ih": (1.0 - lips) * spread * 0.5,
        "blinkLeft": shape["eyeBlinkLeft"],
        "blinkRight": shape["eyeBlinkRight"],
    }
    for category, name in EMOTIONS.items():
        strength = np.asarray(emotions.get(category, 0.0), np.float64)
        found[name] = np.minimum(1.0, found.get(name, np.zeros(len(weights))) + strength)
    return found


def add_perfect_sync(document: dict[str, Any], shown: Mapping[str, list[tuple[int, int, float]]]) -> None:
    """An expression for each of ARKit's shapes that an avatar of VRM 0 or 1 lacks; other files stay as they are.

    Args:
        document: the JSON of the avatar's file.
        shown: node, index and weight of the morph targets that show a shape; VRM has no weights above 1.
    """
    extensions = document.get("extensions", {})
    found = {name: shown[name] for name in ARKIT_52 if name in shown}
    if "VRMC_vrm" in extensions:
        customs = extensions["VRMC_vrm"].setdefault("expressions", {}).setdefault("custom", {})
        present = {name.lower() for name in customs}
        for name, places in found.items():
            if name.lower() not in present:
                binds = [{"node": node, "index": index, "weight": min(w, 1.0)} for node, index, w in places]
                customs[name] = {"morphTargetBinds": binds}
    elif "VRM" in extensions:
        groups = extensions["VRM"].setdefault("blendShapeMaster", {}).setdefault("blendShapeGroups", [])
        present = {str(group.get("name", "")).lower() for group in groups}
        for name, places in found.items():
            if name.lower() not in present:
                meshes = [(document["nodes"][node]["mesh"], index, w) for node, index, w in places]
                binds = [{"mesh": mesh, "index": index, "weight": 100.0 * min(w, 1.0)} for mesh, index, w in meshes]
                label = name[0].upper() + name[1:]
                groups.append({"name": label, "presetName": "unknown", "binds": binds, "materialValues": []})


# --- Animations.

BODY: dict[str, tuple[str, tuple[float, float, float]]] = {
    "hips": ("", (0.0, 0.9, 0.0)),
    "spine": ("hips", (0.0, 0.1, 0.0)),
    "chest": ("spine", (0.0, 0.12, 0.0)),
    "neck": ("chest", (0.0, 0.22, 0.0)),
    "head": ("neck", (0.0, 0.08, 0.0)),
    "leftUpperArm": ("chest", (0.14, 0.16, 0.0)),
    "leftLowerArm": ("leftUpperArm", (0.24, 0.0, 0.0)),
    "leftHand": ("leftLowerArm", (0.22, 0.0, 0.0)),
    "rightUpperArm": ("chest", (-0.14, 0.16, 0.0)),
    "rightLowerArm": ("rightUpperArm", (-0.24, 0.0, 0.0)),
    "rightHand": ("rightLowerArm", (-0.22, 0.0, 0.0)),
    "leftUpperLeg": ("hips", (0.08, -0.05, 0.0)),
    "leftLowerLeg": ("leftUpperLeg", (0.0, -0.4, 0.0)),
    "leftFoot": ("leftLowerLeg", (0.0, -0.38, 0.0)),
    "rightUpperLeg": ("hips", (-0.08, -0.05, 0.0)),
    "rightLowerLeg": ("rightUpperLeg", (0.0, -0.4, 0.0)),
    "rightFoot": ("rightLowerLeg", (0.0, -0.38, 0.0)),
}
"""Bones that every avatar has, their parents and their places in these, metres: a T-pose that looks along +Z."""
EYES = [0.0, 0.06, 0.0]
"""Between the eyes, from the bone of the head, metres."""


def _add_node(builder: GltfBuilder, name: str, translation: tuple[float, float, float] | None = None) -> int:
    """A new node; its index."""
    builder.nodes.append({"name": name} | ({} if translation is None else {"translation": list(translation)}))
    return len(builder.nodes) - 1


def write_presets(path: Path, animation: Animation, audio: str | None = None, *, fine: bool = False) -> dict[str, Any]:
    """Write an animation of vowels, blinks, emotions, head and gaze, which every avatar of VRM has.

    Args:
        fine: write ARKit's 52 shapes, head and gaze instead, for avatars that have these expressions. Each is there as
            ``jawOpen`` and as ``JawOpen``: avatars follow one spelling or the other.

    Returns:
        ``expressions``, how many there are.

    Raises:
        InputError: the face has no ARKit shapes.
    """
    from scipy.spatial.transform import Rotation

    weights = solve_arkit(animation.face, animation.coefficients, animation.fps)
    builder = GltfBuilder()
    seconds = animation.clock.times(len(animation)).astype(np.float32)
    times = builder.accessor(seconds, bounds=True)
    for name, (parent, place) in BODY.items():
        index = _add_node(builder, name, place)
        if parent:
            builder.nodes[list(BODY).index(parent)].setdefault("children", []).append(index)
    builder.animate([list(BODY).index("head")], "rotation", times, quaternions_of(animation.head_rotation))
    columns: dict[tuple[str, ...], Reals]
    if fine:
        each = zip(ARKIT_52, weights.T.astype(np.float64), strict=True)
        columns = {(n, n[0].upper() + n[1:]): column for n, column in each if not n.startswith("eyeLook")}
    else:
        strengths: dict[str, Reals] = {}
        if animation.track is not None:
            track = animation.track.at(animation.clock.times(len(animation)))
            strengths = dict(zip(track.labels, (track.posterior * track.intensity[:, None]).T, strict=True))
        columns = {(name,): column for name, column in preset_expressions(weights, strengths).items()}
    shown: dict[str, dict[str, int]] = {}
    for names, column in columns.items():  # they move alike, and an avatar has one of them
        nodes = {name: _add_node(builder, name) for name in names}
        builder.animate([*nodes.values()], "translation", times, np.clip(column, 0.0, 1.0)[:, None] * (1.0, 0.0, 0.0))
        shown |= {name: {"node": index} for name, index in nodes.items()}
    gaze = _add_node(builder, "lookAt")
    angles = eye_angles(weights).mean(1) * (-1.0, 1.0, 1.0)  # a CSV of ARKit counts yaw to the subject's right
    builder.animate([gaze], "rotation", times, quaternions_of(Rotation.from_euler("YXZ", angles).as_quat()))
    extension = {
        "specVersion": "1.0",
        "humanoid": {"humanBones": {name: {"node": index} for index, name in enumerate(BODY)}},
        "expressions": {"custom" if fine else "preset": shown},
        "lookAt": {"node": gaze, "offsetFromHeadBone": EYES},
    }
    children = {index for node in builder.nodes for index in node.get("children", ())}
    extras = dict(animation.provenance) | ({} if audio is None else {"audio": audio})
    builder.write(
        path,
        {
            "asset": {"version": "2.0", "generator": f"SEDTalker {__version__}", "extras": extras},
            "extensionsUsed": ["VRMC_vrm_animation"],
            "extensions": {"VRMC_vrm_animation": extension},
            "scene": 0,
            "scenes": [{"nodes": [index for index in range(len(builder.nodes)) if index not in children]}],
            "nodes": builder.nodes,
            "animations": [builder.speech],
        },
    )
    return {"expressions": len(columns)}


def write_perfect_sync(path: Path, animation: Animation, audio: str | None = None) -> dict[str, Any]:
    """``write_presets`` with ``fine``."""
    return write_presets(path, animation, audio, fine=True)
