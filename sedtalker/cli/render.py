"""``sedtalker render`` and ``sedtalker compare``: videos of one animation, or of two beside each other."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.animation.option_fields import Backend
from sedtalker.animation.performance import Performance
from sedtalker.cli import options as o
from sedtalker.cli.console import fail_clearly, write_json
from sedtalker.cli.export import ANIMATION_HELP, check_sound, find_animation
from sedtalker.errors import InputError
from sedtalker.progress import Hook, one_step
from sedtalker.storage import OutputFolder

if TYPE_CHECKING:
    from sedtalker.render.comparison import Moving

log = logging.getLogger(__name__)


@fail_clearly
@o.takes_options(only="light size camera background renderer")
def render(
    animation: Annotated[Path, typer.Argument(help=ANIMATION_HELP)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A .mp4, .mov, .mkv, .webm or .gif, a .png of one frame, or with --frames a folder; default: "
            "NAME.mp4, NAME.frames, or with --at NAME.png, beside the animation.",
        ),
    ] = None,
    audio: Annotated[Path | None, typer.Option(help="The speech; default: found beside the animation.")] = None,
    options: Performance = Performance(),
    fps: Annotated[float | None, typer.Option(min=1.0, max=120.0, help="Resample to these frames a second.")] = None,
    frames: o.FramesOption = False,
    at: Annotated[
        float | None, typer.Option(min=0.0, help="Seconds: the frame that a .png shows; else the first.")
    ] = None,
    run: o.Run = o.Run(),
) -> None:
    """Render an animation; it needs neither the models nor the audio, whose sound is added where it is found."""
    animation = find_animation(animation)
    check_sound(audio)
    ending = ".frames" if frames else ".mp4" if at is None else ".png"
    if at is not None and (frames or (output is not None and output.suffix.lower() != ".png")):
        raise InputError(f"--at shows one frame: {'leave out --frames' if frames else 'name a .png with --output'}")
    target = output or animation.with_name(animation.name.removesuffix(".npz") + ending)
    from sedtalker.render.codecs import check_sequence, is_frame_name
    from sedtalker.render.renderer import picture_options
    from sedtalker.render.video import check_file, render_sequence

    picture = picture_options(options.size, options.camera, options.background, options.light, options.renderer)
    if frames:
        check_sequence(target, run.force)
    else:
        check_file(target, picture["background"], fps)
    names = None if frames else [target.name]
    folder = target if frames else target.parent
    outdated = is_frame_name if frames else None
    with OutputFolder(folder, names, run.force, outdated) as results, run.shown() as shown:
        from sedtalker.animation.animation import Animation
        from sedtalker.audio import find_recording

        with one_step(shown.hook, "opening the animation"):
            opened = Animation.load(animation)
            opened = opened if fps is None else opened.resampled(fps)
            silent = frames or target.suffix.lower() in (".png", ".gif")
            sha = opened.provenance.get("audio_sha256")
            found = None if silent else audio or find_recording(animation, sha)
        if found is None and not silent:
            log.info("no audio was found beside the animation: the video is silent (--audio FILE adds it)")
        if frames:
            render_sequence(opened, results.path, hook=shown.hook, force=True, **picture)
        else:
            opened.render(results.path / target.name, found, hook=shown.hook, at=at or 0.0, **picture)
    if run.as_json:
        write_json({"file": str(target), "frames": len(opened), "fps": opened.fps, "audio": found and str(found)})
    else:
        print(target)


@fail_clearly
@o.takes_options()
def compare(
    first: Annotated[
        Path, typer.Argument(metavar="A", help="An animation, say a prediction: .npz, or .npy of vertices.")
    ],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another of the same face: the reference.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The video; default: A-B.mp4 beside A.")] = None,
    mesh: Annotated[Path | None, typer.Option(help="The mesh that two .npy files move.")] = None,
    fps: Annotated[float | None, typer.Option(min=1.0, max=240.0, help="Frames a second of .npy files.")] = None,
    scale: Annotated[float, typer.Option(min=0.01, max=1000.0, help="Top of the colour scale, mm.")] = 5.0,
    audio: Annotated[Path | None, typer.Option(help="The speech; default: found beside A.")] = None,
    light: Annotated[str, o.option("light")] = "studio",
    size: Annotated[int, typer.Option(min=64, max=2160, help="Side of each of the three pictures, pixels.")] = 384,
    renderer: Annotated[Backend, typer.Option(help="numba needs no graphics library; pyrender needs EGL.")] = "auto",
    video: Annotated[bool, typer.Option("--video/--no-video", help="Render the video; else only the measures.")] = True,
    run: o.Run = o.Run(),
) -> None:
    """Compare two animations of one face: both videos with their difference in colour, and distances of vertices."""
    first, second = (path if path.suffix.lower() == ".npy" else find_animation(path) for path in (first, second))
    check_sound(audio)
    _check_vertices(first, second, mesh, fps)
    target = output or first.with_name(f"{first.stem}-{second.stem}.mp4")
    from sedtalker.animation.animation import Animation
    from sedtalker.render.comparison import align, differences, render_comparison
    from sedtalker.render.light import load_lighting
    from sedtalker.render.renderer import check_renderer
    from sedtalker.render.video import check_video_name

    check_video_name(target)
    lighting = load_lighting(light)
    if video:
        check_renderer(renderer)
    with run.shown() as shown:
        with one_step(shown.hook, "opening the animations"):
            a, b = align(*_opened(first, second, mesh, fps, shown.hook))
        with one_step(shown.hook, "measuring"):
            measures = differences(a, b)
        if video:
            from sedtalker.audio import find_recording, load_audio

            with OutputFolder(target.parent, [target.name], run.force) as results:
                known = a.provenance if isinstance(a, Animation) else {}
                found = audio or find_recording(first, known.get("audio_sha256"))
                render_comparison(
                    *(a, b, results.path / target.name, None if found is None else load_audio(found)),
                    names=_names(first, second),
                    scale=scale,
                    size=size,
                    backend=renderer,
                    light=lighting,
                    hook=shown.hook,
                )
    if run.as_json:
        write_json({"file": str(target) if video else None, **measures})
    else:
        print("\n".join([str(target)] * video + [_sentence(measures)]))


def _check_vertices(first: Path, second: Path, mesh: Path | None, fps: float | None) -> None:
    """Raise ``InputError`` where a ``.npy`` lacks what it does not say itself, or an option would do nothing."""
    arrays = [path for path in (first, second) if path.suffix.lower() == ".npy"]
    o.check_files(*arrays, mesh)
    if arrays and fps is None:
        raise InputError(f"{arrays[0]}: give its frames a second with --fps")
    if len(arrays) == 2 and mesh is None:
        raise InputError("two .npy: give the mesh that they move with --mesh")
    if (mesh is not None and len(arrays) < 2) or (fps is not None and not arrays):
        raise InputError("--mesh is only for two .npy files, --fps only for .npy files: an .npz has its own")


def _opened(first: Path, second: Path, mesh: Path | None, fps: float | None, hook: Hook) -> tuple[Moving, Moving]:
    """Both, on one face: that of the ``.npz``, or that of the mesh as it lies in its file or, in metres, as a face."""
    from sedtalker.animation.animation import Animation
    from sedtalker.face import Face
    from sedtalker.mesh.mesh import Mesh
    from sedtalker.render.comparison import read_vertices

    animations = {path: Animation.load(path) for path in (first, second) if path.suffix.lower() != ".npy"}
    if mesh is None:
        face = next(iter(animations.values())).face
        a, b = (animations.get(path) or read_vertices(path, fps or 0.0, face) for path in (first, second))
        return a, b
    regions = Face.from_mesh(mesh, mouth="keep", eyes="keep", hook=hook)
    in_file = replace(regions, mesh=Mesh.load(mesh))
    try:
        a, b = (read_vertices(path, fps or 0.0, in_file) for path in (first, second))
    except InputError as error:
        try:  # as --to npy writes them
            a, b = (read_vertices(path, fps or 0.0, regions) for path in (first, second))
        except InputError:
            raise error from None
        return a, b
    shrunk = float(regions.mesh.vertices.std() / in_file.mesh.vertices.std())
    if shrunk < 0.1:  # centimetres, inches, millimetres: neither metres nor feet
        raise InputError(f"{first}: in the unit of {mesh}, not in metres: multiply both by {shrunk:.3g}, and the mesh")
    return a, b


def _names(first: Path, second: Path) -> tuple[str, str]:
    """Names to print; with their folders where the names alone are the same."""
    names = first.stem, second.stem
    return names if names[0] != names[1] else (f"{first.parent.name}/{names[0]}", f"{second.parent.name}/{names[1]}")


def _sentence(measures: dict[str, Any]) -> str:
    text = "mean {mean_mm:.3f} mm, largest {max_mm:.2f} mm at {max_at:.2f} s".format(**measures)
    text += "" if measures["lve_mm2"] is None else f", LVE {measures['lve_mm2']:.3f} mm²"
    return text + ("" if measures["fdd_mm"] is None else f", FDD {measures['fdd_mm']:+.3f} mm")
