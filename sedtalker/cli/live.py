"""``sedtalker live``, ``stream`` and ``play``: a face while somebody speaks, and animations that are sent as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import typer

from sedtalker.animation.performance import Performance, StreamSettings
from sedtalker.batch.opening import open_animator
from sedtalker.cli import options as o
from sedtalker.cli.console import (
    PIPE,
    drop_stdout,
    fail_clearly,
    print_lines,
    say,
    sound_pieces,
    stdin_bytes,
    write_json,
)
from sedtalker.cli.export import ANIMATION_HELP, find_animation
from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.animation.animation_stream import AnimationStream, StreamedFrame
    from sedtalker.arrays import Floats
    from sedtalker.live.microphone import Loudspeaker
    from sedtalker.live.pacing import Pace
    from sedtalker.live.senders import Sender
    from sedtalker.live.session import LiveSettings

DecoderOption = Annotated[Path | None, typer.Option(help="A decoder's folder; default: the built-in one.")]
"""Folder of the decoder."""


@fail_clearly
@o.takes_options(only="trust max_seconds")
def stream(
    context: typer.Context,
    audio: o.PipeArgument,
    settings: StreamSettings = StreamSettings(),
    options: Performance = Performance(),
    decoder: DecoderOption = None,
    device: o.DeviceOption = "auto",
    preset: o.PresetOption = None,
    save_preset: o.SavePresetOption = None,
    force: o.ForceOption = False,
) -> None:
    """Print the face as JSON lines: first the names of the shapes, then a line a frame as soon as it is final.

    Frames are printed as fast as they are decoded; ``live`` sends them at the pace of speech. Gains other
    than 1 look 80 ms ahead at closed lips, and add that to the delay.
    """
    from sedtalker.live.senders import frame_line, header_line

    o.check_recording(audio)
    o.check_files(decoder, *settings.enroll)
    check_settings(settings)
    o.check_preset(save_preset, force)
    pieces = sound_pieces(audio, options.max_seconds)
    animator = open_animator(replace(options, decoder=decoder), settings.emotion is not None, device)
    o.save_preset(context, save_preset)
    frames = animator.stream(pieces, settings)

    def lines(frames: Iterator[StreamedFrame]) -> Iterator[str]:
        yield header_line(settings.fps)
        yield from map(frame_line, frames)

    print_lines(lines(frames))


def check_settings(settings: StreamSettings) -> None:
    """Raise ``InputError`` where settings say what there is not."""
    from sedtalker.emotion.formats.files import parse_emotion

    o.check_enroll(settings.enroll, None, settings.emotion)
    if settings.emotion is not None:
        parse_emotion(settings.emotion)
    settings.check_names()


ToOption = Annotated[
    list[str] | None,
    typer.Option(
        "--to",
        metavar="ADDRESS",
        help="Receivers, repeatable or with commas: livelink://, vmc://, vrchat://, ifacialmocap:// or "
        "ws://, with HOST:PORT if it is not this machine's usual one; - prints JSON lines.",
    ),
]
"""Receivers."""
DelayOption = Annotated[
    float | None,
    typer.Option(
        metavar="MS",
        min=-60_000.0,
        max=60_000.0,
        help="Milliseconds from a sound to its face. Default: as soon as it is known while you speak; synchronised "
        "with sound that --speak plays.",
    ),
]
"""Delay of the face against the sound."""
SpeakerOption = Annotated[str | None, typer.Option(help="Loudspeaker of --speak: number or part of its name.")]
"""The loudspeaker."""


@fail_clearly
@o.takes_options(only="trust max_seconds", without=("progress",))
def live(
    context: typer.Context,
    source: Annotated[
        Path | None,
        typer.Argument(
            help="Speech; - reads 16-bit mono PCM at 16 kHz, or a wav, from stdin. Default: the microphone."
        ),
    ] = None,
    to: ToOption = None,
    device: Annotated[str | None, typer.Option(help="Microphone: number or part of its name.")] = None,
    list_devices: Annotated[bool, typer.Option("--list-devices", help="Show microphones and loudspeakers.")] = False,
    delay: DelayOption = None,
    speak: Annotated[bool, typer.Option("--speak", help="Play the file on the loudspeaker, too.")] = False,
    speaker: SpeakerOption = None,
    wanted: StreamSettings = StreamSettings(),
    options: Performance = Performance(),
    decoder: DecoderOption = None,
    preset: o.PresetOption = None,
    save_preset: o.SavePresetOption = None,
    run: o.Run = o.Run(),
) -> None:
    """Send the moving face to Unreal, VRM avatars, VRChat or web pages while somebody speaks.

    Ctrl-C ends it; the face comes to rest first.
    """
    from sedtalker.audio import load_audio
    from sedtalker.live.microphone import Loudspeaker, chosen_device
    from sedtalker.live.senders import SenderGroup, open_senders, parse_targets
    from sedtalker.live.session import LiveSettings

    if list_devices:
        _print_devices(run.as_json)
        return
    targets = parse_targets(to or [])
    if source is not None:
        o.refuse_typed(context, ["device"], "names a microphone; it does nothing with a recording that is given")
    if not speak:
        o.refuse_typed(context, ["speaker"], "names the loudspeaker of --speak; it does nothing without")
    if speak and (source is None or source == PIPE):
        raise InputError("--speak needs a file: a microphone or a pipe is not played")
    if source is not None:
        o.check_recording(source)
    o.check_files(decoder, *wanted.enroll)
    check_settings(wanted)
    o.check_preset(save_preset, run.force)
    samples = loudspeaker = None
    if source is None:
        chosen_device(device, "input")
    elif source != PIPE:
        samples = load_audio(source, options.max_seconds).samples
        loudspeaker = Loudspeaker(samples, speaker) if speak else None
    settings = LiveSettings(wanted.fps, None if delay is None else delay / 1000.0)
    senders = open_senders(targets, wanted.fps, print_line)  # before the networks: a port may be taken
    with closing(SenderGroup(senders)):
        named = replace(options, decoder=decoder)
        stream = open_animator(named, wanted.emotion is not None, "cpu").open_stream(wanted)
        o.save_preset(context, save_preset)
        if not run.quiet:
            _say_delay(source, stream, settings)
        pace = _run(samples, source == PIPE, device, stream, senders, settings, loudspeaker)
    show_pace(pace, run.as_json and all(target.protocol != "-" for target in targets), run.quiet)


def _run(
    samples: Floats | None,
    piped: bool,
    device: str | None,
    stream: AnimationStream,
    senders: list[Sender],
    settings: LiveSettings,
    loudspeaker: Loudspeaker | None,
) -> Pace:
    """The session with samples (N,) of a file, a pipe or the microphone."""
    from sedtalker.audio.pipe import pipe_samples
    from sedtalker.live.microphone import BLOCK_SECONDS, Microphone
    from sedtalker.live.session import play_live, play_sound

    if samples is not None:
        return play_sound(samples, stream, senders, settings, loudspeaker)
    if piped:
        return play_live(pipe_samples(_stdin()), stream, senders, settings)
    microphone = Microphone(device)
    try:
        return play_live(microphone, stream, senders, settings)
    finally:
        microphone.close()
        if microphone.dropped:
            say(f"note: {microphone.dropped * BLOCK_SECONDS:.1f} s of sound were lost: this machine is too busy")


def _say_delay(source: Path | None, stream: AnimationStream, settings: LiveSettings) -> None:
    if source is not None and source != PIPE:
        say("sending; Ctrl-C ends it")
        return
    from sedtalker.live.session import shortest_delay

    seconds = shortest_delay(stream.settings) if settings.delay is None else settings.delay
    say(f"speak; the face follows {1000 * seconds:.0f} ms later, more where this machine is busy; Ctrl-C ends it")


def show_pace(pace: Pace, as_json: bool, quiet: bool) -> None:
    """Say how many frames were sent, and how evenly."""
    if as_json:
        known = {"sent": pace.sent, "missed": pace.missed, "seconds": round(pace.seconds, 3), "rate": pace.rate}
        delay = None if pace.delay is None else round(pace.delay, 3)
        write_json({**known, "waited": round(pace.waited, 3), "delay": delay})
    elif not quiet:
        why = " because this machine was busy" if pace.missed else ""
        late = f"; it waited {1000 * pace.waited:.0f} ms in all for frames that came late" if pace.waited > 0.01 else ""
        if pace.delay is not None:
            late += f"; the face was {1000 * pace.delay:.0f} ms after its sound in the end"
        say(f"{pace.sent} frames in {pace.seconds:.1f} s, {pace.missed} left out{why}{late}")


def print_line(line: str) -> None:
    """Print a line at once.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        drop_stdout()
        raise


def _stdin() -> BinaryIO:
    """Stdin without a buffer, whose lock a thread that waits for sound would keep beyond the end of the program.

    Raises:
        InputError: it is closed.
    """
    buffered = stdin_bytes()
    try:
        return cast(BinaryIO, open(buffered.fileno(), "rb", buffering=0, closefd=False))
    except (OSError, ValueError, AttributeError):
        return buffered


def _print_devices(as_json: bool) -> None:
    from sedtalker.live.microphone import list_devices

    devices = list_devices()
    if as_json:
        write_json([device._asdict() for device in devices])
        return
    if not devices:
        raise InputError("this machine has no sound devices")
    for device in devices:
        usual = ", usual microphone" * device.usual_input + ", usual loudspeaker" * device.usual_output
        print(f"{device.number:3}  {device.name}  ({device.inputs} in, {device.outputs} out{usual})")


@fail_clearly
def play(
    animation: Annotated[Path, typer.Argument(help=ANIMATION_HELP)],
    to: ToOption = None,
    audio: Annotated[Path | None, typer.Option(help="Its sound, played on the loudspeaker.")] = None,
    delay: DelayOption = None,
    speaker: SpeakerOption = None,
    rate: Annotated[float, typer.Option("--fps", "--rate", min=1.0, max=120.0, help="Frames a second.")] = 60.0,
    as_json: o.JsonOption = False,
    quiet: o.QuietOption = False,
) -> None:
    """Send a finished animation to Unreal, VRM avatars, VRChat or web pages in real time."""
    from sedtalker.animation.animation import Animation
    from sedtalker.audio import load_audio
    from sedtalker.live.microphone import Loudspeaker
    from sedtalker.live.senders import SenderGroup, open_senders, parse_targets
    from sedtalker.live.session import LiveSettings, play_animation

    targets = parse_targets(to or [])
    if speaker is not None and audio is None:
        raise InputError("--speaker names the loudspeaker of --audio; it does nothing without")
    o.check_files(audio)
    moving = Animation.load(find_animation(animation))
    loudspeaker = None if audio is None else Loudspeaker(load_audio(audio).samples, speaker)
    senders = open_senders(targets, rate, print_line)
    with closing(SenderGroup(senders)):
        if not quiet:
            say("sending; Ctrl-C ends it")
        settings = LiveSettings(rate, None if delay is None else delay / 1000.0)
        pace = play_animation(moving, senders, settings, loudspeaker)
    show_pace(pace, as_json and all(target.protocol != "-" for target in targets), quiet)
