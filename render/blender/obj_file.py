"""The selected mesh as an OBJ that keeps its vertex order."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from .face_animation import Y_UP_TO_Z_UP
from .shape_keys import rest_positions


def write_obj(path: Path, target: bpy.types.Object) -> None:
    """Rest positions turned as the object stands in the scene, +Y up; polygons in groups by material.

    The object's place and scale are left out: the result is laid back on the mesh by its vertices.
    """
    mesh = target.data
    turn = np.array(target.matrix_world.to_quaternion().to_matrix(), np.float64)
    points = rest_positions(mesh).astype(np.float64) @ turn.T @ Y_UP_TO_Z_UP
    lines = ["v {:.9g} {:.9g} {:.9g}".format(*point) for point in points]
    names = [slot.material.name if slot.material else "none" for slot in target.material_slots] or ["none"]
    group = None
    for polygon in sorted(mesh.polygons, key=lambda p: p.material_index):
        if polygon.material_index != group:
            group = polygon.material_index
            lines.append(f"g {names[min(group, len(names) - 1)].replace(' ', '_')}")
        lines.append("f " + " ".join(str(v + 1) for v in polygon.vertices))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
