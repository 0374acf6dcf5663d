"""The video of an animation, for the commands that make one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sedtalker.cli.console import fail_clearly, say, write_json
from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.animation.animation import Animation
    from sedtalker.audio import Audio
    from sedtalker.cli.console import Stages
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


# --- ``sedtalker render``: an animation file as a video.


@fail_clearly
def render(
    animation: Annotated[Path, typer.Argument(help="The .npz that sedtalker animate wrote.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The video [NAME.mp4 beside it].")] = None,
    audio: Annotated[Path | None, typer.Option(help="The speech [found beside the animation].")] = None,
    light: Annotated[str, typer.Option(help="studio, soft, dramatic or a .json file.")] = "studio",
    size: Annotated[int, typer.Option(min=64, max=2160, help="Width and height, pixels.")] = 512,
    fps: Annotated[float | None, typer.Option(min=1.0, max=120.0, help="Resample to these frames a second.")] = None,
    renderer: Annotated[Backend, typer.Option(help="numba needs no graphics library; pyrender needs EGL.")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing video.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Render an animation; it needs neither the models nor the audio, whose sound is added where it is found."""
    from sedtalker.storage import OutputFolder

    if not animation.is_file():
        raise InputError(f"{animation}: no such file; give the .npz that sedtalker animate wrote")
    video = output or animation.with_name(animation.name.removesuffix(".npz") + ".mp4")
    if video.suffix.lower() not in (".mp4", ".mov", ".mkv"):
        raise InputError(f"{video}: give a file that ends in .mp4, .mov or .mkv")
    with OutputFolder(video.parent, [video.name], force) as results:
        from sedtalker.animation.animation import read_animation
        from sedtalker.audio import load_audio
        from sedtalker.cli.console import Stages

        pass
        from sedtalker.export.sound import find_sound
        from sedtalker.render.light import load_lighting

        lighting, stages = load_lighting(light), Stages(quiet=quiet)
        with stages.stage("opening the animation"):
            opened = read_animation(animation)
            opened = opened if fps is None else opened.resampled(fps)
            found = find_sound(opened, animation, audio)
            sound = None if found is None else load_audio(found)
        if found is None and not quiet:
            say("note: no audio was found beside the animation; the video is silent (--audio FILE)")
        render_video(results.path / video.name, opened, sound, size, renderer, lighting, stages)
    if as_json:
        write_json({"file": str(video), "frames": len(opened), "fps": opened.fps, "audio": found and str(found)})
    else:
        print(video)
