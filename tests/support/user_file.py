"""A user's GLB with everything that other programs leave in such files, and a face that speaks in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sedtalker.animation.animation import Animation
from sedtalker.export.gltf_builder import GltfBuilder
from sedtalker.face.added_parts import PlacedPart, with_parts
from sedtalker.face.face import Face, RegistrationReport
from sedtalker.mesh.gltf import read_gltf

ROTATION = Rotation.from_euler("xyz", [20, -35, 70], degrees=True)
SCALE, TRANSLATION = 0.01, np.array([0.02, -0.1, 0.03])
PLACE = np.diag([2.0, 2.0, 2.0, 1.0])
"""Of the node that shows the face."""
PLACE[:3, :3] = PLACE[:3, :3] @ Rotation.from_euler("y", 40, degrees=True).as_matrix()
PLACE[:3, 3] = (1.0, 2.0, -3.0)
PICTURE = b"\x89PNG not a real one"
Change = Callable[[dict[str, Any]], None]


def grid() -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """A dented disc in the scene of the file, and triangles."""
    across, up = np.meshgrid(np.linspace(-8, 8, 5), np.linspace(-10, 10, 6))
    vertices = np.stack([across.ravel(), up.ravel(), 0.1 * (across * up).ravel()], axis=1).astype(np.float32)
    quads = [(r * 5 + c, r * 5 + c + 1, r * 5 + c + 6, r * 5 + c + 5) for r in range(5) for c in range(4)]
    return vertices, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], np.int32)


def written(path: Path, change: Change | None = None, skinned: bool = False) -> Path:
    """A face in two primitives with a target of its own, a hat that hangs on it, and what other programs leave."""
    builder = GltfBuilder()
    scene, triangles = grid()
    local = ((scene - PLACE[:3, 3]) @ np.linalg.inv(PLACE[:3, :3]).T).astype(np.float32)
    attributes = {"POSITION": builder.accessor(local, bounds=True)}
    attributes["NORMAL"] = builder.accessor(np.tile(np.array([0, 0, 1], np.float32), (len(local), 1)))
    own = np.zeros_like(local)
    own[3] = (0.5, 0.0, 0.0)
    target = {"POSITION": builder.accessor(own, bounds=True)}
    hat = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    turned = Rotation.from_matrix(PLACE[:3, :3] / 2.0).as_quat().tolist()
    face = {"name": "Face", "mesh": 0, "children": [1]}
    face |= {"translation": PLACE[:3, 3].tolist(), "rotation": turned, "scale": [2.0] * 3}
    halves = np.split(triangles.astype(np.uint16), 2)
    parts = [{"attributes": attributes, "indices": builder.accessor(h.ravel(), indices=True)} for h in halves]
    nodes: list[dict[str, Any]] = [face, {"name": "Hat", "mesh": 1, "extras": {"shop": 7}}]
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "her tool", "extras": {"author": "Ada"}},
        "extensionsUsed": ["KHR_materials_unlit", "HERS_thing"],
        "extensions": {"HERS_thing": {"kept": [1, 2]}},
        "scene": 0,
        "scenes": [{"nodes": [0], "name": "Stage"}],
        "nodes": nodes,
        "materials": [{"name": "Felt", "extensions": {"KHR_materials_unlit": {}}}, {"name": "Skin"}],
        "meshes": [
            {
                "name": "FaceMesh",
                "primitives": [{**part, "material": 1, "targets": [dict(target)]} for part in parts],
                "weights": [0.0],
                "extras": {"targetNames": ["wink"]},
            },
            {"name": "HatMesh", "primitives": [{"attributes": {"POSITION": builder.accessor(hat, bounds=True)}}]},
        ],
        "animations": [
            {
                "name": "Idle",
                "channels": [{"sampler": 0, "target": {"node": 0, "path": "weights"}}],
                "samplers": [
                    {
                        "input": builder.accessor(np.array([0, 1], np.float32), bounds=True),
                        "output": builder.accessor(np.array([0, 1], np.float32), plain=True),
                    }
                ],
            }
        ],
    }
    document["materials"][0]["pbrMetallicRoughness"] = {"baseColorTexture": {"index": builder.texture(PICTURE)}}
    if skinned:
        joints = np.tile(np.array([1, 0, 0, 0], np.uint8), (len(local), 1))
        weights = np.tile(np.array([1, 0, 0, 0], np.float32), (len(local), 1))
        skin = {"JOINTS_0": builder.accessor(joints), "WEIGHTS_0": builder.accessor(weights)}
        for part in document["meshes"][0]["primitives"]:
            part["attributes"] = {**part["attributes"], **skin}
        inverse = np.stack([PLACE, np.linalg.inv(translated(0.0, -9.0, 0.0)) @ PLACE]).transpose(0, 2, 1)
        matrices = builder.accessor(inverse.reshape(2, 16).astype(np.float32), plain=True)
        document["skins"] = [{"joints": [2, 3], "inverseBindMatrices": matrices}]
        face["skin"] = 0
        nodes += [{"name": "Hips", "children": [3]}, {"name": "mixamorig:Head", "translation": [0.0, -9.0, 0.0]}]
        document["scenes"][0]["nodes"] = [0, 2]
    if change is not None:
        change(document)
    builder.write(path, document)
    return path


def translated(*by: float) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, 3] = by
    return matrix


def spoken(
    path: Path, turning: bool = True, shoulders: bool = False, teeth: bool = False, jaw: slice = slice(5, 20)
) -> Animation:
    """Three frames of the face of a file, with teeth that it has not; ``jaw`` are the vertices that open it."""
    scene = read_gltf(path)
    mesh = scene.mesh.with_vertices(
        (SCALE * scene.mesh.vertices @ ROTATION.as_matrix().T + TRANSLATION).astype(np.float32)
    )
    basis = np.zeros((2, len(mesh.vertices), 3), np.float32)
    basis[0, jaw] = (0.0, -0.004, 0.001)
    basis[1, 8:12] = (0.002, 0.0, 0.003)
    report = RegistrationReport(
        1.0, 1.0, 0.0, 0.0, None, None, True, (True, True), (True, True), (), None, SCALE,
        tuple(tuple(row) for row in ROTATION.as_matrix().tolist()), tuple(TRANSLATION.tolist()),
    )  # fmt: skip
    pivot = (SCALE * ROTATION.as_matrix() @ (0.0, -9.0, 0.0) + TRANSLATION).astype(np.float32)
    face = Face("head", mesh, ("jawOpen", "mouthSmileLeft"), basis, pivot=pivot, report=report, file=path)
    if shoulders:  # points of a face, by which shoulders are told from the head
        heights = np.argsort(mesh.vertices[:, 1])
        landmarks = np.full(68, heights[-1], np.int32)
        landmarks[8] = heights[len(heights) // 2]
        face = replace(face, landmarks=landmarks)
    if teeth:
        corners = np.array([[0, 0, 0.01], [0.01, 0, 0.01], [0, 0.01, 0.01]], np.float64)
        offsets = np.stack([np.full((3, 3), 0.002), np.zeros((3, 3))])
        part = PlacedPart("teeth", corners, offsets, np.array([[0, 1, 2]]), (1.0, 1.0, 1.0), ("teeth",))
        face = with_parts(face, [part])
    turns = np.array([[0, 0, 0], [0.1, 0.2, 0], [0, 0.4, 0.1]], np.float32) * turning
    moved = np.array([[0, 0], [1, 0.5], [0.3, 0.8]], np.float32)
    return Animation(moved, 30.0, face, turns, None, {"seed": 3})
