"""``sedtalker stream``: ARKit weights of a file or a pipe as soon as they are known, without a clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sedtalker.animation.performance import Performance, StreamSettings
from sedtalker.cli import options as o
from sedtalker.cli.console import PIPE, fail_clearly, print_lines, sound_pieces

if TYPE_CHECKING:
    from sedtalker.animation.animator import Animator
    from sedtalker.animation.stream import StreamedFrame

DecoderOption = Annotated[Path | None, typer.Option(help="A decoder's folder; default: the built-in one.")]
"""Folder of the decoder."""


@fail_clearly
@o.takes_options()
def stream(
    context: typer.Context,
    audio: o.PipeArgument,
    settings: StreamSettings,
    trust: o.TrustOption = Performance.trust,
    decoder: DecoderOption = None,
    device: o.DeviceOption = "auto",
    max_seconds: o.MaxSecondsOption = Performance.max_seconds,
    preset: o.PresetOption = None,
    save_preset: o.SavePresetOption = None,
) -> None:
    """Print the face as JSON lines: first the names of the shapes, then a line a frame as soon as it is final.

    Nothing waits for a clock: a file comes as fast as it is decoded. ``live`` sends at the pace of speech. Gains other
    than 1 look 80 ms ahead at closed lips, and add that to the delay.
    """
    from sedtalker.live.lines import frame_line, header_line

    o.check_files(*([] if audio == PIPE else [audio]), decoder, *settings.enroll)
    check_settings(settings)
    animator = open_streaming(decoder, settings.emotion, trust, device)
    o.save_preset(context, save_preset)
    frames = animator.stream(sound_pieces(audio, max_seconds), settings)

    def lines(frames: Iterator[StreamedFrame]) -> Iterator[str]:
        yield header_line(settings.fps)
        yield from map(frame_line, frames)

    print_lines(lines(frames))


def check_settings(settings: StreamSettings) -> None:
    """Raise ``InputError`` where settings say what there is not."""
    from sedtalker.emotion.formats.files import check_emotion

    o.check_enroll(settings.enroll, None, settings.emotion)
    if settings.emotion is not None:
        check_emotion(settings.emotion)
    _ = settings.gains, settings.talking_style


def open_streaming(decoder: Path | None, emotion: str | None, trust: float, device: str) -> Animator:
    """The animator of a stream; its diarizer is opened where no emotion is given."""
    from sedtalker.animation.animator import Animator

    diarizer = "diarizer" if emotion is not None else o.open_diarizer(None, None, trust, device)
    return Animator.from_pretrained(decoder or "streaming", diarizer=diarizer, device=device)
