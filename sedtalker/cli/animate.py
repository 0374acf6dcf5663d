"""``sedtalker animate``: speech in, a talking face out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sedtalker import __version__
from sedtalker.cli.console import fail_clearly, say, write_json
from sedtalker.cli.render import Backend
from sedtalker.errors import InputError
from sedtalker.export.formats import export, export_formats, parse_formats

if TYPE_CHECKING:
    from sedtalker.animation.animation import Animation
    from sedtalker.animation.conditioning import Style
    from sedtalker.animation.gains import Gains
    from sedtalker.audio import Audio
    from sedtalker.cli.console import Stages
    from sedtalker.emotion.track import EmotionTrack
    from sedtalker.face.face import Face
    from sedtalker.speech.encoder import SpeechFeatures

Device = Literal["auto", "cpu", "cuda"]
GAIN_HELP = (
    "Scales the emotion of a region: brows, eyes, cheeks, nose, jaw, mouth, smile or frown; brows=1.3. Repeatable."
)
STYLE_HELP = (
    "How the talker speaks: natural, clear, mumbled, broad, lively or even; articulation, rounding, dynamics and "
    "crispness from -1 to 1, as dynamics=0.5,crispness=1; or a .json file of sedtalker style."
)
ENROLL_HELP = "Another recording of the same speaker and microphone, to know their usual voice; may be repeated."


@fail_clearly
def animate(
    audio: Annotated[Path, typer.Argument(help="Speech: wav, flac, ogg, opus, mp3, m4a, or the sound of mp4/webm.")],
    mesh: Annotated[
        Path | None, typer.Option(help="Your head mesh, or the .sedface of it; default: the built-in face.")
    ] = None,
    mesh_head: Annotated[
        int | None, typer.Option(min=1, help="Which head of the mesh, where the file has several [the largest].")
    ] = None,
    face: Annotated[str | None, typer.Option(help="A built-in face (sedtalker face list), or random-SEED.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder of the results [AUDIO's name].")] = None,
    emotion: Annotated[
        str | None, typer.Option(help="A track file to use instead of the diarized one, or LABEL:INTENSITY.")
    ] = None,
    enroll: Annotated[list[Path] | None, typer.Option(help=ENROLL_HELP)] = None,
    decoder: Annotated[
        Path | None, typer.Option(help="Checkpoint folder of another decoder than the built-in.")
    ] = None,
    intensity: Annotated[float, typer.Option(min=0.0, max=3.0, help="Scales the strength of emotion.")] = 1.0,
    expressivity: Annotated[
        float, typer.Option(min=0.0, max=2.0, help="Scales what emotion adds to the motion.")
    ] = 1.0,
    articulation: Annotated[
        float, typer.Option(min=0.0, max=2.0, help="Scales how far speech moves jaw and lips; closures stay.")
    ] = 1.0,
    gain: Annotated[list[str] | None, typer.Option(metavar="REGION=FACTOR", help=GAIN_HELP)] = None,
    style: Annotated[str, typer.Option(help=STYLE_HELP)] = "natural",
    fps: Annotated[float, typer.Option(min=1.0, max=120.0, help="Frames a second.")] = 30.0,
    size: Annotated[int, typer.Option(min=64, max=2160, help="Width and height of the video, pixels.")] = 512,
    seed: Annotated[int, typer.Option(min=0, help="Of blinks, gaze and head motion.")] = 0,
    device: Annotated[Device, typer.Option(help="Where the networks run.")] = "auto",
    renderer: Annotated[Backend, typer.Option(help="numba needs no graphics library; pyrender needs EGL.")] = "auto",
    light: Annotated[str, typer.Option(help="Of the video: studio, soft, dramatic or a .json file.")] = "studio",
    video: Annotated[bool, typer.Option("--video/--no-video", help="Render the video.")] = True,
    to: Annotated[list[str] | None, typer.Option(help=f"Also write: {', '.join(export_formats())}, by comma.")] = None,
    blinks: Annotated[bool, typer.Option("--blinks/--no-blinks", help="Add blinks.")] = True,
    gaze: Annotated[bool, typer.Option("--gaze/--no-gaze", help="Add eye motion.")] = True,
    head: Annotated[bool, typer.Option("--head/--no-head", help="Add head motion.")] = True,
    max_seconds: Annotated[float, typer.Option(min=1.0, help="Refuse longer audio.")] = 3600.0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing results.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Animate a face from speech: writes NAME.mp4, NAME.emotion.json, NAME.glb and NAME.npz into a folder."""
    from sedtalker.storage import OutputFolder

    if enroll and emotion is not None:
        raise InputError("--enroll is for the diarizer; it does nothing with --emotion")
    folder = output or Path(audio.stem)
    formats = list(dict.fromkeys(["glb", "npz", *(parse_formats(to) if to else [])]))
    suffixes = ([".mp4"] if video else []) + [".emotion.json", *(export_formats()[name].suffix for name in formats)]
    with OutputFolder(folder, [audio.stem + suffix for suffix in suffixes], force) as results:
        from sedtalker.animation.animator import IdleMotion
        from sedtalker.animation.gains import Gains, parse_region_gains
        from sedtalker.animation.style import parse_style
        from sedtalker.audio import load_audio
        from sedtalker.cli.console import Stages
        from sedtalker.render.light import load_lighting

        lighting = load_lighting(light)
        gains = Gains(expressivity, articulation, parse_region_gains(gain or []))
        spoken_as = parse_style(style)
        stages = Stages(quiet=quiet)
        with stages.stage("reading the audio"):
            sound = load_audio(audio, max_seconds)
        for note in sound.notes:
            say(f"note: {note}")
        target = choose_device(device)  # first of all: the fit of a mesh must not depend on the number of threads
        chosen, source = _face(mesh, mesh_head, face, stages)
        animation = _animation(
            *(sound, chosen, emotion, enroll or [], decoder, intensity, gains, fps, seed, target, stages),
            style=spoken_as,
            idle=IdleMotion(blinks, gaze, head),
            provenance=source,
        )
        if video:
            from sedtalker.render.video import render_video

            video_file = results.path / f"{audio.stem}.mp4"
            with stages.shown as shown:
                render_video(animation, video_file, sound, size, renderer, lighting, shown.hook)
        with stages.stage("writing the files"):
            _write(animation, audio, results.path, folder, formats)
        stages.summary(sound.duration)
    paths = {suffix.lstrip("."): str(folder / (audio.stem + suffix)) for suffix in suffixes}
    if as_json:
        write_json({"files": paths, "frames": len(animation), "fps": fps, "duration": sound.duration})
    else:
        print("\n".join(paths.values()))


def _face(mesh: Path | None, head: int | None, name: str | None, stages: Stages) -> tuple[Face, dict[str, Any]]:
    """The face to animate and where it came from."""
    from sedtalker.face.builtin.load import DEFAULT, load_face

    if mesh is not None and name is not None:
        raise InputError("choose one of --mesh and --face")
    if head is not None and (mesh is None or mesh.suffix.lower() == ".sedface"):
        raise InputError("--mesh-head chooses a head of a --mesh file; a .sedface or a built-in face has one")
    if mesh is not None and mesh.suffix.lower() == ".sedface":
        from sedtalker.face.sedface import read_sedface

        with stages.stage(f"opening {mesh.name}"):
            registered, known = read_sedface(mesh)
        return registered, {"face": registered.name, "registration": json.loads(known.to_json())}
    with stages.stage("loading the built-in face"):
        source = load_face(name or DEFAULT)
    if mesh is None:
        return source, {"face": source.name}
    from sedtalker.face.fitting import FitOptions, fit
    from sedtalker.mesh.files import read_scene

    with stages.stage(f"fitting {mesh.name}"):
        face, report = fit(read_scene(mesh), source, mesh.stem, FitOptions(head=head))
    say(f"{mesh.name}: {report.way}: {report.basis}")
    for warning in report.warnings:
        say(f"note: {mesh.name}: {warning}")
    return face, {"face": face.name, "registration": json.loads(report.to_json())}


def _animation(
    sound: Audio,
    face: Face,
    emotion: str | None,
    enrolled: Sequence[Path],
    weights: Path | None,
    intensity: float,
    gains: Gains,
    fps: float,
    seed: int,
    target: str,
    stages: Stages,
    *,
    style: Style,
    **options: Any,
) -> Animation:
    from sedtalker.animation.animator import assemble
    from sedtalker.animation.gains import apply_gains
    from sedtalker.animation.pretrained import load_decoder
    from sedtalker.checkpoint import weights_sha256
    from sedtalker.speech.encoder import encode, load_encoder

    with stages.stage("listening"):
        features = encode(load_encoder().to(target), sound)
    with stages.stage("hearing emotion" if emotion is None else "reading the emotion track"):
        track = read_emotion(emotion, sound, features, target, enrolled).scaled(intensity)
    with stages.stage("moving the face"):
        decoder = load_decoder(weights).to(target)
        spoken = decoder.predict(features, track, style)
        if not gains.leaves_motion_as_is:
            spoken = apply_gains(spoken, decoder.predict(features, track.scaled(0.0), style), gains, face)
    provenance = options.pop("provenance") | {
        "sedtalker": __version__,
        "audio_sha256": sound.sha256,
        "seed": seed,
        "emotion": "diarized" if emotion is None else "given",
        "intensity": intensity,
    }
    if weights is not None:
        provenance["decoder_sha256"] = weights_sha256(weights)
    if not gains.leaves_motion_as_is:
        provenance["gains"] = asdict(gains)
    if any(asdict(style).values()):
        provenance["style"] = asdict(style)
    return assemble(
        *(spoken, features, track, face),
        duration=sound.duration,
        fps=fps,
        seed=seed,
        expressivity=gains.expressivity,
        provenance=provenance,
        **options,
    )


def read_emotion(
    emotion: str | None, sound: Audio, features: SpeechFeatures, device: str, enrolled: Sequence[Path] = ()
) -> EmotionTrack:
    """The track a command works with: diarized, from a file, or constant (``happy:0.8``).

    ``enrolled`` are other recordings of the speaker, which the diarizer hears first.
    """
    if emotion is None:
        from sedtalker.audio import load_audio
        from sedtalker.emotion.inference import diarize, enrol, load_diarizer
        from sedtalker.speech.encoder import encode, load_encoder

        diarizer, voice = load_diarizer().to(device), None
        if enrolled:
            encoder = load_encoder().to(device)
            voice = enrol(diarizer, (encode(encoder, load_audio(path)) for path in enrolled))
        return diarize(diarizer, features, sound.duration, voice=voice)
    from sedtalker.emotion.formats.files import parse_emotion

    return parse_emotion(emotion, sound.duration)


def choose_device(device: Device) -> str:
    """``auto`` made ``cuda`` where there is one.

    Holds torch to one thread: these networks are small, and waiting for each other costs threads more than they bring.

    Raises:
        InputError: cuda was asked for and there is none.
    """
    import torch

    torch.set_num_threads(1)
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no CUDA device was found; use --device cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _write(animation: Animation, audio: Path, folder: Path, place: Path, formats: Sequence[str]) -> None:
    """The track and the exports of an animation into ``folder``, from where they will be moved to ``place``."""
    from sedtalker.emotion.formats.files import write_track

    assert animation.track is not None
    write_track(folder / f"{audio.stem}.emotion.json", animation.track)
    for name in formats:
        file = audio.stem + export_formats()[name].suffix
        export(animation, folder / file, name, audio, place=place / file)
