"""``sedtalker stream``: ARKit weights while it is being spoken, from a file or a pipe."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.cli.animate import STYLE_HELP, Device, choose_device
from sedtalker.cli.console import fail_clearly

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sedtalker.animation.animator import FaceStream, MovedFrames
    from sedtalker.animation.idle_motion import IdleStream


@fail_clearly
def stream(
    audio: Annotated[Path, typer.Argument(help="Speech; - reads 16-bit mono PCM at 16 kHz, or a wav, from stdin.")],
    look_ahead: Annotated[float, typer.Option(min=0.0, max=5.0, help="Seconds that a frame waits for.")] = 0.3,
    hop: Annotated[float, typer.Option(min=0.02, max=2.0, help="Seconds between results.")] = 0.16,
    fps: Annotated[float, typer.Option(min=1.0, max=120.0, help="Frames a second.")] = 60.0,
    style: Annotated[str, typer.Option(help=STYLE_HELP)] = "natural",
    seed: Annotated[int, typer.Option(min=0, help="Of blinks and gaze.")] = 0,
    blinks: Annotated[bool, typer.Option("--blinks/--no-blinks", help="Add blinks.")] = True,
    gaze: Annotated[bool, typer.Option("--gaze/--no-gaze", help="Let the eyes wander.")] = True,
    decoder: Annotated[
        Path | None, typer.Option(help="A decoder's folder; default: the built-in streaming one.")
    ] = None,
    device: Annotated[Device, typer.Option(help="Where the networks run.")] = "auto",
    max_seconds: Annotated[float, typer.Option(min=1.0, help="Refuse longer files.")] = 3600.0,
) -> None:
    """Print the face as JSON lines: first the names of the 52 shapes, then a line a frame as soon as it is final."""
    from sedtalker.animation.animator import FaceStream
    from sedtalker.animation.decoder import load_decoder
    from sedtalker.animation.idle_motion import IdleStream
    from sedtalker.animation.style import parse_style
    from sedtalker.checkpoint import builtin_checkpoint
    from sedtalker.cli.diarize import sound_pieces
    from sedtalker.emotion.diarizer import load_diarizer
    from sedtalker.emotion.stream import DiarizerStream
    from sedtalker.face.arkit import ARKIT_52
    from sedtalker.speech.encoder import load_encoder

    spoken_as, target = parse_style(style), choose_device(device)
    diarizer, encoder = load_diarizer().to(target), load_encoder().to(target)
    mover = load_decoder(decoder or builtin_checkpoint("decoder_streaming")).to(target)
    face = FaceStream(DiarizerStream(diarizer, encoder, look_ahead, hop), mover, spoken_as)
    idle = IdleStream(seed, blinks, gaze)
    try:
        print(json.dumps({"shapes": ARKIT_52, "fps": fps}), flush=True)
        for line in _lines(_moved(face, sound_pieces(audio, max_seconds)), fps, diarizer.config.labels, idle):
            print(json.dumps(line), flush=True)
    except BrokenPipeError:
        # the reader has gone; keep Python from failing again when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _moved(face: FaceStream, sound: Iterable[NDArray[np.float32]]) -> Iterator[MovedFrames]:
    """Frames as they become final; Ctrl-C ends the sound."""
    try:
        for samples in sound:
            yield from face.push(samples)
    except KeyboardInterrupt:
        pass
    yield face.flush()


def _lines(
    moved: Iterable[MovedFrames], fps: float, labels: tuple[str, ...], idle: IdleStream
) -> Iterator[dict[str, Any]]:
    """A line a video frame, interpolated between the decoder's, with idle motion."""
    import numpy as np

    number, label, intensity = 0, "neutral", 0.0
    times, weights = np.zeros(0), np.zeros((0, 52), np.float32)
    for now in moved:
        times, weights = np.concatenate([times, now.times]), np.concatenate([weights, now.weights])
        if len(now.emotion.label):
            label, intensity = labels[int(now.emotion.label[-1])], float(now.emotion.intensity[-1])
        while len(times) > 1 and number / fps <= times[-1]:
            at = number / fps
            row = idle.add(at, np.array([np.interp(at, times, column) for column in weights.T]))
            yield {
                "time": round(at, 4),
                "weights": [round(float(v), 4) for v in row],
                "emotion": label,
                "intensity": round(intensity, 3),
            }
            number += 1
        kept = max(0, int(np.searchsorted(times, number / fps)) - 1)
        times, weights = times[kept:], weights[kept:]
