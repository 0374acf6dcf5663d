"""``sedtalker play``: a finished animation sent to an engine in real time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sedtalker.cli import options as o
from sedtalker.cli.console import JsonOption, QuietOption, fail_clearly, say
from sedtalker.cli.export import ANIMATION_HELP, find_animation
from sedtalker.cli.live import DelayOption, SpeakerOption, ToOption, print_line, show_pace


@fail_clearly
def play(
    animation: Annotated[Path, typer.Argument(help=ANIMATION_HELP)],
    to: ToOption = None,
    audio: Annotated[Path | None, typer.Option(help="Its sound, played on the loudspeaker.")] = None,
    delay: DelayOption = None,
    speaker: SpeakerOption = None,
    rate: Annotated[float, typer.Option("--fps", "--rate", min=1.0, max=120.0, help="Frames a second.")] = 60.0,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Send a finished animation to Unreal, VRM avatars, VRChat or web pages in real time."""
    from sedtalker.animation.animation import Animation
    from sedtalker.audio import load_audio
    from sedtalker.live.addresses import open_senders, parse_targets
    from sedtalker.live.microphone import Loudspeaker
    from sedtalker.live.session import LiveSettings, play_animation

    targets = parse_targets(to or [])
    o.check_files(audio)
    moving = Animation.load(find_animation(animation))
    samples = None if audio is None else load_audio(audio).samples
    senders = open_senders(targets, rate, print_line)
    try:
        loudspeaker = None if samples is None else Loudspeaker(samples, speaker)
        if not quiet:
            say("sending; Ctrl-C ends it")
        settings = LiveSettings(rate, None if delay is None else delay / 1000.0)
        pace = play_animation(moving, senders, settings, loudspeaker)
    finally:
        for sender in senders:
            sender.close()
    show_pace(pace, as_json and all(target.protocol != "-" for target in targets), quiet)
