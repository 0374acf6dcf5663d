"""Imports files that cannot be used, a mesh selected: what is said of each, and what is then in the scene."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import scene
from addon import install

asked = scene.request()
scene.empty_scene()
install(asked["addon"])
bpy.ops.wm.obj_import(filepath=asked["mesh"], forward_axis="NEGATIVE_Z", up_axis="Y")
said = []
for file in asked["files"]:
    try:
        bpy.ops.import_anim.sedtalker(filepath=file)
        said.append("imported")
    except RuntimeError as error:
        said.append(str(error))
mesh = scene.meshes()[0]
scene.answer(
    said=np.array(said, "U9999"),
    objects=np.array([o.name for o in bpy.context.scene.objects], "U99"),
    keys=np.array([k.name for k in mesh.data.shape_keys.key_blocks] if mesh.data.shape_keys else [], "U99"),
    modifiers=np.array([m.type for m in mesh.modifiers], "U99"),
)
