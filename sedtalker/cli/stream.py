"""``sedtalker stream``: ARKit weights while it is being spoken, from a file or a pipe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sedtalker.cli import options as o
from sedtalker.cli.console import PIPE, fail_clearly, print_lines, sound_pieces

if TYPE_CHECKING:
    from sedtalker.animation.stream import StreamedFrame


@fail_clearly
def stream(
    context: typer.Context,
    audio: o.PipeArgument,
    look_ahead: Annotated[float, typer.Option(min=0.0, max=5.0, help="Seconds that a frame waits for.")] = 0.3,
    hop: Annotated[float, typer.Option(min=0.02, max=2.0, help="Seconds between results.")] = 0.16,
    fps: Annotated[float, typer.Option(min=1.0, max=120.0, help="Frames a second.")] = 60.0,
    emotion: o.EmotionOption = None,
    enroll: o.EnrollOption = None,
    trust: o.TrustOption = 1.0,
    intensity: o.IntensityOption = 1.0,
    expressivity: o.ExpressivityOption = 1.0,
    articulation: o.ArticulationOption = 1.0,
    gain: o.GainOption = None,
    style: o.StyleOption = "natural",
    seed: o.SeedOption = 0,
    blinks: o.BlinksOption = True,
    gaze: o.GazeOption = True,
    head: o.HeadOption = True,
    decoder: Annotated[Path | None, typer.Option(help="A decoder's folder; default: the built-in one.")] = None,
    device: o.DeviceOption = "auto",
    max_seconds: o.MaxSecondsOption = 3600.0,
    preset: o.PresetOption = None,
    save_preset: o.SavePresetOption = None,
) -> None:
    """Print the face as JSON lines: first the names of the 52 shapes, then a line a frame as soon as it is final.

    Gains other than 1 look 80 ms ahead at closed lips, and add that to the delay.
    """
    from sedtalker.animation.animator import Animator
    from sedtalker.animation.gains import Gains, parse_gains
    from sedtalker.animation.idle_motion import IdleMotion
    from sedtalker.animation.stream import StreamSettings
    from sedtalker.animation.style import parse_style
    from sedtalker.emotion.formats.files import check_emotion
    from sedtalker.face.arkit import ARKIT_52

    o.check_files(*([] if audio == PIPE else [audio]), decoder, *(enroll or []))
    if emotion is not None:
        check_emotion(emotion)
    settings = StreamSettings(
        look_ahead,
        hop,
        fps,
        emotion,
        intensity,
        Gains(expressivity, articulation, *parse_gains(gain or [])),
        parse_style(style),
        seed,
        IdleMotion(blinks, gaze, head),
        tuple(enroll or ()),
    )
    diarizer = "diarizer" if emotion is not None else o.open_diarizer(None, None, trust, device)
    animator = Animator.from_pretrained(decoder or "streaming", diarizer=diarizer, device=device)
    o.save_preset(context, save_preset)
    frames = animator.stream(sound_pieces(audio, max_seconds), settings)
    header = json.dumps({"shapes": ARKIT_52, "fps": fps})
    print_lines(_lines(header, frames))


def _lines(header: str, frames: Iterator[StreamedFrame]) -> Iterator[str]:
    yield header
    for frame in frames:
        yield json.dumps(
            {
                "time": frame.time,
                "weights": [round(float(v), 4) for v in frame.weights],
                "head": [round(float(v), 4) for v in frame.head],
                "emotion": frame.emotion,
                "intensity": round(frame.intensity, 3),
            }
        )
