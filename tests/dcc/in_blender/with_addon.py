"""Installs the add-on from its zip as a user would, imports with it, moves a marker, writes the track, takes it off."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
import scene
from addon import MODULE, install, what_it_made


def user_mesh(path: str) -> bpy.types.Object:
    """The user's mesh in a unit, place and turn of its own, selected, with a shape key and a modifier of theirs."""
    bpy.ops.wm.obj_import(filepath=path, forward_axis="NEGATIVE_Z", up_axis="Y")
    mesh = scene.meshes()[0]
    mesh.location, mesh.rotation_euler, mesh.scale = (0.3, -0.2, 1.0), (0.2, 0.4, 1.0), (2.0, 2.0, 2.0)
    mesh.shape_key_add(name="Basis")
    mesh.shape_key_add(name="jawOpen")
    mesh.modifiers.new("mine", "EDGE_SPLIT").show_viewport = False
    bpy.context.view_layer.objects.active = mesh
    mesh.select_set(True)
    return mesh


def local(frames: list[int], mesh: bpy.types.Object) -> np.ndarray:
    """Evaluated positions in the mesh's own coordinates."""
    made = []
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        moved = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
        points = np.empty(len(moved.data.vertices) * 3, np.float32)
        moved.data.vertices.foreach_get("co", points)
        made.append(points.reshape(-1, 3))
    return np.array(made)


asked = scene.request()
scene.empty_scene()
before = what_it_made()
install(asked["addon"])
registered = what_it_made()
mesh = user_mesh(asked["mesh"]) if asked.get("mesh") else None
start = asked.get("start", 1)
for _ in range(asked.get("times", 1)):
    assert bpy.ops.import_anim.sedtalker(filepath=asked["file"], form=asked["form"], start=start) == {"FINISHED"}
now = bpy.context.scene
answers = {}
frames = [start + f for f in asked["frames"]]
answers["vertices"] = local(frames, mesh) if mesh else scene.evaluated(frames)
shown = mesh or scene.meshes()[0]
answers["keys"] = np.array([k.name for k in shown.data.shape_keys.key_blocks] if shown.data.shape_keys else [], "U99")
answers["modifiers"] = np.array([m.type for m in shown.modifiers], "U99")
answers["objects"] = np.array(sorted(o.name for o in now.objects), "U99")
answers["clock"] = np.array([now.frame_start, now.frame_end, now.render.fps / now.render.fps_base])
answers["markers"] = np.array([f"{m.frame} {m.name}" for m in now.timeline_markers], "U99")
answers["strips"] = np.array([f"{s.type} {s.frame_final_start} {s.mute} {s.name}" for s in scene.strips()], "U199")
if asked.get("move"):
    index, by = asked["move"]
    marker = sorted(now.timeline_markers, key=lambda m: m.frame)[index]
    marker.frame += by
    assert bpy.ops.sedtalker.write_track(filepath=asked["track"]) == {"FINISHED"}
    assert bpy.ops.sedtalker.colour_strips() == {"FINISHED"}
    answers["moved"] = np.array([m.frame for m in sorted(now.timeline_markers, key=lambda m: m.frame)])
    moved = sorted((s for s in scene.strips() if s.type == "COLOR"), key=lambda s: s.frame_final_start)
    answers["moved_strips"] = np.array([[s.frame_final_start, s.frame_final_end] for s in moved])
    answers["colours"] = np.array([list(s.color) for s in moved])
bpy.ops.preferences.addon_disable(module=MODULE)
answers["left"] = np.array(sorted(what_it_made() - before), "U199")
answers["registered"] = np.array(sorted(registered - before), "U199")
scene.answer(**answers)
