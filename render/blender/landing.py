"""From a file to the scene: which reader, which mesh, which form."""

from __future__ import annotations

from pathlib import Path

import bpy

from .animation_file import read_animation_file
from .emotion_markers import read_segments, set_markers
from .face_animation import UPRIGHT, FaceAnimation, Placement, UnusableFile, place
from .glb_file import read_glb
from .mesh_cache import apply_cache, cache_axes, read_first_frame, write_pc2
from .new_object import make_object
from .scene_time import add_audio, find_audio, set_clock
from .shape_keys import apply_shape_keys, remove_animation, rest_positions

SUFFIXES = (".npz", ".glb", ".pc2", ".mdd")
_ALIKE, _SAME = 0.1, 0.005  # misfit: beyond the first it is another mesh, beyond the second another face


def land(
    context: bpy.types.Context, path: Path, *, form: str = "SHAPE_KEYS", start: int = 1, audio: Path | None = None
) -> str:
    """Bring a file's animation, its audio and its emotion into the scene; gives what was done, for a person.

    Args:
        context: its selected mesh is animated, if it has the animation's vertices; else a new object is made.
        path: one of ``SUFFIXES``.
        form: ``SHAPE_KEYS`` or ``MESH_CACHE``.
        start: the frame of sample 0.
        audio: the recording; by default a sound of the same name beside the file.

    Raises:
        UnusableFile: the file cannot be used, in words for a person.
    """
    if not path.is_file():
        raise UnusableFile(f"{path}: no such file")
    if path.suffix.lower() in (".pc2", ".mdd"):
        return _land_cache(context, path, start, audio)
    if path.suffix.lower() not in SUFFIXES:
        raise UnusableFile(f"{path.name}: SEDTalker animations are {', '.join(SUFFIXES)} files")
    animation = read_glb(path) if path.suffix.lower() == ".glb" else read_animation_file(path)
    segments = animation.segments or _segments_beside(path)
    target = fitting_mesh(context, len(animation.vertices))
    note = ""
    if target is None:
        target, placement = make_object(animation, context.collection), UPRIGHT
        for other in context.selected_objects:
            other.select_set(False)
        target.select_set(True)
        context.view_layer.objects.active = target
    else:
        placement, note = _placement(target, animation)
    remove_animation(target)
    if form == "MESH_CACHE":
        cache = path.with_name(f"{path.stem}-{bpy.path.clean_name(target.name)}.pc2")
        write_pc2(cache, animation, placement)
        apply_cache(target, cache, start)
    else:
        apply_shape_keys(target, animation, placement, start)
    scene = context.scene
    set_clock(scene, animation.fps, len(animation.weights), start)
    sound = _sound(scene, audio or find_audio(path, animation.audio), start)
    if segments:
        set_markers(scene, segments)
    scene.frame_set(start)
    return f"{len(animation.weights)} frames on {target.name}, {len(segments)} emotions, {sound}{note}"


def fitting_mesh(context: bpy.types.Context, vertices: int) -> bpy.types.Object | None:
    """The active, else another selected mesh of so many vertices."""
    chosen = [context.view_layer.objects.active, *context.selected_objects]
    meshes = [o for o in chosen if o and o.type == "MESH" and o.select_get()]
    return next((o for o in meshes if len(o.data.vertices) == vertices), None)


def _placement(target: bpy.types.Object, animation: FaceAnimation) -> tuple[Placement, str]:
    placement = place(animation.vertices, rest_positions(target.data))
    if placement.misfit > _ALIKE:
        raise UnusableFile(f"{target.name} has as many vertices as the animation, but in another order or shape")
    if placement.misfit > _SAME:
        return placement, "; it is another face of the same vertices, so the motion is transferred"
    return placement, ""


def _land_cache(context: bpy.types.Context, path: Path, start: int, audio: Path | None) -> str:
    first, frames, rate = read_first_frame(path)
    target = fitting_mesh(context, len(first))
    if target is None:
        raise UnusableFile(f"select the mesh of {len(first):,} vertices that {path.name} was made for")
    axes, segments = cache_axes(target, first), _segments_beside(path)
    remove_animation(target)
    apply_cache(target, path, start, axes)
    scene = context.scene
    set_clock(scene, rate or scene.render.fps / scene.render.fps_base, frames, start)
    sound = _sound(scene, audio or find_audio(path), start)
    if segments:
        set_markers(scene, segments)
    return f"{frames} frames on {target.name} from {path.name}, {len(segments)} emotions, {sound}"


def _sound(scene: bpy.types.Scene, audio: Path | None, start: int) -> str:
    if audio is None:
        return "no audio found beside it"
    return f"with {audio.name}" if add_audio(scene, audio, start) else f"Blender cannot read the sound of {audio.name}"


def _segments_beside(path: Path) -> tuple:
    track = path.with_name(f"{path.stem}.emotion.json")
    return read_segments(track) if track.is_file() else ()
