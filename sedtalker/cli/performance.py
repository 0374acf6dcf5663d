"""``sedtalker animate --performance``: a take of Live Link Face on any face, in place of speech."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from sedtalker.animation.performance import Performance, declared
from sedtalker.batch.opening import mesh_options, shape_map_of
from sedtalker.cli import options as o
from sedtalker.cli import picture as p
from sedtalker.cli.console import ShownProgress
from sedtalker.cli.export import print_files, write_files, written_formats
from sedtalker.cli.project import is_typed
from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.face.face import Face

PerformanceOption = Annotated[
    Path | None,
    typer.Option(help="A take of Live Link Face (.csv) moves the face in place of speech; the audio is its sound."),
]
"""A captured performance."""
OF_TAKES = ("gain", "head")
"""Options of motion that mean something without speech that moves the face."""
NOT_OF_TAKES = ("project", "visemes")
"""Options of ``animate`` alone that mean nothing without it."""


def check_performance(context: typer.Context, take: Path) -> None:
    """Raise ``InputError`` where an option of speech is given with a performance."""
    parts = {name: about.option.part for name, about in declared(Performance).items() if name not in OF_TAKES}
    of_speech = [name for name, part in parts.items() if part in ("Emotion", "Motion", "Words")]
    for name in (*NOT_OF_TAKES, *of_speech):
        if is_typed(context, name):
            raise InputError(f"--{name.replace('_', '-')} is of speech: leave it out with --performance {take.name}")
    if is_typed(context, "frames"):
        raise InputError("--frames is of speech: with --performance give a video, and sedtalker render its .npz")


def animate_performance(
    take: Path,
    audio: Path | None,
    options: Performance,
    output: Path | None,
    shown: ShownProgress,
    *,
    force: bool,
    as_json: bool,
) -> None:
    """Write what ``sedtalker animate`` writes, but for the track of emotion, which a take does not have."""
    from sedtalker.export.performance import hash_of, perform, read_take
    from sedtalker.progress import one_step
    from sedtalker.storage import OutputFolder

    o.check_files(audio, options.mesh, options.landmarks, options.rig)
    looks, names = p.Looks.of(options), shape_map_of(options.rig_names)
    rows = written_formats(options)
    if any(row.name == "keys" for row in rows):
        raise InputError("--to keys is of speech: a performance has no track of emotion")
    if options.gains.regions:
        region = next(iter(options.gains.regions))
        raise InputError(f"--gain {region} is of speech: with --performance give shapes, jawOpen=1.2")
    folder = output or Path(take.stem)
    suffixes = [*([f".{options.video_format}"] if options.video else []), *(row.suffix for row in rows)]
    files = [take.stem + suffix for suffix in suffixes]
    with OutputFolder(folder, files, force) as results, shown:
        if options.video:
            looks.check_file(results.path / files[0])
        motion = read_take(take, names)
        sound = None
        if audio is not None:
            from sedtalker.audio import load_audio

            sound = load_audio(audio)
        given = replace(mesh_options(options), names=names)
        face = cast("Face", o.open_face(options.mesh, options.face, False, shown.hook, given))
        moved = perform(face, motion, options.fps, gains=options.gains, head=options.head, source=hash_of(take))
        if options.video:
            looks.video(moved, results.path / files[0], sound, shown.hook)
        with one_step(shown.hook, "writing the files"):
            write_files(moved, results.path, folder, take.stem, audio, rows, options)
        shown.summary(moved.duration)
    paths = {suffix.lstrip("."): str(folder / name) for suffix, name in zip(suffixes, files, strict=True)}
    print_files(paths, moved, moved.duration, as_json)
