"""``sedtalker compare``: two animations of one face side by side, and how far they differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sedtalker.cli.console import (
    ForceOption,
    ProgressOption,
    QuietOption,
    ShownProgress,
    fail_clearly,
    write_json,
)
from sedtalker.cli.export import check_sound, find_animation
from sedtalker.cli.picture import Backend
from sedtalker.progress import one_step
from sedtalker.storage import OutputFolder


@fail_clearly
def compare(
    first: Annotated[Path, typer.Argument(metavar="A.npz", help="An animation, for example a prediction.")],
    second: Annotated[Path, typer.Argument(metavar="B.npz", help="Another of the same face: the reference.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The video; default: A-B.mp4 beside A.")] = None,
    scale: Annotated[float, typer.Option(min=0.01, max=1000.0, help="Top of the colour scale, mm.")] = 5.0,
    audio: Annotated[Path | None, typer.Option(help="The speech; default: found beside A.")] = None,
    light: Annotated[str, typer.Option(help="studio, soft, dramatic or a .json file.")] = "studio",
    size: Annotated[int, typer.Option(min=64, max=2160, help="Side of each of the three pictures, pixels.")] = 384,
    renderer: Annotated[Backend, typer.Option(help="numba needs no graphics library; pyrender needs EGL.")] = "auto",
    video: Annotated[bool, typer.Option("--video/--no-video", help="Render the video; else only the measures.")] = True,
    force: ForceOption = False,
    quiet: QuietOption = False,
    progress: ProgressOption = "bar",
    as_json: Annotated[bool, typer.Option("--json", help="Print the measures as JSON.")] = False,
) -> None:
    """Show two animations of one face and their difference in colour; print how far their vertices are apart."""
    first, second = find_animation(first), find_animation(second)
    check_sound(audio)
    target = output or first.with_name(f"{first.stem}-{second.stem}.mp4")
    from sedtalker.animation.animation import read_animation
    from sedtalker.render.comparison import align, differences, render_comparison
    from sedtalker.render.light import load_lighting
    from sedtalker.render.renderer import check_renderer
    from sedtalker.render.video import check_video_name

    check_video_name(target)
    lighting = load_lighting(light)
    check_renderer(renderer)
    with ShownProgress(progress, quiet) as shown:
        with one_step(shown.hook, "opening the animations"):
            a, b = align(read_animation(first), read_animation(second))
        with one_step(shown.hook, "measuring"):
            measures = differences(a, b)
        if video:
            from sedtalker.audio import find_recording, load_audio

            with OutputFolder(target.parent, [target.name], force) as results:
                found = audio or find_recording(first, a.provenance.get("audio_sha256"))
                render_comparison(
                    *(a, b, results.path / target.name, None if found is None else load_audio(found)),
                    names=_names(first, second),
                    scale=scale,
                    size=size,
                    backend=renderer,
                    light=lighting,
                    hook=shown.hook,
                )
    if as_json:
        write_json({"file": str(target) if video else None, **measures})
    else:
        print("\n".join([str(target)] * video + [_sentence(measures)]))


def _names(first: Path, second: Path) -> tuple[str, str]:
    """Names to print; with their folders where the names alone are the same."""
    names = first.stem, second.stem
    return names if names[0] != names[1] else (f"{first.parent.name}/{names[0]}", f"{second.parent.name}/{names[1]}")


def _sentence(measures: dict[str, Any]) -> str:
    text = "mean {mean_mm:.3f} mm, largest {max_mm:.2f} mm at {max_at:.2f} s".format(**measures)
    text += "" if measures["lve_mm2"] is None else f", LVE {measures['lve_mm2']:.3f} mm²"
    return text + ("" if measures["fdd_mm"] is None else f", FDD {measures['fdd_mm']:+.3f} mm")
