"""The add-on runs the installed sedtalker on a mesh of the scene."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import scene
from addon import MODULE, install

asked = scene.request()
scene.empty_scene()
bpy.context.scene.render.fps = 30
install(asked["addon"])
bpy.context.preferences.addons[MODULE].preferences.program = asked["program"]
bpy.ops.wm.obj_import(filepath=asked["mesh"], forward_axis="NEGATIVE_Z", up_axis="Y")
mesh = scene.meshes()[0]
bpy.context.view_layer.objects.active = mesh
mesh.select_set(True)
refusal = ""
try:
    bpy.ops.sedtalker.animate(filepath=asked["audio"] + ".none")
except RuntimeError as error:
    refusal = str(error)
assert bpy.ops.sedtalker.animate(filepath=asked["audio"]) == {"FINISHED"}
now = bpy.context.scene
made = []
for frame in asked["frames"]:
    now.frame_set(1 + frame)
    moved = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.empty(len(moved.data.vertices) * 3, np.float32)
    moved.data.vertices.foreach_get("co", points)
    made.append(points.reshape(-1, 3))
scene.answer(
    vertices=np.array(made),
    keys=np.array([k.name for k in mesh.data.shape_keys.key_blocks]),
    markers=np.array([f"{m.frame} {m.name}" for m in now.timeline_markers]),
    strips=np.array([f"{s.type} {s.name}" for s in scene.strips()]),
    clock=np.array([now.frame_start, now.frame_end, now.render.fps / now.render.fps_base]),
    refusal=np.array(refusal),
)
