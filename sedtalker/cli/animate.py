"""``sedtalker animate``: speech in, a talking face out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.batch.opening import MeshOptions, check_face, shape_map_of
from sedtalker.cli import options as o
from sedtalker.cli import performance as pf
from sedtalker.cli import picture as p
from sedtalker.cli import visemes as v
from sedtalker.cli.console import ForceOption, JsonOption, ProgressOption, QuietOption, ShownProgress, write_json
from sedtalker.cli.console import fail_clearly as command
from sedtalker.cli.export import TO_HELP, Targets, described
from sedtalker.cli.mesh import EyesOption, MouthOption, StrengthOption
from sedtalker.cli.names import MapOption
from sedtalker.cli.project import ProjectOption, head_of, opened_project
from sedtalker.errors import InputError
from sedtalker.export.formats import ExportFormat, export, export_formats, parse_formats

if TYPE_CHECKING:
    from sedtalker.animation.animation import Animation

log = logging.getLogger(__name__)

LOST = 0.05
"""Share of the motion that blend shapes may miss without a word."""
LIKELY = 0.5
"""Confidence of a whole track below which its labels are more often wrong than right."""


@command
def animate(
    context: typer.Context,
    audio: o.OptionalAudioArgument = None,
    project: ProjectOption = None,
    mesh: Annotated[Path | None, typer.Option(help="Your head, or its .sedface; default: the built-in face.")] = None,
    mesh_head: Annotated[int | None, typer.Option(min=1, help="Which head of the mesh; default: the largest.")] = None,
    landmarks: Annotated[Path | None, typer.Option(help="Landmarks of the mesh (.json), as for mesh register.")] = None,
    rig: Annotated[Path | None, typer.Option(help="Your own blend shapes of the mesh, as for mesh register.")] = None,
    open_mouth: Annotated[bool, typer.Option("--open-mouth", help="Cut sealed lips open, as mesh register does.")] = (
        False
    ),
    mouth: MouthOption = "auto",
    eyes: EyesOption = "auto",
    strength: StrengthOption = 1.0,
    rig_names: MapOption = None,
    performance: pf.PerformanceOption = None,
    face: Annotated[str | None, typer.Option(help="A built-in face (sedtalker face list), or random-SEED.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder; default: the audio's name.")] = None,
    emotion: o.EmotionOption = None,
    model: Annotated[str | None, typer.Option(help="A diarizer's folder, or hf:NAME, as for diarize.")] = None,
    encoder: o.EncoderOption = None,
    enroll: o.EnrollOption = None,
    min_confidence: o.MinConfidenceOption = 0.0,
    trust: o.TrustOption = 1.0,
    coordinates: o.CoordinatesOption = None,
    decoder: Annotated[Path | None, typer.Option(help="A decoder's folder; of vertices too, with its --mesh.")] = None,
    intensity: o.IntensityOption = 1.0,
    expressivity: o.ExpressivityOption = 1.0,
    articulation: o.ArticulationOption = 1.0,
    gain: o.GainOption = None,
    style: o.StyleOption = "natural",
    transcript: o.TranscriptOption = None,
    words: o.WordsOption = None,
    language: o.LanguageOption = "en",
    visemes: v.VisemesOption = None,
    viseme_set: v.VisemeSetOption = "oculus",
    fps: Annotated[float, typer.Option(min=1.0, max=120.0, help="Frames a second.")] = 30.0,
    size: p.SizeOption = "512",
    camera: p.CameraOption = "front",
    background: p.BackgroundOption = None,
    seed: o.SeedOption = 0,
    device: o.DeviceOption = "auto",
    renderer: p.RendererOption = "auto",
    light: p.LightOption = "studio",
    video: Annotated[bool, typer.Option("--video/--no-video", help="Render the video.")] = True,
    video_format: p.VideoFormatOption = "mp4",
    frames: p.FramesOption = False,
    to: Annotated[list[str] | None, typer.Option(help=f"Also write these formats, by comma. {TO_HELP}.")] = None,
    targets: Annotated[
        Targets, typer.Option(help="Blend shapes of GLB, FBX and USD: few, ARKit's and the tongue's, all.")
    ] = "arkit",
    blinks: o.BlinksOption = True,
    gaze: o.GazeOption = True,
    head: o.HeadOption = True,
    liveliness: o.LivelinessOption = 1.0,
    eye_contact: o.EyeContactOption = 0.7,
    max_seconds: o.MaxSecondsOption = 3600.0,
    preset: o.PresetOption = None,
    save_preset: o.SavePresetOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
    progress: ProgressOption = "bar",
    as_json: JsonOption = False,
) -> None:
    """Animate a face from speech: writes NAME.mp4, NAME.emotion.json, NAME.glb and NAME.npz into a folder."""
    held = opened_project(context)
    shape_map = shape_map_of(rig_names)
    given = MeshOptions(mesh_head, landmarks, rig, open_mouth, mouth, eyes, strength, shape_map)
    options: dict[str, Any] = {"targets": targets, "names": shape_map}
    if performance is not None:
        if transcript is not None or words is not None or visemes is not None:
            raise InputError("--transcript, --words and --visemes are of speech: a take says what the face does")
        if frames:
            raise InputError("--frames is of speech: with --performance give a video, and sedtalker render its .npz")
        o.check_files(audio, mesh, landmarks, rig)
        pf.animate_performance(
            context,
            take=performance,
            audio=audio,
            open_face=lambda hook: o.open_face(mesh, face, False, hook, given),
            output=output,
            names=shape_map,
            gain=gain or [],
            fps=fps,
            head=head,
            looks=p.Looks.checked(size, camera, background, light, renderer),
            video_suffix=f".{video_format}" if video else None,
            to=to or [],
            options=options,
            force=force,
            shown=ShownProgress(progress, quiet),
            as_json=as_json,
        )
        return
    if audio is None:
        raise InputError("give a recording, a project with --project, or a take with --performance")
    o.check_files(audio, mesh, landmarks, rig, decoder, words, *(enroll or []))
    rows = [export_formats()[name] for name in dict.fromkeys(["glb", "npz", *parse_formats(to or ["glb"])])]
    suffixes = [*([f".{video_format}"] if video and not frames else []), ".emotion.json", *(row.suffix for row in rows)]
    folder = output or Path(audio.stem)
    from sedtalker.storage import OutputFolder

    names = [audio.stem + suffix for suffix in suffixes]
    with ExitStack() as stack, OutputFolder(folder, names, force) as results, ShownProgress(progress, quiet) as shown:
        from sedtalker.animation.gains import Gains, parse_gains
        from sedtalker.animation.idle_motion import IdleMotion
        from sedtalker.animation.style import parse_style_or_auto
        from sedtalker.audio import load_audio
        from sedtalker.emotion.formats.files import check_emotion
        from sedtalker.emotion.taxonomy import read_coordinates
        from sedtalker.progress import one_step

        # everything that can be wrong is looked at before any work
        mesh, face, points = head_of(context, mesh, face, landmarks)
        given = replace(given, landmarks=points)
        check_face(mesh, face, given)
        v.check_visemes(visemes, viseme_set, force)
        o.check_enroll(enroll, model, emotion)
        if emotion is not None:
            check_emotion(emotion)
        settings = {
            "gains": Gains(expressivity, articulation, *parse_gains(gain or [])),
            "style": parse_style_or_auto(style),
            "idle": IdleMotion(blinks, gaze, head, liveliness, eye_contact),
        }
        plane = None if coordinates is None else read_coordinates(coordinates)
        looks = p.Looks.checked(size, camera, background, light, renderer)
        pictures = p.check_sequence(folder / f"{audio.stem}.frames", force) if video and frames else None
        if video and not frames:
            looks.check_file(results.path / names[0])
        said = o.given_words(transcript, words, language)
        track = emotion if emotion is not None or held is None else held.rendered
        diarizer = "diarizer" if track is not None else o.open_diarizer(model, encoder, trust, device)
        animator = o.open_animator(decoder, encoder, diarizer, device)
        o.save_preset(context, save_preset)
        with one_step(shown.hook, "reading the audio"):
            sound = load_audio(audio, max_seconds)
        for note in sound.notes:
            log.warning(note)
        vertices = "jawOpen" not in animator.decoder.shapes
        animation = animator(
            *(sound,),
            face=o.open_face(mesh, face, vertices, shown.hook, given),
            emotion=track,
            enroll=enroll or [],
            min_confidence=min_confidence,
            coordinates=plane,
            intensity=intensity,
            fps=fps,
            seed=seed,
            words=said,
            language=language,
            hook=shown.hook,
            **settings,  # type: ignore[arg-type]
        )
        assert animation.track is not None
        log.info("emotion: %s", animation.track.summary())
        if track is None and animation.track.mean_confidence() < LIKELY:
            log.info("more likely wrong than right: check it with sedtalker studio %s, or set it with --emotion", audio)
        log.info("weights: %s", ", ".join(sorted(set(animation.provenance["licences"].values()))))
        if pictures is not None:
            drawn = stack.enter_context(OutputFolder(pictures, None, force=True))
            looks.sequence(animation, drawn.path, force, shown.hook)
        elif video:
            looks.video(animation, results.path / names[0], sound, shown.hook)
        with one_step(shown.hook, "writing the files"):
            write_files(animation, results.path, folder, audio, rows, options)
            v.write_visemes(visemes, viseme_set, animation.phones, sound, audio)
        shown.summary(sound.duration)
    paths = {suffix.lstrip("."): str(folder / name) for suffix, name in zip(suffixes, names, strict=True)}
    if pictures is not None:
        paths = {"frames": str(pictures), **paths}
    if visemes is not None:
        paths["visemes"] = str(visemes)
    if as_json:
        write_json({"files": paths, "frames": len(animation), "fps": fps, "duration": sound.duration})
    else:
        print("\n".join(paths.values()))


def write_files(
    animation: Animation,
    written: Path,
    folder: Path,
    audio: Path,
    rows: Sequence[ExportFormat],
    options: dict[str, Any],
) -> None:
    """Write the track and the formats of ``rows`` into ``written``, as they will lie in ``folder``."""
    assert animation.track is not None
    animation.track.save(written / f"{audio.stem}.emotion.json")
    for row in rows:
        chosen = {key: value for key, value in options.items() if key in row.options}
        file = audio.stem + row.suffix
        said = export(animation, written / file, row.name, audio, place=folder / file, **chosen)
        if row.name != "arkit" and said.get("residual_share", 0.0) > LOST:
            log.info("%s: %s; --targets all loses nothing", row.name, described(said))
