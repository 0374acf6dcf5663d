"""The scene's clock: frame rate, range, and the audio in the sequencer."""

from __future__ import annotations

from pathlib import Path

import bpy

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".webm")
AUDIO, COLOURS = "SEDTalker audio", "SEDTalker emotion"  # names of the strips
_START, _END = "sedtalker_start", "sedtalker_end"


def set_clock(scene: bpy.types.Scene, fps: float, frames: int, start: int) -> None:
    """Sample 0 at frame ``start``, ``fps`` exactly, and the range of the animation."""
    scene.render.fps = max(1, round(fps))
    scene.render.fps_base = scene.render.fps / fps
    scene.frame_start, scene.frame_end = start, start + max(frames, 1) - 1
    scene[_START], scene[_END] = start, start + frames


def clock(scene: bpy.types.Scene) -> tuple[int, int, float]:
    """First frame, the frame after the last, frames a second."""
    fps = scene.render.fps / scene.render.fps_base
    return int(scene.get(_START, scene.frame_start)), int(scene.get(_END, scene.frame_end + 1)), fps


def find_audio(path: Path, named: str | None = None) -> Path | None:
    """The recording of an animation: the one it names, else a sound (or video) of its name beside it or a folder up."""
    if named and Path(named).suffix.lower() in AUDIO_SUFFIXES and (path.parent / named).is_file():
        return path.parent / named
    for folder in (path.parent, path.parent.parent):
        for suffix in AUDIO_SUFFIXES:
            candidate = folder / (path.stem + suffix)
            if candidate.is_file():
                return candidate
    return None


def strips(scene: bpy.types.Scene) -> object:
    """The sequencer's strips; made where there is no sequencer yet."""
    editor = scene.sequence_editor or scene.sequence_editor_create()
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def remove_strips(scene: bpy.types.Scene, name: str) -> None:
    """Remove the strips this add-on made under ``name``."""
    for strip in [s for s in strips(scene) if s.name.startswith(name)]:
        strips(scene).remove(strip)


def free_channel(scene: bpy.types.Scene) -> int:
    """The lowest channel above all strips."""
    return 1 + max((strip.channel for strip in strips(scene)), default=0)


def add_audio(scene: bpy.types.Scene, path: Path, start: int) -> bool:
    """The recording as a sound strip from frame ``start``, with which playback keeps step; False where it cannot be."""
    remove_strips(scene, AUDIO)
    try:
        strips(scene).new_sound(name=AUDIO, filepath=str(path), channel=free_channel(scene), frame_start=start)
    except RuntimeError:  # no sound in it, or a Blender without sound
        return False
    scene.sync_mode = "AUDIO_SYNC"
    return True
