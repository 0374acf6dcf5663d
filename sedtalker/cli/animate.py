"""``sedtalker animate``: speech in, a talking face out."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sedtalker.animation.performance import Performance
from sedtalker.batch.opening import check_face, mesh_options, shape_map_of
from sedtalker.cli import options as o
from sedtalker.cli import performance as pf
from sedtalker.cli import picture as p
from sedtalker.cli import visemes as v
from sedtalker.cli.console import (
    ForceOption,
    JsonOption,
    ProgressOption,
    QuietOption,
    ShownProgress,
    fail_clearly,
)
from sedtalker.cli.export import print_files, write_files, written_formats
from sedtalker.cli.project import ProjectOption, head_of, opened_project
from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.animation.animation import Animation
    from sedtalker.emotion.track import EmotionTrack

log = logging.getLogger(__name__)

LIKELY = 0.5
"""Confidence of a whole track below which its labels are more often wrong than right."""


@fail_clearly
@o.takes_options()
def animate(
    context: typer.Context,
    audio: o.OptionalAudioArgument = None,
    project: ProjectOption = None,
    performance: pf.PerformanceOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder; default: the audio's name.")] = None,
    options: Performance = Performance(),
    visemes: v.VisemesOption = None,
    viseme_set: v.VisemeSetOption = "oculus",
    frames: p.FramesOption = False,
    device: o.DeviceOption = "auto",
    preset: o.PresetOption = None,
    save_preset: o.SavePresetOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
    progress: ProgressOption = "bar",
    as_json: JsonOption = False,
) -> None:
    """Animate a face from speech: writes NAME.mp4, NAME.emotion.json, NAME.glb and NAME.npz into a folder."""
    held = opened_project(context)
    if performance is not None:
        pf.check_performance(context, performance)
        shown = ShownProgress(progress, quiet)
        pf.animate_performance(performance, audio, options, output, shown, force=force, as_json=as_json)
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
        looks = p.Looks.of(options)
        pictures = None
        if options.video and frames:
            pictures = p.check_sequence(folder / f"{audio.stem}.frames", force)
        elif options.video:
            looks.check_file(results.path / names[0])
        said = o.given_words(options.transcript, options.words, options.language)
        track = options.emotion if options.emotion is not None or held is None else held.rendered
        animator = o.open_animator_of(options, track is not None, device)
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
    assert animation.track is not None
    log.info("emotion: %s", animation.track.summary())
    if given is None and animation.track.mean_confidence() < LIKELY:
        log.info("more likely wrong than right: see it with sedtalker studio %s, or give one by --emotion", audio)
    log.info("weights: %s", ", ".join(sorted(set(animation.provenance["licences"].values()))))
