"""``sedtalker render``: an animation file as a video, a GIF or pictures."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from sedtalker.cli import picture as p
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

log = logging.getLogger(__name__)


@fail_clearly
def render(
    animation: Annotated[Path, typer.Argument(help=ANIMATION_HELP)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A .mp4, .mov, .mkv, .webm or .gif, a .png of one frame, or with --frames a folder; default: NAME.mp4 "
            "or NAME.frames beside the animation.",
        ),
    ] = None,
    audio: Annotated[Path | None, typer.Option(help="The speech; default: found beside the animation.")] = None,
    light: p.LightOption = "studio",
    size: p.SizeOption = "512",
    camera: p.CameraOption = "front",
    background: p.BackgroundOption = None,
    fps: Annotated[float | None, typer.Option(min=1.0, max=120.0, help="Resample to these frames a second.")] = None,
    frames: p.FramesOption = False,
    at: Annotated[float, typer.Option(min=0.0, help="Seconds: the frame that a .png shows.")] = 0.0,
    renderer: p.RendererOption = "auto",
    force: ForceOption = False,
    quiet: QuietOption = False,
    progress: ProgressOption = "bar",
    as_json: JsonOption = False,
) -> None:
    """Render an animation; it needs neither the models nor the audio, whose sound is added where it is found."""
    animation = find_animation(animation)
    check_sound(audio)
    ending = ".frames" if frames else ".mp4"
    target = output or animation.with_name(animation.name.removesuffix(".npz") + ending)
    looks = p.Looks.checked(size, camera, background, light, renderer)
    if frames:
        p.check_sequence(target, force)
    else:
        looks.check_file(target)
    names = None if frames else [target.name]
    folder = target if frames else target.parent
    with OutputFolder(folder, names, force) as results, ShownProgress(progress, quiet) as shown:
        from sedtalker.animation.animation import read_animation
        from sedtalker.audio import find_recording

        with one_step(shown.hook, "opening the animation"):
            opened = read_animation(animation)
            opened = opened if fps is None else opened.resampled(fps)
            silent = frames or target.suffix.lower() in (".png", ".gif")
            sha = opened.provenance.get("audio_sha256")
            found = None if silent else audio or find_recording(animation, sha)
        if found is None and not silent:
            log.info("no audio was found beside the animation: the video is silent (--audio FILE adds it)")
        if frames:
            looks.sequence(opened, results.path, force, shown.hook)
        else:
            looks.video(opened, results.path / target.name, found, shown.hook, at)
    if as_json:
        write_json({"file": str(target), "frames": len(opened), "fps": opened.fps, "audio": found and str(found)})
    else:
        print(target)
