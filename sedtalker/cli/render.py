"""``sedtalker render``: an animation file as a video."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

from sedtalker.cli.console import (
    ForceOption,
    JsonOption,
    ProgressOption,
    QuietOption,
    ShownProgress,
    fail_clearly,
    write_json,
)
from sedtalker.cli.export import ANIMATION_HELP, check_sound, find_animation
from sedtalker.progress import one_step
from sedtalker.storage import OutputFolder

Backend = Literal["auto", "numba", "pyrender"]
"""What ``--renderer`` takes: ``sedtalker.render.Backend``, here so that ``--help`` need not import it."""


def check_renderer(renderer: Backend) -> None:
    """Raise ``InputError`` when the renderer that was asked for cannot work here, before anything else is done."""
    if renderer == "pyrender":
        from sedtalker.render.pyrender_backend import import_pyrender

        import_pyrender()


log = logging.getLogger(__name__)


@fail_clearly
def render(
    animation: Annotated[Path, typer.Argument(help=ANIMATION_HELP)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The video; default: NAME.mp4 beside the animation.")
    ] = None,
    audio: Annotated[Path | None, typer.Option(help="The speech; default: found beside the animation.")] = None,
    light: Annotated[str, typer.Option(help="studio, soft, dramatic or a .json file.")] = "studio",
    size: Annotated[int, typer.Option(min=64, max=2160, help="Width and height, pixels.")] = 512,
    fps: Annotated[float | None, typer.Option(min=1.0, max=120.0, help="Resample to these frames a second.")] = None,
    renderer: Annotated[Backend, typer.Option(help="numba needs no graphics library; pyrender needs EGL.")] = "auto",
    force: ForceOption = False,
    quiet: QuietOption = False,
    progress: ProgressOption = "bar",
    as_json: JsonOption = False,
) -> None:
    """Render an animation; it needs neither the models nor the audio, whose sound is added where it is found."""
    animation = find_animation(animation)
    check_sound(audio)
    video = output or animation.with_name(animation.name.removesuffix(".npz") + ".mp4")
    from sedtalker.render.light import load_lighting
    from sedtalker.render.video import check_video_name, render_video

    check_video_name(video)
    lighting = load_lighting(light)
    check_renderer(renderer)
    with OutputFolder(video.parent, [video.name], force) as results, ShownProgress(progress, quiet) as shown:
        from sedtalker.animation.animation import read_animation
        from sedtalker.audio import find_recording

        with one_step(shown.hook, "opening the animation"):
            opened = read_animation(animation)
            opened = opened if fps is None else opened.resampled(fps)
            found = audio or find_recording(animation, opened.provenance.get("audio_sha256"))
        if found is None:
            log.info("no audio was found beside the animation: the video is silent (--audio FILE adds it)")
        render_video(opened, results.path / video.name, found, size, renderer, lighting, shown.hook)
    if as_json:
        write_json({"file": str(video), "frames": len(opened), "fps": opened.fps, "audio": found and str(found)})
    else:
        print(video)
