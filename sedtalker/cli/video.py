"""The video of an animation, for the commands that make one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sedtalker.animation.animation import Animation
    from sedtalker.audio import Audio
    from sedtalker.cli.progress import Stages
    from sedtalker.render.light import Lighting

Backend = Literal["auto", "numba", "pyrender"]


def render_video(
    path: Path,
    animation: Animation,
    sound: Audio | None,
    size: int,
    backend: Backend,
    lighting: Lighting,
    stages: Stages,
) -> None:
    """Render every frame of an animation into a video with its sound, ``size`` pixels a side."""
    from sedtalker.render import frame_head, make_renderer
    from sedtalker.render.video import write_video

    face = animation.face
    with (
        make_renderer(face, frame_head(face), size, backend, lighting=lighting) as picture,
        stages.bar("rendering", len(animation)) as count,
    ):
        frames = (count(picture.render(vertices)) for vertices in animation.frames())
        write_video(path, frames, animation.fps, None if sound is None else (sound.samples, sound.rate))
