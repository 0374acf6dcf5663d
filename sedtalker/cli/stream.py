"""``sedtalker stream``: ARKit weights of a file or a pipe as soon as they are known, without a clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sedtalker.cli import options as o
from sedtalker.cli.console import PIPE, fail_clearly, print_lines, sound_pieces

if TYPE_CHECKING:
    from sedtalker.animation.animator import Animator
    from sedtalker.animation.stream import StreamedFrame, StreamSettings

LookAheadOption = Annotated[float, typer.Option(min=0.0, max=5.0, help="Seconds that a frame waits for.")]
"""Look-ahead of the lips."""
HopOption = Annotated[float, typer.Option(min=0.02, max=2.0, help="Seconds between results.")]
"""Hop of the stream."""
DecoderOption = Annotated[Path | None, typer.Option(help="A decoder's folder; default: the built-in one.")]
"""Folder of the decoder."""


@fail_clearly
def stream(
    context: typer.Context,
    audio: o.PipeArgument,
    look_ahead: LookAheadOption = 0.2,
    hop: HopOption = 0.08,
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
    decoder: DecoderOption = None,
    device: o.DeviceOption = "auto",
    max_seconds: o.MaxSecondsOption = 3600.0,
    preset: o.PresetOption = None,
    save_preset: o.SavePresetOption = None,
) -> None:
    """Print the face as JSON lines: first the names of the shapes, then a line a frame as soon as it is final.

    Nothing waits for a clock: a file comes as fast as it is decoded. ``live`` sends at the pace of speech. Gains other
    than 1 look 80 ms ahead at closed lips, and add that to the delay.
    """
    from sedtalker.live.lines import frame_line, header_line

    o.check_files(*([] if audio == PIPE else [audio]), decoder, *(enroll or []))
    settings = stream_settings(
        look_ahead=look_ahead,
        hop=hop,
        fps=fps,
        emotion=emotion,
        enroll=enroll,
        intensity=intensity,
        gains=(expressivity, articulation, gain),
        style=style,
        seed=seed,
        idle=(blinks, gaze, head),
    )
    animator = open_streaming(decoder, emotion, trust, device)
    o.save_preset(context, save_preset)
    frames = animator.stream(sound_pieces(audio, max_seconds), settings)

    def lines(frames: Iterator[StreamedFrame]) -> Iterator[str]:
        yield header_line(fps)
        yield from map(frame_line, frames)

    print_lines(lines(frames))


def stream_settings(
    *,
    look_ahead: float,
    hop: float,
    fps: float,
    emotion: str | None,
    enroll: list[Path] | None,
    intensity: float,
    gains: tuple[float, float, list[str] | None],
    style: str,
    seed: int,
    idle: tuple[bool, bool, bool],
) -> StreamSettings:
    """The settings that options ask for, ``gains`` being expressivity, articulation and those of ``--gain``."""
    from sedtalker.animation.gains import Gains, parse_gains
    from sedtalker.animation.idle_motion import IdleMotion
    from sedtalker.animation.stream import StreamSettings
    from sedtalker.animation.style import parse_style
    from sedtalker.emotion.formats.files import check_emotion

    o.check_enroll(enroll, None, emotion)
    if emotion is not None:
        check_emotion(emotion)
    return StreamSettings(
        look_ahead=look_ahead,
        hop=hop,
        fps=fps,
        emotion=emotion,
        intensity=intensity,
        gains=Gains(gains[0], gains[1], *parse_gains(gains[2] or [])),
        style=parse_style(style),
        seed=seed,
        idle=IdleMotion(*idle),
        enroll=tuple(enroll or ()),
    )


def open_streaming(decoder: Path | None, emotion: str | None, trust: float, device: str) -> Animator:
    """The animator of a stream; its diarizer is opened where no emotion is given."""
    from sedtalker.animation.animator import Animator

    diarizer = "diarizer" if emotion is not None else o.open_diarizer(None, None, trust, device)
    return Animator.from_pretrained(decoder or "streaming", diarizer=diarizer, device=device)
