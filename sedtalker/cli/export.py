"""``sedtalker export`` and ``visemes``: files for other programs, from an animation or from speech alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sedtalker.animation.option_fields import Targets
from sedtalker.animation.performance import Performance
from sedtalker.batch.opening import shape_options
from sedtalker.cli import options as o
from sedtalker.cli.console import fail_clearly, say, write_json
from sedtalker.errors import InputError
from sedtalker.export.formats import described, export_formats, parse_formats
from sedtalker.export.formats import export as write
from sedtalker.progress import Hook, no_progress, one_step
from sedtalker.reading import is_file, is_folder
from sedtalker.storage import OutputFolder, check_writable

if TYPE_CHECKING:
    from sedtalker.audio import Audio
    from sedtalker.phonetics.aligner import Alignment
    from sedtalker.phonetics.pronunciation import SpokenWord

ANIMATION_HELP = "The .npz that sedtalker animate wrote, or the folder it is in."
"""Help text of an argument that ``find_animation`` takes."""

log = logging.getLogger(__name__)


def find_animation(given: Path) -> Path:
    """The animation file that a person means: the file, the only one of a folder, or that of ``sedtalker animate``.

    ``speech.npz``, ``speech`` and ``speech/`` all lead to ``speech/speech.npz`` where nothing else is there.

    Raises:
        InputError: there is none, or there are several to choose from.
    """
    stem = given.with_suffix("") if given.suffix.lower() == ".npz" else given
    candidates = [given, given.with_name(f"{given.name}.npz"), stem / f"{stem.name}.npz"]
    found = next((path for path in candidates if path.name and is_file(path)), None)
    if found is None and is_folder(given):
        inside = sorted(given.glob("*.npz"))
        if len(inside) > 1:
            raise InputError(f"{given}: there are {len(inside)} animations in it; name one, such as {inside[0]}")
        found = inside[0] if inside else None
    if found is None:
        what = "is a folder without an animation" if is_folder(given) else "no such file"
        raise InputError(f"{given}: {what}; give the .npz that sedtalker animate wrote")
    if found != given:
        log.info(f"reading {found}")
    return found


@fail_clearly
@o.takes_options()
def export(
    context: typer.Context,
    animation: Annotated[Path, typer.Argument(help=ANIMATION_HELP)],
    to: Annotated[list[str], typer.Option(help=f"Formats, separated by commas. {o.TO_HELP}.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the results; default: where the animation is.")
    ] = None,
    targets: Annotated[Targets, o.option("targets")] = "arkit",
    names: Annotated[
        str | None, typer.Option("--map", help="Blend shapes of another rig instead, as for animate.")
    ] = None,
    mesh: Annotated[
        Path | None, typer.Option(help="GLB: your .glb or .vrm that was animated; the animation is put into a copy.")
    ] = None,
    points: Annotated[
        bool, typer.Option("--points", help="USD: every vertex at every frame, no blend shapes.")
    ] = False,
    metres: Annotated[
        bool, typer.Option("--metres", help="MDD, PC2: metres, +Y up, not the unit and axes of your mesh file.")
    ] = False,
    fps: Annotated[float | None, typer.Option(min=1.0, max=240.0, help="Resample to these frames a second.")] = None,
    audio: Annotated[
        Path | None, typer.Option(help="The speech, which GLB, FBX and USD name; default: found beside the animation.")
    ] = None,
    run: o.Run = o.Run(),
) -> None:
    """Write an animation for Blender, Unreal, Maya, the web; it needs neither the audio nor the models."""
    rows = [export_formats()[name] for name in parse_formats(to)]
    animation = find_animation(animation)
    check_sound(audio)
    if mesh is not None and (mesh.suffix.lower() not in (".glb", ".vrm") or not mesh.is_file()):
        raise InputError(f"{mesh}: give the .glb or .vrm that was animated")
    folder, stem = output or animation.parent, animation.name.removesuffix(".npz")
    options = shape_options(targets, names) | {"points": points, "metres": metres}
    o.check_targets(context, names)
    known, listed = export_formats().values(), ",".join(row.name for row in rows)
    for flag, given, *taken in (
        ("--points", points, "points"),
        ("--metres", metres, "metres"),
        ("--targets", o.is_typed(context, "targets"), "targets"),
        ("--map", names is not None, "targets", "names"),
    ):
        if given and not any(set(taken).intersection(row.options) for row in rows):
            able = ", ".join(row.name for row in known if set(taken).intersection(row.options))
            raise InputError(f"{flag} is of {able}: it does nothing with --to {listed}")
    if mesh is not None and not any(row.name == "glb" for row in rows):
        raise InputError(f"--mesh is of glb: it does nothing with --to {listed}")
    written: list[dict[str, Any]] = []
    files = [stem + row.suffix for row in rows]
    with OutputFolder(folder, files, run.force) as results, run.shown() as shown:
        from sedtalker.animation.animation import Animation
        from sedtalker.audio import find_recording

        with one_step(shown.hook, "opening the animation"):
            opened = Animation.load(animation)
            opened = opened if fps is None else opened.resampled(fps)
            opened = opened if mesh is None else replace(opened, face=replace(opened.face, file=mesh))
            sound = audio or find_recording(animation, opened.provenance.get("audio_sha256"))
        for row, file in zip(rows, files, strict=True):
            chosen = {name: options[name] for name in row.options if name in options}
            with one_step(shown.hook, f"writing {row.name}"):
                said = write(opened, results.path / file, row.name, sound, place=folder / file, **chosen)
            size = (results.path / file).stat().st_size
            written.append({"format": row.name, "file": str(folder / file), "bytes": size, **said})
    if run.as_json:
        write_json({"files": written, "frames": len(opened), "fps": opened.fps, "audio": sound and str(sound)})
        return
    for made in written:
        say(f"  {made['format']}: {described(made)}")
        print(made["file"])


def check_sound(audio: Path | None) -> None:
    """Raise ``InputError`` where ``--audio`` names no file."""
    if audio is not None and not audio.is_file():
        raise InputError(f"{audio}: no such file")


# --- Mouth shapes over time: ``sedtalker visemes``, and the options of ``animate`` that write them.


VisemeSet = Literal["oculus", "vrm", "preston-blair", "rhubarb"]
"""What ``--viseme-set`` takes; the names of ``sedtalker.phonetics.visemes.SETS`` (a test)."""
VisemesOption = Annotated[
    Path | None,
    typer.Option(help="Also write visemes: .tsv, .json or .xml of Rhubarb, Moho's .dat, .spine.json or .TextGrid."),
]
"""File of visemes."""
VisemeSetOption = Annotated[VisemeSet, typer.Option(help="The mouth shapes of the file of visemes.")]
"""Set of visemes."""


@fail_clearly
@o.takes_options(only="transcript words language fps max_seconds")
def visemes(
    audio: Annotated[Path, typer.Argument(help=o.AUDIO_HELP)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write .tsv, .json or .xml of Rhubarb, Moho's .dat (frames by --fps), .spine.json or .TextGrid; "
            "default: print TSV.",
        ),
    ] = None,
    viseme_set: VisemeSetOption = "oculus",
    options: Performance = Performance(),
    force: o.ForceOption = False,
) -> None:
    """Write the mouth shapes of speech over time, for 2D characters and game engines."""
    o.check_recording(audio)
    o.check_files(options.words)
    if output is not None:
        check_visemes(output, viseme_set, force)
    said = o.given_words(options)
    from sedtalker.audio import load_audio
    from sedtalker.phonetics.visemes import VisemeSheet, to_tsv

    sound = load_audio(audio, options.max_seconds)
    for note in sound.notes:
        log.warning(note)
    phones = phones_of(sound, said, options.language)
    if output is None:
        print(to_tsv(VisemeSheet(phones, viseme_set, audio.name, sound.duration)), end="")
        return
    write_visemes(output, viseme_set, phones, sound, audio, options.fps)
    say(f"visemes: {output}")


def check_visemes(path: Path, of: str, force: bool) -> None:
    """Raise ``InputError`` where visemes cannot be written so."""
    from sedtalker.phonetics.visemes import writer_of

    writer_of(path, of)
    check_writable(path, force)


def write_visemes(path: Path, of: str, phones: Alignment | None, sound: Audio, audio: Path, fps: float) -> None:
    """Write the visemes of a recording; its phones are recognised where none are known."""
    from sedtalker.phonetics.visemes import VisemeSheet
    from sedtalker.phonetics.visemes import write_visemes as write_file

    write_file(path, VisemeSheet(phones or phones_of(sound), of, audio.name, sound.duration, fps))


def phones_of(
    sound: Audio, said: Sequence[SpokenWord] | str | None = None, language: str | None = None, hook: Hook = no_progress
) -> Alignment:
    """The phones of a recording: of what is said, or as they are recognised where nobody says it."""
    from sedtalker.animation.opening import mouth_pose
    from sedtalker.phonetics.aligner import phone_posteriors
    from sedtalker.phonetics.recognition import placed_words
    from sedtalker.phonetics.visemes import recognise
    from sedtalker.speech.encoder import open_encoder

    features = open_encoder()(sound)
    if said is not None:
        return placed_words(said, sound, features, language, hook)
    return recognise(phone_posteriors(features, sound), features.clock.rate, mouth_pose(features.mouth))
