"""What the scripts that run in Blender share: an empty scene, and evaluated vertices."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy
import numpy as np


def request() -> dict:
    """What the test asked for."""
    return json.loads(Path(sys.argv[1]).read_text())


def answer(**arrays: np.ndarray) -> None:
    """What the test gets."""
    np.savez(sys.argv[2], **arrays)


def empty_scene() -> None:
    """A scene with nothing in it, at 24 frames a second, so that what an import sets shows."""
    bpy.ops.wm.read_factory_settings(use_empty=True)


def meshes() -> list[bpy.types.Object]:
    """The scene's mesh objects by name, without the shapes that Blender's glTF importer makes for bones."""
    found = [o for o in bpy.context.scene.objects if o.type == "MESH" and not o.name.startswith("Icosphere")]
    return sorted(found, key=lambda o: o.name)


def strips() -> list:
    """The sequencer's strips, in Blender 4.2 as in later ones."""
    editor = bpy.context.scene.sequence_editor
    return list(getattr(editor, "strips", None) or getattr(editor, "sequences", ()))


def evaluated(frames: list[int]) -> np.ndarray:
    """(F, V, 3) world positions of all mesh vertices at those frames, every modifier applied, turned to +Y up."""
    scene, made = bpy.context.scene, []
    for frame in frames:
        scene.frame_set(frame)
        graph = bpy.context.evaluated_depsgraph_get()
        parts = []
        for each in meshes():
            moved = each.evaluated_get(graph)
            points = np.empty(len(moved.data.vertices) * 3, np.float32)
            moved.data.vertices.foreach_get("co", points)
            world = np.array(moved.matrix_world, np.float64)
            parts.append(points.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3])
        x, y, z = np.concatenate(parts).T
        made.append(np.stack([x, z, -y], axis=1))
    return np.array(made)
