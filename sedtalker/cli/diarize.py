"""``sedtalker diarize --stream``: the track while it is being spoken, from a file or a pipe."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.cli.animate import ENROLL_HELP, Device, choose_device
from sedtalker.cli.console import fail_clearly, say
from sedtalker.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sedtalker.audio import Audio
    from sedtalker.emotion.stream import DiarizerStream, StreamFrames
    from sedtalker.emotion.track import EmotionTrack


PIPE = Path("-")


def diarize_stream(
    source: Path,
    as_json: bool,
    look_ahead: float,
    model: str | None,
    enrolled: Sequence[Path],
    device: str,
    longest: float,
) -> None:
    """Print what the stream says as soon as it is final: segments as they end, or a JSON line every 0.32 s."""
    from sedtalker.audio import load_audio
    from sedtalker.emotion.diarizer import enrol, load_diarizer
    from sedtalker.emotion.stream import DiarizerStream
    from sedtalker.speech.encoder import encode, load_encoder

    if model is not None and not Path(model).is_dir():
        raise InputError(f"--model {model}: a checkpoint folder is needed with --stream")
    diarizer = load_diarizer(None if model is None else Path(model)).to(device)
    if diarizer.config.backbone is not None:
        raise InputError(f"--model {model} hears through {diarizer.config.backbone.name}, which cannot stream")
    encoder = load_encoder().to(device)
    voice = enrol(diarizer, (encode(encoder, load_audio(path)) for path in enrolled)) if enrolled else None
    stream = DiarizerStream(diarizer, encoder, look_ahead, voice=voice)
    frames = _final_frames(stream, sound_pieces(source, longest))
    lines = _json_lines(frames, diarizer.config.labels) if as_json else _segment_lines(frames, diarizer.config.labels)
    try:
        for line in lines:
            print(line, flush=True)
    except BrokenPipeError:
        # the reader has gone; keep Python from failing again when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def sound_pieces(source: Path, longest: float) -> Iterator[NDArray[np.float32]]:
    """A file at once, a pipe as it comes."""
    from sedtalker.audio import load_audio
    from sedtalker.audio.pipe import pipe_samples

    if source == PIPE:
        yield from pipe_samples(sys.stdin.buffer)
    else:
        yield load_audio(source, longest).samples


def _final_frames(stream: DiarizerStream, sound: Iterable[NDArray[np.float32]]) -> Iterator[StreamFrames]:
    """Frames as they become final, a hop at a time; Ctrl-C ends the sound."""
    from sedtalker.emotion.stream import FRAME_LENGTH

    step = stream.hop * FRAME_LENGTH
    try:
        for samples in sound:
            for start in range(0, len(samples), step):
                yield stream.push(samples[start : start + step])
    except KeyboardInterrupt:
        pass
    yield stream.flush()


def _segment_lines(frames: Iterable[StreamFrames], labels: tuple[str, ...]) -> Iterator[str]:
    from sedtalker.emotion.segmentation import EndedSegments
    from sedtalker.speech.features import FRAME_CLOCK

    ended = EndedSegments(labels, FRAME_CLOCK.rate)
    yield f"{'start':>8}{'end':>9}  {'emotion':<9}{'intensity':>10}{'confidence':>12}"
    for now in frames:
        for s in ended.push(now.label, now.posterior, now.intensity, now.speech):
            yield f"{s.start:8.2f}{s.end:9.2f}  {s.label:<9}{s.intensity:10.2f}{s.confidence:12.2f}"
    for s in ended.end():
        yield f"{s.start:8.2f}{s.end:9.2f}  {s.label:<9}{s.intensity:10.2f}{s.confidence:12.2f}"


def _json_lines(frames: Iterable[StreamFrames], labels: tuple[str, ...]) -> Iterator[str]:
    """One line for each stretch of a hop or less."""
    from sedtalker.emotion.stream import HOP_SECONDS
    from sedtalker.speech.features import FRAME_CLOCK

    step = round(HOP_SECONDS * FRAME_CLOCK.rate)
    for now in frames:
        for first in range(0, len(now.times), step):
            yield json.dumps(_summary(now.part(slice(first, first + step)), labels), ensure_ascii=False)


def _summary(now: StreamFrames, labels: tuple[str, ...]) -> dict[str, Any]:
    """Means over the stretch: over its speech where there is some."""
    import numpy as np

    from sedtalker.emotion.taxonomy import valence_arousal

    heard = now.speech if now.speech.any() else np.ones_like(now.speech)
    posterior, intensity = now.posterior[heard].mean(0), now.intensity[heard].mean()
    valence, arousal = valence_arousal(posterior[None], np.array([intensity]), labels)
    counts = np.bincount(now.label, minlength=len(labels))
    return {
        "start": round(float(now.times[0]) - 0.01, 2),
        "end": round(float(now.times[-1]) + 0.01, 2),
        "speech": bool(now.speech.mean() >= 0.5),
        "emotion": labels[int(counts.argmax())],
        "intensity": round(float(intensity), 3),
        "valence": round(float(valence[0]), 3),
        "arousal": round(float(arousal[0]), 3),
        "posterior": {label: round(float(p), 3) for label, p in zip(labels, posterior, strict=True)},
    }


# --- ``sedtalker diarize``: what is expressed, how strongly and when.

HUB = "hf:"


@fail_clearly
def diarize(
    audio: Annotated[Path, typer.Argument(help="Speech: wav, flac, ogg, opus, mp3, m4a, mp4, webm; '-': a pipe.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write the track: .json, .keys.json, .rttm, .csv, .TextGrid, .txt."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the track: waveform, categories, intensity (.png).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the track as JSON.")] = False,
    rttm: Annotated[bool, typer.Option("--rttm", help="Print the segments as RTTM.")] = False,
    model: Annotated[
        str | None,
        typer.Option(help="A diarizer's checkpoint folder, or hf:NAME, a classifier of the Hugging Face hub."),
    ] = None,
    enroll: Annotated[list[Path] | None, typer.Option(help=ENROLL_HELP)] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Label segments below this confidence 'uncertain' (0: none).")
    ] = 0.0,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print while it is heard; with --json a line every 0.32 s.")
    ] = False,
    look_ahead: Annotated[
        float, typer.Option(min=0.0, help="With --stream: seconds it hears ahead of what it says.")
    ] = 0.5,
    coordinates: Annotated[
        Path | None, typer.Option(help="Valence and arousal of each emotion as you measured them (.json).")
    ] = None,
    device: Annotated[Device, typer.Option(help="Where the networks run.")] = "auto",
    max_seconds: Annotated[float, typer.Option(min=1.0, help="Refuse longer audio.")] = 3600.0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Hear emotion in speech: the segments as a table, the dense track as a file."""
    from sedtalker.storage import check_writable

    if json and rttm:
        raise InputError("choose one of --json and --rttm")
    if stream or str(audio) == "-":
        pass

        if output or plot or rttm or min_confidence or coordinates:
            raise InputError("a stream takes only --json, --look-ahead, --model, --enroll and --device")
        return diarize_stream(audio, json, look_ahead, model, enroll or [], choose_device(device), max_seconds)
    for path in (output, plot):
        if path is not None:
            check_writable(path, force)
    from sedtalker.audio import load_audio
    from sedtalker.emotion.formats.files import check_track_name, write_track
    from sedtalker.emotion.formats.json import track_to_json
    from sedtalker.emotion.formats.labels import segments_to_rttm
    from sedtalker.emotion.plot import check_plot_name

    if output is not None:
        check_track_name(output)
    if plot is not None:
        check_plot_name(plot)
    sound = load_audio(audio, max_seconds)
    for note in sound.notes:
        say(f"note: {note}")
    hear = _classify if model is not None and model.startswith(HUB) else _diarize
    track = replace(hear(model, sound, enroll or [], choose_device(device)), min_confidence=min_confidence)
    if coordinates is not None:
        from sedtalker.emotion.taxonomy import project, read_coordinates

        track = project(track, read_coordinates(coordinates))
    if plot is not None:
        from sedtalker.emotion.plot import plot_track

        plot_track(sound, track, plot)
        say(f"plot: {plot}")
    if output is not None:
        write_track(output, track)
        say(f"track: {output}")
    if json:
        print(track_to_json(track), end="")
    elif rttm:
        print(segments_to_rttm(track.segments(), audio.stem), end="")
    else:
        _print_table(track)


def _diarize(model: str | None, sound: Audio, enrolled: Sequence[Path], device: str) -> EmotionTrack:
    """By the built-in diarizer, or one from a checkpoint folder with the encoder it was trained on."""
    from sedtalker.audio import load_audio
    from sedtalker.emotion.diarizer import diarize, encoder_of, enrol, load_diarizer

    folder = None if model is None else Path(model)
    if folder is not None and not folder.is_dir():
        raise InputError(f"--model {model}: no such checkpoint folder; a model of the hub is given as {HUB}{model}")
    diarizer = load_diarizer(folder).to(device)
    if diarizer.config.backbone is not None:
        _use_all_cores()
    encode = encoder_of(diarizer, folder, device)
    voice = enrol(diarizer, (encode(load_audio(path)) for path in enrolled)) if enrolled else None
    return diarize(diarizer, encode(sound), sound.duration, voice=voice)


def _classify(model: str | None, sound: Audio, enrolled: Sequence[Path], device: str) -> EmotionTrack:
    """By a classifier of the hub; intensity and speech are the built-in diarizer's."""
    from sedtalker.emotion.audio_classifier import classified_emotions, load_classifier
    from sedtalker.emotion.diarizer import emotion_track, frame_emotions, load_diarizer
    from sedtalker.speech.encoder import encode, load_encoder

    if enrolled:
        raise InputError("--enroll is for SEDTalker's own diarizers; a classifier of the hub cannot use it")
    assert model is not None
    classifier = load_classifier(model.removeprefix(HUB))
    classifier.model.to(device)
    if classifier.unknown:
        say(f"note: labels without a category, left out: {', '.join(classifier.unknown)}")
    if classifier.missing:
        say(f"note: {classifier.name} never answers {', '.join(classifier.missing)}")
    say("note: intensity is the built-in diarizer's")
    features = encode(load_encoder().to(device), sound)
    heard = frame_emotions(load_diarizer().to(device), features)
    _use_all_cores()
    frames = classified_emotions(classifier, sound, heard, features.clock.times(len(features)))
    return emotion_track(frames, features.clock, sound.duration)


def _use_all_cores() -> None:
    """For transformers of a hundred million weights, which are worth it."""
    import os

    import torch

    torch.set_num_threads(os.cpu_count() or 1)


def _print_table(track: EmotionTrack) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading, justify in (("start", "right"), ("end", "right"), ("emotion", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("intensity", justify="right")
    table.add_column("confidence", justify="right")
    for segment in track.segments():
        table.add_row(
            f"{segment.start:.2f}",
            f"{segment.end:.2f}",
            segment.label,
            f"{segment.intensity:.2f}",
            f"{segment.confidence:.2f}",
        )
    Console().print(table)
