"""Blender's own importers and modifiers read a file; nothing of ours is loaded."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import scene

asked = scene.request()
scene.empty_scene()
path, kind = asked["file"], Path(asked["file"]).suffix
bpy.context.scene.render.fps = round(asked["fps"])
if kind == ".fbx":
    bpy.ops.import_scene.fbx(filepath=path)
elif kind == ".glb":
    bpy.ops.import_scene.gltf(filepath=path)
elif kind in (".usdc", ".usda"):
    bpy.ops.wm.usd_import(filepath=path)
else:
    bpy.ops.wm.obj_import(filepath=asked["mesh"], forward_axis="NEGATIVE_Z", up_axis="Y")
    cache = scene.meshes()[0].modifiers.new("cache", "MESH_CACHE")
    cache.cache_format = kind[1:].upper()
    cache.filepath = path
    cache.frame_start = 0
    cache.forward_axis, cache.up_axis = "POS_Y", "POS_Z"
keys = [len(o.data.shape_keys.key_blocks) if o.data.shape_keys else 0 for o in scene.meshes()]
materials = sorted({m.name for o in scene.meshes() for m in o.data.materials if m})
uvs = [len(o.data.uv_layers) for o in scene.meshes()]
scene.answer(
    vertices=scene.evaluated(asked["frames"]), keys=np.array(keys), materials=np.array(materials), uvs=np.array(uvs)
)
