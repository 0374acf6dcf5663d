"""Draw the pictures of docs/blender.md in Blender itself, with the add-on installed from its zip.

    .venv-blender/bin/python scripts/make_blender_pictures.py HEAD.npz OWN.npz OWN.obj [docs/images]

HEAD is an animation of a built-in face, OWN one of the mesh OWN.obj, +Z up; both as `sedtalker animate` writes them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import bpy
import numpy as np
from mathutils import Vector

from scripts.build_blender_addon import build_addon

SIZE = 420
MODULE = "bl_ext.user_default.sedtalker"


def fresh_scene() -> bpy.types.Scene:
    """An empty scene that Workbench draws with vertex colours on grey."""
    for block in (bpy.data.objects, bpy.data.meshes):
        for each in list(block):
            block.remove(each)
    scene = bpy.context.scene
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.render.use_sequencer = False
    scene.display.render_aa = "8"
    shading = scene.display.shading
    shading.light, shading.color_type, shading.show_cavity = "STUDIO", "VERTEX", True
    scene.view_settings.view_transform = "Standard"
    scene.world = scene.world or bpy.data.worlds.new("World")
    scene.world.color = (0.32, 0.32, 0.34)
    return scene


def look_at(points: np.ndarray) -> None:
    """A portrait camera before the upper part of what stands there, from −Y."""
    scene = bpy.context.scene
    low, high = points.min(axis=0), points.max(axis=0)
    height = high[2] - low[2]
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.angle = np.radians(22)
    centre = Vector(((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2] + 0.62 * height))
    distance = 0.44 * height / np.tan(np.radians(11)) + (high[1] - low[1]) / 2
    camera.location = centre + Vector((0.22 * distance, -0.97 * distance, 0.02 * distance))
    camera.rotation_euler = (centre - camera.location).to_track_quat("-Z", "Y").to_euler()
    camera.data.clip_start, camera.data.clip_end = 0.01 * distance, 10 * distance
    scene.collection.objects.link(camera)
    scene.camera = camera


def world_points(target: bpy.types.Object) -> np.ndarray:
    """(V, 3) where the mesh stands at rest."""
    points = np.empty(len(target.data.vertices) * 3, np.float32)
    target.data.vertices.foreach_get("co", points)
    world = np.array(target.matrix_world)
    return points.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]


def picture(frame: int, folder: Path) -> np.ndarray:
    """(H, W, 4) of one frame, rows from the bottom as Blender has them."""
    scene = bpy.context.scene
    scene.frame_set(frame)
    scene.render.filepath = str(folder / f"{frame}.png")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    pixels = np.empty(SIZE * SIZE * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(SIZE, SIZE, 4)


def save(pictures: list[np.ndarray], path: Path) -> None:
    """Pictures side by side in a JPEG."""
    whole = np.concatenate(pictures, axis=1)
    image = bpy.data.images.new("strip", whole.shape[1], whole.shape[0])
    image.pixels.foreach_set(np.ascontiguousarray(whole, np.float32).ravel())
    image.filepath_raw, image.file_format = str(path), "JPEG"
    image.save(quality=92)
    print(path)


def loudest_frames(target: bpy.types.Object) -> list[int]:
    """For each long emotion on the timeline, the frame within it where the jaw is widest open."""
    scene = bpy.context.scene
    marks = [m.frame for m in sorted(scene.timeline_markers, key=lambda m: m.frame)]
    keys = target.data.shape_keys
    curve = next(
        c
        for layer in keys.animation_data.action.layers
        for c in layer.strips[0].channelbags[0].fcurves
        if c.data_path == 'key_blocks["jawOpen"].value'
    )
    spans = zip(marks, [*marks[1:], scene.frame_end + 1], strict=True)
    return [max(range(first + 8, last - 8), key=curve.evaluate) for first, last in spans if last - first > 45]


def main(head: Path, own: Path, own_mesh: Path, folder: Path) -> None:
    """The built-in head in four moods, and the user's own mesh with the shapes it was given."""
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        package = build_addon(scratch)
        bpy.ops.extensions.package_install_files(filepath=str(package), repo="user_default", enable_on_install=True)
        fresh_scene()
        bpy.ops.import_anim.sedtalker(filepath=str(head))
        target = bpy.context.active_object
        look_at(world_points(target))
        save([picture(frame, scratch) for frame in loudest_frames(target)][:4], folder / "blender_head.jpg")

        fresh_scene()
        bpy.ops.wm.obj_import(filepath=str(own_mesh), forward_axis="Y", up_axis="Z")
        bpy.context.view_layer.update()
        target = bpy.context.active_object
        look_at(world_points(target))
        before = picture(1, scratch)
        target.select_set(True)
        bpy.ops.import_anim.sedtalker(filepath=str(own))
        save(
            [before, *(picture(frame, scratch) for frame in loudest_frames(target)[1:4])],
            folder / "blender_own_mesh.jpg",
        )
        bpy.ops.preferences.addon_disable(module=MODULE)


if __name__ == "__main__":
    given = [Path(argument).resolve() for argument in sys.argv[1:]]
    main(*given[:3], given[3] if len(given) > 3 else Path(__file__).parents[1] / "docs" / "images")
