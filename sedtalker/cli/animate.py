"""``sedtalker animate``: speech in, a talking face out; or a take of Live Link Face on any face, in place of speech."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from shlex import quote
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sedtalker.animation.option_fields import declared
from sedtalker.animation.performance import UNCHANGED, Performance
from sedtalker.batch.opening import open_face, shape_map_of
from sedtalker.cli import options as o
from sedtalker.cli.console import PIPE, fail_clearly, write_json
from sedtalker.cli.emotion_table import print_emotions
from sedtalker.cli.export import VisemeSetOption, VisemesOption, check_visemes, write_visemes
from sedtalker.errors import InputError
from sedtalker.export.formats import export_formats
from sedtalker.reading import file_sha256
from sedtalker.storage import OutputFolder, is_input

if TYPE_CHECKING:
    from sedtalker.animation.animation import Animation
    from sedtalker.animation.scene import Scene
    from sedtalker.arrays import Doubles
    from sedtalker.audio import Audio
    from sedtalker.batch.settings import BatchSettings
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
    face = {"face": [project.face]} if project.mesh is None else {"mesh": [str(project.mesh)]}
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
    return held | {name: [f"{word}={value!r}" for word, value in held[name].items()] for name in UNCHANGED}


def opened_project(context: typer.Context) -> Project | None:
    """The project that ``--project`` read."""
    held: Project | InputError | None = context.meta.get(KEY)
    if isinstance(held, InputError):
        raise held
    return held


def landmarks_of(context: typer.Context, options: Performance) -> Path | Doubles | None:
    """The landmarks of the head; those of a project are not of a head that the command line names."""
    project = opened_project(context)
    if project is None or options.landmarks is not None or any(o.is_typed(context, name) for name in o.FACES):
        return options.landmarks
    return project.landmarks


log = logging.getLogger(__name__)

LIKELY = 0.5
"""Confidence of a track's emotions below which they are more often wrong than right."""


PerformanceOption = Annotated[
    Path | None,
    typer.Option(help="A take of Live Link Face (.csv) moves the face in place of speech; the audio is its sound."),
]
"""A captured performance."""
OF_TAKES = ("gain", "offset", "limit", "head")
"""Options of motion that mean something without speech that moves the face."""
OF_THE_DIARIZER = ("model", "trust", "fill_scale", "enroll")
"""Options that mean nothing where the emotion is given."""


@fail_clearly
@o.takes_options()
def animate(
    context: typer.Context,
    audio: Annotated[Path | None, typer.Argument(help=f"{o.AUDIO_HELP} - reads it from stdin.")] = None,
    project: ProjectOption = None,
    performance: PerformanceOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the results; default: the name of the recording.")
    ] = None,
    options: Performance = Performance(),
    visemes: VisemesOption = None,
    viseme_set: VisemeSetOption = "oculus",
    frames: o.FramesOption = False,
    device: o.DeviceOption = "auto",
    preset: o.PresetOption = None,
    save_preset: o.SavePresetOption = None,
    run: o.Run = o.Run(),
) -> None:
    """Animate a face from speech: writes NAME.mp4, NAME.emotion.json, NAME.glb and NAME.npz into a folder."""
    from sedtalker.batch.settings import BatchSettings
    from sedtalker.batch.work import Worker

    o.check_targets(context, options.rig_names)
    held, landmarks = opened_project(context), landmarks_of(context, options)
    settings = BatchSettings(**vars(options))
    if performance is not None:
        check_performance(context, performance)
        animate_performance(performance, audio, o.drawn_where_possible(context, settings), output, run)
        return
    check_speakers(context, settings)
    if held is not None and held.turns is not None:
        raise InputError(
            f"the project has {len(held.turns.speakers)} speakers: export their files from sedtalker studio, or give "
            "the recording itself"
        )
    if audio is None:
        raise InputError("give a recording, a project with --project, or a take with --performance")
    o.check_recording(audio)
    o.check_preset(save_preset, run.force)
    if frames and not settings.video:
        raise InputError("choose one of --frames and --no-video")
    settings = o.drawn_where_possible(context, settings)
    stem, pictures = o.PIPED if audio == PIPE else audio.stem, None
    folder = output or Path(stem)
    if settings.video and frames:
        settings = replace(settings, video=False)
        from sedtalker.render.codecs import check_sequence

        pictures, _ = check_sequence(folder / f"{stem}.frames", run.force), settings.picture()
    settings.check()  # everything that can be wrong is looked at before any work
    check_given(context, held is not None or settings.emotion is not None)
    if settings.transcript is None and settings.words is None:
        o.refuse_typed(context, ["language"], "is of words: give them with --transcript or --words")
    if settings.speakers is not None:
        with o.piped_recording(audio) as recording:
            animate_speakers(context, recording, settings, folder, device, save_preset, run)
        return
    if visemes is not None:
        check_visemes(visemes, viseme_set, run.force)
    track = held.rendered if held is not None and settings.emotion is None else None
    with o.piped_recording(audio) as recording, ExitStack() as stack, run.shown() as shown:

        def seen(sound: Audio, animation: Animation) -> None:
            o.save_preset(context, save_preset)
            say_of(animation, audio, settings.emotion if track is None else track)
            if pictures is not None:
                from sedtalker.render.codecs import is_frame_name
                from sedtalker.render.video import render_sequence

                drawn = stack.enter_context(OutputFolder(pictures, None, True, is_frame_name))
                render_sequence(animation, drawn.path, hook=shown.hook, force=True, **settings.picture())
            if visemes is not None:
                write_visemes(visemes, viseme_set, animation.phones, sound, recording, settings.fps)

        given: dict[str, Any] = {"track": track, "landmarks": landmarks, "seen": seen}
        sound, animation = Worker(device).animate(recording, settings, folder, run.force, shown.hook, **given)
        shown.summary(sound.duration)
    beside = {"frames": pictures, "visemes": visemes}
    print_files(folder, stem, settings.suffixes(), animation, sound.duration, run, beside)


def check_given(context: typer.Context, is_given: bool) -> None:
    """Raise ``InputError`` where an option of the diarizer is typed, and the emotion is given."""
    if is_given:
        o.refuse_typed(context, OF_THE_DIARIZER, "is for the diarizer; it does nothing with an emotion that is given")


def check_speakers(context: typer.Context, settings: BatchSettings) -> None:
    """Raise ``InputError`` where an option of one speaker is given with ``--speakers``, or one of several without."""
    if settings.speakers is None:
        o.refuse_typed(context, ("listening", "shot"), "is about several speakers: it needs --speakers")
    else:
        o.refuse_typed(context, ("project", "visemes", "frames"), "is about one speaker: leave it out with --speakers")


def animate_speakers(
    context: typer.Context,
    audio: Path,
    settings: BatchSettings,
    folder: Path,
    device: str,
    preset: Path | None,
    run: o.Run,
) -> None:
    """Animate a conversation: the whole scene, and the results of each speaker."""
    from sedtalker.batch.work import Worker

    def seen(scene: Scene) -> None:
        o.save_preset(context, preset)
        for name, animation in scene.animations.items():
            log.info("%s speaks for %.1f s", name, scene.turns.seconds(name))
            say_emotions(animation)
        say_weights(animation)

    with run.shown() as shown:
        sound, scene, suffixes = Worker(device).converse(audio, settings, folder, run.force, shown.hook, seen=seen)
        shown.summary(sound.duration)
    print_files(folder, audio.stem, suffixes, scene, sound.duration, run)


def say_of(animation: Animation, audio: Path, given: EmotionTrack | str | None) -> None:
    """Say which emotion was found, whether to believe it, and under which licences the weights are."""
    assert animation.track is not None
    say_emotions(animation)
    if given is None:
        say_doubt(animation.track, audio)
    say_weights(animation)


def say_doubt(track: EmotionTrack, audio: Path) -> None:
    """Say where a recognised emotion is rather wrong than right, and how to name another where a face stays calm."""
    from sedtalker.emotion.track import CATEGORIES

    segments = track.segments()
    if 0 < track.mean_confidence(without=CATEGORIES[0]) < LIKELY:
        named = quote(f"./{audio}" if str(audio).startswith("-") else str(audio))
        see = "" if audio == PIPE else f"see it with sedtalker studio {named}, or "
        log.info("more likely wrong than right: %sname the emotion with --emotion", see)
        return
    guesses = [track.second_guess(s.start, s.end, s.label) for s in segments if s.label == CATEGORIES[0]]
    if len(guesses) == len(segments) and any(guesses):
        other, _ = max(filter(None, guesses), key=itemgetter(1))
        log.info("the face stays calm: if the voice does not, name its emotion, such as --emotion %s", other)


def say_emotions(animation: Animation) -> None:
    """Say which emotions a face shows, segment by segment."""
    assert animation.track is not None
    if log.isEnabledFor(logging.INFO):
        with suppress(SystemExit):  # rich ends the program where nobody reads stderr any more
            print_emotions(animation.track, stderr=True)


def say_weights(animation: Animation) -> None:
    """Say under which licences the weights are."""
    log.info("weights: %s", ", ".join(sorted(set(animation.provenance["licences"].values()))))


def check_performance(context: typer.Context, take: Path) -> None:
    """Raise ``InputError`` where an option of speech is given with a performance."""
    parts = {name: about.option.part for name, about in declared(Performance).items() if name not in OF_TAKES}
    of_speech = [name for name, part in parts.items() if part in ("Speakers", "Emotion", "Motion", "Words")]
    why = f"is an option of speech: leave it out with --performance {take.name}"
    o.refuse_typed(context, ("project", "visemes", *of_speech), why)
    o.refuse_typed(context, ["frames"], "does not go with --performance: use sedtalker render --frames on the .npz")


def animate_performance(
    take: Path, audio: Path | None, settings: BatchSettings, output: Path | None, run: o.Run
) -> None:
    """Write what ``sedtalker animate`` writes, but for the track of emotion, which a take does not have."""
    from sedtalker.audio import load_audio
    from sedtalker.batch.settings import TRACK_SUFFIX
    from sedtalker.batch.work import write_results
    from sedtalker.export.arkit import perform, read_take

    o.check_files(audio)
    settings.check()
    if any(row.name == "keys" for row in settings.formats()):
        raise InputError("--to keys needs speech: a performance has no emotion track")
    if settings.gains.regions:
        region = next(iter(settings.gains.regions))
        raise InputError(f"--gain {region} scales emotion: with --performance name shapes, for example jawOpen=1.2")
    stem = take.name.removesuffix(take.suffix).removesuffix(".arkit")  # as sedtalker export writes them
    folder = output or Path(stem)
    suffixes = [suffix for suffix in settings.suffixes() if suffix != TRACK_SUFFIX]
    with OutputFolder(folder, [stem + suffix for suffix in suffixes], run.force) as results, run.shown() as shown:
        motion = read_take(take, shape_map_of(settings.rig_names))
        sound = None if audio is None else load_audio(audio)
        face = cast("Face", open_face(settings, False, shown.hook))
        moved = perform(face, motion, settings.fps, gains=settings.gains, head=settings.head, source=file_sha256(take))
        write_results(moved, sound, audio, settings, results.path, folder, shown.hook, stem)
        shown.summary(moved.duration)
    print_files(folder, stem, suffixes, moved, moved.duration, run)


def print_files(
    folder: Path,
    stem: str,
    suffixes: Sequence[str],
    animation: Animation | Scene,
    duration: float,
    run: o.Run,
    beside: Mapping[str, Path | None] = MappingProxyType({}),
) -> None:
    """Print what was written, frames first, visemes last; and say which files of the same name were left by others."""
    paths = {suffix.lstrip("."): str(folder / (stem + suffix)) for suffix in suffixes}
    more = {name: str(path) for name, path in beside.items() if path is not None}
    paths = {name: more[name] for name in ("frames",) if name in more} | paths | more
    if run.force:
        say_left(folder, stem, [Path(path).name for path in paths.values()])
    if run.as_json:
        said = {"files": paths, "frames": len(animation), "fps": animation.fps, "duration": duration}
        if (phones := getattr(animation, "phones", None)) is not None:
            words = [{"start": a, "end": b, "text": text} for a, b, text in phones.word_times()]
            said |= {"words": words, "language": phones.language}
        write_json(said)
    else:
        print("\n".join(paths.values()))


def say_left(folder: Path, stem: str, written: Sequence[str]) -> None:
    """Say which results of earlier runs still lie beside those of this one, and do not belong to them."""
    from sedtalker.render.codecs import CONTAINERS

    endings = [*CONTAINERS, ".frames", *(row.suffix for row in export_formats().values())]
    names = [stem + ending for ending in endings if stem + ending not in written]
    left = [name for name in names if (folder / name).exists() and not is_input(folder / name)]
    if left:
        log.warning("%s: left as before, not of this run: %s", folder, ", ".join(left))
