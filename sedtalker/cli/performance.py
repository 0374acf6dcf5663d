"""``sedtalker animate --performance``: a take of Live Link Face on any face, in place of speech."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.cli import picture as p
from sedtalker.cli.console import ShownProgress, write_json
from sedtalker.cli.project import is_typed
from sedtalker.errors import InputError
from sedtalker.export.formats import export, export_formats, parse_formats

if TYPE_CHECKING:
    from sedtalker.face.face import Face
    from sedtalker.face.shape_maps import ShapeMap

log = logging.getLogger(__name__)

PerformanceOption = Annotated[
    Path | None,
    typer.Option(help="A take of Live Link Face (.csv) moves the face in place of speech; the audio is its sound."),
]
"""A captured performance."""
OF_SPEECH = (
    "project", "emotion", "model", "encoder", "enroll", "decoder", "intensity", "expressivity", "articulation", "style",
    "coordinates", "min_confidence", "trust", "seed", "blinks", "gaze",
)  # fmt: skip
"""Options that mean nothing without speech that moves the face."""


def check_performance(context: typer.Context, take: Path) -> None:
    """Raise ``InputError`` where an option of speech is given with a performance."""
    for name in OF_SPEECH:
        if is_typed(context, name):
            raise InputError(f"--{name.replace('_', '-')} is of speech: leave it out with --performance {take.name}")


def animate_performance(
    context: typer.Context,
    *,
    take: Path,
    audio: Path | None,
    open_face: Any,
    output: Path | None,
    names: ShapeMap | None,
    gain: list[str],
    fps: float,
    head: bool,
    looks: p.Looks,
    video_suffix: str | None,
    to: list[str],
    options: dict[str, Any],
    force: bool,
    shown: ShownProgress,
    as_json: bool,
) -> None:
    """Write what ``sedtalker animate`` writes, but for the track of emotion, which a take does not have."""
    from sedtalker.animation.gains import Gains, parse_gains
    from sedtalker.export.performance import hash_of, perform, read_take
    from sedtalker.progress import one_step
    from sedtalker.storage import OutputFolder

    check_performance(context, take)
    rows = [export_formats()[name] for name in dict.fromkeys(["glb", "npz", *parse_formats(to or ["glb"])])]
    if any(row.name == "keys" for row in rows):
        raise InputError("--to keys is of speech: a performance has no track of emotion")
    regions, shapes = parse_gains(gain)
    if regions:
        raise InputError(f"--gain {next(iter(regions))} is of speech: with --performance give shapes, jawOpen=1.2")
    folder = output or Path(take.stem)
    suffixes = [*([] if video_suffix is None else [video_suffix]), *(row.suffix for row in rows)]
    files = [take.stem + suffix for suffix in suffixes]
    with ExitStack() as stack:
        results = stack.enter_context(OutputFolder(folder, files, force))
        stack.enter_context(shown)
        if video_suffix is not None:
            looks.check_file(results.path / files[0])
        motion = read_take(take, names)
        sound = None
        if audio is not None:
            from sedtalker.audio import load_audio

            sound = load_audio(audio)
        face: Face = open_face(shown.hook)
        moved = perform(face, motion, fps, gains=Gains(shapes=shapes), head=head, source=hash_of(take))
        if video_suffix is not None:
            looks.video(moved, results.path / files[0], sound, shown.hook)
        with one_step(shown.hook, "writing the files"):
            for row in rows:
                chosen = {key: value for key, value in options.items() if key in row.options}
                file = take.stem + row.suffix
                export(moved, results.path / file, row.name, audio, place=folder / file, **chosen)
        shown.summary(moved.duration)
    paths = {suffix.lstrip("."): str(folder / name) for suffix, name in zip(suffixes, files, strict=True)}
    if as_json:
        write_json({"files": paths, "frames": len(moved), "fps": fps, "duration": moved.duration})
    else:
        print("\n".join(paths.values()))
