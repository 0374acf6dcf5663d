"""``sedtalker export``: an animation file in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sedtalker.cli.console import fail_clearly, say, write_json
from sedtalker.errors import InputError
from sedtalker.export.formats import SUFFIXES, ExportOptions, parse_formats
from sedtalker.export.formats import export as write

Targets = Literal["few", "arkit", "all"]


@fail_clearly
def export(
    animation: Annotated[Path, typer.Argument(help="The .npz that sedtalker animate wrote.")],
    to: Annotated[list[str], typer.Option(help=f"Formats, by comma: {', '.join(SUFFIXES)}.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the results [where the animation is].")
    ] = None,
    targets: Annotated[
        Targets,
        typer.Option(help="Blend shapes of GLB and USD: at most 32, the 52 of ARKit, or all with correctives."),
    ] = "few",
    points: Annotated[
        bool, typer.Option("--points", help="USD: every vertex at every frame, no blend shapes.")
    ] = False,
    metres: Annotated[
        bool, typer.Option("--metres", help="MDD, PC2: metres, +Y up, not the unit and axes of your mesh file.")
    ] = False,
    fps: Annotated[float | None, typer.Option(min=1.0, max=240.0, help="Resample to these frames a second.")] = None,
    audio: Annotated[Path | None, typer.Option(help="The speech; GLB and USD name it [found beside].")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write an animation for Blender, Unreal, Maya, the web; it needs neither the audio nor the models."""
    formats = parse_formats(to)
    from sedtalker.storage import OutputFolder

    if not animation.is_file():
        raise InputError(f"{animation}: no such file; give the .npz that sedtalker animate wrote")
    folder, stem = output or animation.parent, animation.name.removesuffix(".npz")
    names = {name: stem + SUFFIXES[name] for name in formats}
    written: list[dict[str, Any]] = []
    with OutputFolder(folder, list(names.values()), force) as results:
        from sedtalker.animation.animation import read_animation
        from sedtalker.cli.console import Stages
        from sedtalker.export.sound import find_sound

        stages = Stages(quiet=quiet)
        with stages.stage("opening the animation"):
            opened = read_animation(animation)
            opened = opened if fps is None else opened.resampled(fps)
            sound = find_sound(opened, animation, audio)
        options = ExportOptions(targets, points, metres, sound)
        for name, file in names.items():
            with stages.stage(f"writing {name}"):
                said = write(opened, name, results.path / file, options, folder / file)
            size = (results.path / file).stat().st_size
            written.append({"format": name, "file": str(folder / file), "bytes": size, **said})
    if as_json:
        write_json({"files": written, "frames": len(opened), "fps": opened.fps, "audio": sound and str(sound)})
        return
    for row in written:
        notes = ", ".join(f"{key} {value}" for key, value in row.items() if key not in ("format", "file"))
        say(f"  {row['format']}: {notes}")
        print(row["file"])
