"""Offscreen rendering of faces, and video files.

``render_video`` and ``render_frames`` show an animation; ``make_renderer`` takes a mesh and a camera. A name is
imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sedtalker.plugins import load

if TYPE_CHECKING:
    from sedtalker.animation.option_fields import Backend as Backend
    from sedtalker.render.camera import Camera as Camera
    from sedtalker.render.camera import frame_head as frame_head
    from sedtalker.render.codecs import write_video as write_video
    from sedtalker.render.light import Light as Light
    from sedtalker.render.light import Lighting as Lighting
    from sedtalker.render.light import load_lighting as load_lighting
    from sedtalker.render.picture import Portrait as Portrait
    from sedtalker.render.picture import Renderer as Renderer
    from sedtalker.render.picture import Standing as Standing
    from sedtalker.render.renderer import make_renderer as make_renderer
    from sedtalker.render.video import render_frames as render_frames
    from sedtalker.render.video import render_sequence as render_sequence
    from sedtalker.render.video import render_video as render_video

_WHERE = {
    "camera": ("Camera", "frame_head"),
    "codecs": ("write_video",),
    "light": ("Light", "Lighting", "load_lighting"),
    "picture": ("Portrait", "Renderer", "Standing"),
    "renderer": ("Backend", "make_renderer"),
    "video": ("render_frames", "render_sequence", "render_video"),
}
"""The module of each name."""

__all__ = [name for names in _WHERE.values() for name in names]


def __getattr__(name: str) -> Any:
    for module, names in _WHERE.items():
        if name in names:
            return load(f"{__name__}.{module}:{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
