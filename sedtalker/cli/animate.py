"""``sedtalker animate``: speech in, a talking face out; or a take of Live Link Face on any face, in place of speech."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sedtalker.animation.performance import Performance, declared
from sedtalker.batch.opening import check_face, mesh_options, shape_map_of
from sedtalker.cli import options as o
from sedtalker.cli import picture as p
from sedtalker.cli import visemes as v
from sedtalker.cli.console import ShownProgress, fail_clearly, print_emotions
from sedtalker.cli.export import print_files, write_files, written_formats
from sedtalker.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sedtalker.animation.animation import Animation
    from sedtalker.emotion.track import EmotionTrack
    from sedtalker.face.face import Face
    from sedtalker.studio.document import ClipSettings
    from sedtalker.studio.project import Project

KEY = "sedtalker.project"
"""Under which a context keeps the project that was read."""


def read_project_option(context: typer.Context, path: Path | None) -> Path | None:
    """Callback of ``--project``: what the project holds are the command's defaults; options that are given win.

    What is wrong with it is raised by ``opened_project``, when the command runs.
    """
    if path is None:
        return None
    from sedtalker.studio.project import read_project

    try:
        project = read_project(path)
    except InputError as error:
        context.meta[KEY] = error
        return path
    context.meta[KEY] = project
    face = {"face": project.face} if project.mesh is None else {"mesh": str(project.mesh)}
    defaults = {"audio": str(project.audio), **face, **settings_as_options(project.document.settings)}
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        is_eager=True,
        callback=read_project_option,
        help="A project of sedtalker studio (.sedproject): its recording, face, track and settings.",
    ),
]
"""A studio project."""


def settings_as_options(settings: ClipSettings) -> dict[str, Any]:
    """The options of ``sedtalker animate`` that say the same as the settings of a document.

    Below which confidence the face stays neutral is in the track already.
    """
    held = {name: getattr(settings, name) for name in declared(type(settings)) if name != "min_confidence"}
    return held | {"gain": [f"{name}={value!r}" for name, value in settings.gain.items()]}


def opened_project(context: typer.Context) -> Project | None:
    """The project that ``--project`` read.

    Raises:
        InputError: it could not be read.
    """
    held: Project | InputError | None = context.meta.get(KEY)
    if isinstance(held, InputError):
        raise held
    return held


def is_typed(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line, rather than in a project, the environment or its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def head_of(context: typer.Context, options: Performance) -> tuple[Performance, Path | NDArray[np.float64] | None]:
    """Options and landmarks, where a project may have given some: a head that an option names wins over it."""
    project = opened_project(context)
    if project is None:
        return options, options.landmarks
    named = [name for name in ("mesh", "face") if is_typed(context, name)]
    if named == ["face"]:
        return replace(options, mesh=None), options.landmarks
    if named == ["mesh"]:
        return replace(options, face=None), options.landmarks
    return options, project.landmarks if options.landmarks is None else options.landmarks


log = logging.getLogger(__name__)

LIKELY = 0.5
"""Confidence of a track's emotions below which they are more often wrong than right."""


PerformanceOption = Annotated[
    Path | None,
    typer.Option(help="A take of Live Link Face (.csv) moves the face in place of speech; the audio is its sound."),
]
"""A captured performance."""
OF_TAKES = ("gain", "head")
"""Options of motion that mean something without speech that moves the face."""
NOT_OF_TAKES = ("project", "visemes")
"""Options of ``animate`` alone that mean nothing without it."""


@fail_clearly
@o.takes_options()
def animate(
    context: typer.Context,
    audio: o.OptionalAudioArgument = None,
    project: ProjectOption = None,
    performance: PerformanceOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder; default: the audio's name.")] = None,
    options: Performance = Performance(),
    visemes: v.VisemesOption = None,
    viseme_set: v.VisemeSetOption = "oculus",
    frames: p.FramesOption = False,
    device: o.DeviceOption = "auto",
    preset: o.PresetOption = None,
    save_preset: o.SavePresetOption = None,
    force: o.ForceOption = False,
    quiet: o.QuietOption = False,
    progress: o.ProgressOption = "bar",
    as_json: o.JsonOption = False,
) -> None:
    """Animate a face from speech: writes NAME.mp4, NAME.emotion.json, NAME.glb and NAME.npz into a folder."""
    held = opened_project(context)
    if performance is not None:
        check_performance(context, performance)
        shown = ShownProgress(progress, quiet)
        animate_performance(performance, audio, options, output, shown, force=force, as_json=as_json)
        return
    if audio is None:
        raise InputError("give a recording, a project with --project, or a take with --performance")
    o.check_files(audio, options.mesh, options.landmarks, options.rig, options.decoder, options.words, *options.enroll)
    rows = written_formats(options)
    suffixes = [
        *([f".{options.video_format}"] if options.video and not frames else []),
        ".emotion.json",
        *(row.suffix for row in rows),
    ]
    folder = output or Path(audio.stem)
    from sedtalker.storage import OutputFolder

    names = [audio.stem + suffix for suffix in suffixes]
    with ExitStack() as stack, OutputFolder(folder, names, force) as results, ShownProgress(progress, quiet) as shown:
        from sedtalker.audio import load_audio
        from sedtalker.progress import one_step

        # everything that can be wrong is looked at before any work
        options, points = head_of(context, options)
        given = replace(mesh_options(options), landmarks=points, names=shape_map_of(options.rig_names))
        check_face(options.mesh, options.face, given)
        v.check_visemes(visemes, viseme_set, force)
        check_speech(options)
        looks = p.PictureLooks.of(options)
        pictures = None
        if options.video and frames:
            pictures = p.check_sequence(folder / f"{audio.stem}.frames", force)
        elif options.video:
            looks.check_file(results.path / names[0])
        said = o.given_words(options.transcript, options.words, options.language)
        track = options.emotion if options.emotion is not None or held is None else held.rendered
        animator = o.open_animator(options, track is not None, device)
        o.save_preset(context, save_preset)
        with one_step(shown.hook, "reading the audio"):
            sound = load_audio(audio, options.max_seconds)
        for note in sound.notes:
            log.warning(note)
        animation = animator(
            sound,
            face=o.open_face(options.mesh, options.face, animator.moves_vertices, shown.hook, given),
            emotion=track,
            enroll=options.enroll,
            fill_scale=options.fill_scale,
            coordinates=o.coordinates_of(options),
            words=said,
            language=options.language,
            motion=options,
            hook=shown.hook,
        )
        say_of(animation, audio, track)
        if pictures is not None:
            drawn = stack.enter_context(OutputFolder(pictures, None, force=True))
            looks.sequence(animation, drawn.path, force, shown.hook)
        elif options.video:
            looks.video(animation, results.path / names[0], sound, shown.hook)
        with one_step(shown.hook, "writing the files"):
            assert animation.track is not None
            animation.track.save(results.path / f"{audio.stem}.emotion.json")
            write_files(animation, results.path, folder, audio.stem, audio, rows, options)
            v.write_visemes(visemes, viseme_set, animation.phones, sound, audio)
        shown.summary(sound.duration)
    paths = {suffix.lstrip("."): str(folder / name) for suffix, name in zip(suffixes, names, strict=True)}
    paths = paths if pictures is None else {"frames": str(pictures), **paths}
    paths = paths if visemes is None else {**paths, "visemes": str(visemes)}
    print_files(paths, animation, sound.duration, as_json)


def check_speech(options: Performance) -> None:
    """Raise ``InputError`` where options of emotion and motion say what there is not."""
    from sedtalker.emotion.formats.files import check_emotion

    o.check_enroll(options.enroll, options.model, options.emotion)
    if options.emotion is not None:
        check_emotion(options.emotion)
    _ = options.gains, options.talking_style, o.coordinates_of(options)


def say_of(animation: Animation, audio: Path, given: EmotionTrack | str | None) -> None:
    """Say which emotion was found, whether to believe it, and under which licences the weights are."""
    from sedtalker.emotion.track import CATEGORIES

    assert animation.track is not None
    if log.isEnabledFor(logging.INFO):
        print_emotions(animation.track, stderr=True)
    if given is None and 0 < animation.track.mean_confidence(without=CATEGORIES[0]) < LIKELY:
        log.info(
            "more likely wrong than right: see it with sedtalker studio %s, or name the emotion with --emotion", audio
        )
    log.info("weights: %s", ", ".join(sorted(set(animation.provenance["licences"].values()))))


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
    from sedtalker.export.arkit import hash_of, perform, read_take
    from sedtalker.progress import one_step
    from sedtalker.storage import OutputFolder

    o.check_files(audio, options.mesh, options.landmarks, options.rig)
    looks, names = p.PictureLooks.of(options), shape_map_of(options.rig_names)
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
