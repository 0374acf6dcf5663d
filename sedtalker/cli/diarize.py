"""``sedtalker diarize``: what is expressed, how strongly and when."""

from __future__ import annotations

import json as json_lines
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sedtalker.animation.performance import Performance
from sedtalker.cli import options as o
from sedtalker.cli.console import PIPE, fail_clearly, print_lines, say, sound_pieces
from sedtalker.cli.emotion_table import print_conversation, print_emotions
from sedtalker.cli.export import phones_of
from sedtalker.errors import InputError
from sedtalker.progress import Hook, one_step
from sedtalker.storage import check_writable, whole_files

if TYPE_CHECKING:
    from sedtalker.emotion.conversation import Conversation
    from sedtalker.emotion.diarizer import Diarizer
    from sedtalker.emotion.emotion_stream import DiarizerStream
    from sedtalker.emotion.events import StateChange

log = logging.getLogger(__name__)

LOOK_AHEAD = 0.5
"""Seconds of sound that a frame of a stream waits for."""


@fail_clearly
@o.takes_options(only="encoder enroll min_confidence trust transcript words language coordinates max_seconds")
def diarize(
    audio: o.PipeArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Also write the track: .json, .keys.json, .rttm, .csv, .TextGrid, .eaf, .srt, .vtt, .txt; "
            "with --speakers .json, .rttm, .csv, .eaf, .srt, .vtt.",
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the track: waveform, categories, intensity (.png).")] = None,
    rttm: Annotated[bool, typer.Option("--rttm", help="Print the segments as RTTM.")] = False,
    events: Annotated[
        bool,
        typer.Option("--events", help="Print a line for each change of state, for a voice agent; with --json as JSON."),
    ] = False,
    speakers: Annotated[
        str | None,
        typer.Option(
            metavar="channels|auto|N|FILE.rttm",
            help="Keep speakers apart: one a channel, found in the sound, that many of them, or by turns from a file.",
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Rename a speaker; two that get one name are merged. Repeatable."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A diarizer's checkpoint folder, or hf:NAME, a classifier of the Hugging Face hub."),
    ] = None,
    options: Performance = Performance(),
    fine: o.FineOption = False,
    fine_model: Annotated[Path | None, typer.Option(help="Checkpoint folder of your own heads for --fine.")] = None,
    fine_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How far the categories follow the fine-grained emotions, 0 to 1.")
    ] = 0.0,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print segments while they are spoken; with --json a line every 0.32 s.")
    ] = False,
    look_ahead: Annotated[
        float | None,
        typer.Option(min=0.0, help=f"With --stream: seconds of sound that a frame waits for; default: {LOOK_AHEAD}."),
    ] = None,
    device: o.DeviceOption = "auto",
    run: o.Run = o.Run(),
) -> None:
    """Find emotion in speech: the segments as a table, the dense track as a file."""
    enroll = options.enroll
    if rttm and (run.as_json or events):
        raise InputError(f"choose one of {'--events' if events else '--json'} and --rttm")
    streams = stream or audio == PIPE
    finer = fine or fine_model is not None or fine_share > 0
    spoken = options.transcript is not None or options.words is not None
    if streams and (output or plot or rttm or options.min_confidence or options.coordinates or fine_share or spoken):
        raise InputError(
            "a stream takes no --output, --plot, --rttm, --min-confidence, --coordinates, --fine-share and no words"
        )
    if look_ahead is not None and not streams:
        raise InputError("--look-ahead is of a stream: add --stream")
    if streams and finer and not (run.as_json or events):
        raise InputError("with --fine a stream needs --json or --events")
    if speakers is not None:
        alone = {"--events": events, "--enroll": enroll, "--fine": finer, "--stream": stream, "-": audio == PIPE}
        alone |= {"--transcript": options.transcript is not None, "--words": options.words is not None}
        refused = [option for option, given in alone.items() if given]
        if refused:
            raise InputError(f"{refused[0]} does not go with --speakers: it is for one speaker")
    names = names_of(name)
    if names and speakers is None:
        raise InputError("--name needs --speakers")
    from sedtalker.emotion.events import track_changes
    from sedtalker.emotion.formats.conversation import check_conversation_name
    from sedtalker.emotion.formats.files import check_track_name, track_formats
    from sedtalker.emotion.formats.json import track_to_json
    from sedtalker.emotion.plot import check_plot_name
    from sedtalker.emotion.taxonomy import project, read_coordinates, with_share
    from sedtalker.speakers.separation import check_speakers

    check_output = check_track_name if speakers is None else check_conversation_name
    for path, check in ((output, check_output), (plot, check_plot_name)):
        if path is not None:
            check(path)
            check_writable(path, run.force)
    o.check_recording(audio)
    o.check_files(*enroll, options.words)
    o.check_enroll(enroll, model)
    if speakers is not None:
        check_speakers(speakers)
    said = o.given_words(options)
    plane = None if options.coordinates is None else read_coordinates(options.coordinates)
    diarizer = o.open_diarizer(model, options.encoder, options.trust, device)
    if speakers is not None:
        with run.shown(lines=False) as shown:
            found = conversation_of(
                diarizer, audio, speakers, names, options.min_confidence, options.max_seconds, plane, shown.hook
            )
        write_results(lambda path: found.save(path, audio.stem), output, found.plot, plot)
        return print_found(found, audio.stem, run.as_json, rttm)
    if finer:
        diarizer = diarizer.with_fine(fine_model)
    if streams:
        opened = diarizer.stream(LOOK_AHEAD if look_ahead is None else look_ahead, enroll=enroll)
        lines = event_lines if events else stream_lines
        return print_lines(lines(opened, audio, run.as_json, options.max_seconds))
    from sedtalker.audio import load_audio

    with run.shown(lines=False) as shown:
        with one_step(shown.hook, "reading the audio"):
            sound = load_audio(audio, options.max_seconds)
        for note in sound.notes:
            log.warning(note)
        track = diarizer(sound, enroll=enroll, min_confidence=options.min_confidence, hook=shown.hook)
        if said is not None:
            phones = phones_of(sound, said, options.language, shown.hook)
            track = replace(track, words=phones.word_times(), language=phones.language)
    track = with_share(track, fine_share) if fine_share else track
    track = track if plane is None else project(track, plane)
    write_results(lambda path: track.save(path, audio.stem), output, lambda path: track.plot(path, sound), plot)
    if events:
        print_lines(change_line(change, run.as_json) for change in track_changes(track))
    elif run.as_json:
        print(track_to_json(track), end="")
    elif rttm:
        row = track_formats()[".rttm"]
        row.note_left_out(track)
        print(row.write(track, audio.stem), end="")
    else:
        print_emotions(track)


def names_of(texts: Sequence[str] | None) -> dict[str, str]:
    """New names of speakers by the old ones, from ``OLD=NEW``.

    Raises:
        InputError: a text is none, or a speaker gets two names.
    """
    found = dict[str, str]()
    for text in texts or ():
        old, _, new = text.partition("=")
        if not old or not new or old in found:
            raise InputError(f"--name {text}: give OLD=NEW, once for each speaker")
        found[old] = new
    from sedtalker.speakers.turns import check_names

    check_names([*dict.fromkeys(found.values())])
    return found


def write_results(
    save: Callable[[Path], None], output: Path | None, draw: Callable[[Path], None], plot: Path | None
) -> None:
    """Write the file and the picture that are wanted, both or none, and say where they are."""
    wanted = [("plot", draw, plot), ("track", save, output)]
    chosen = [(what, write, path) for what, write, path in wanted if path is not None]
    with whole_files([path for _, _, path in chosen]) as paths:
        for (_, write, _), made in zip(chosen, paths, strict=True):
            write(made)
    for what, _, path in chosen:
        say(f"{what}: {path}")


# --- Several speakers.


def conversation_of(
    diarizer: Diarizer,
    audio: Path,
    speakers: str,
    names: Mapping[str, str],
    min_confidence: float,
    longest: float,
    plane: Mapping[str, tuple[float, float]] | None,
    hook: Hook,
) -> Conversation:
    """Who expresses what in a recording; speakers who get one name are merged before their emotion is recognised."""
    from sedtalker.emotion.taxonomy import project
    from sedtalker.speakers.separation import separate

    with one_step(hook, "finding the speakers"):
        found = separate(audio, speakers, longest)
        found = found.renamed(names) if names else found
    for note in found.mixed.notes:
        log.warning(note)
    made = diarizer.conversation(audio, found, min_confidence=min_confidence, hook=hook)
    tracks = made.tracks if plane is None else {who: project(track, plane) for who, track in made.tracks.items()}
    return replace(made, tracks=tracks)


def print_found(conversation: Conversation, name: str, as_json: bool, as_rttm: bool) -> None:
    """Print a conversation as a table, JSON or RTTM."""
    from sedtalker.emotion.formats.conversation import conversation_to_json, conversation_to_rttm

    if as_json:
        print(conversation_to_json(conversation), end="")
    elif as_rttm:
        print(conversation_to_rttm(conversation, name), end="")
    else:
        print_conversation(conversation)


# --- Streams.


def stream_lines(stream: DiarizerStream, source: Path, as_json: bool, longest: float) -> Iterator[str]:
    """What a stream prints: segments as they end, or a JSON object every 0.32 s."""
    from sedtalker.emotion.emotion_stream import EndedSegments, frames_of, summaries
    from sedtalker.speech.features import FRAME_CLOCK

    frames = frames_of(stream, sound_pieces(source, longest))
    labels = stream.labels
    if as_json:
        for summary in summaries(frames, labels, stream.kinds):
            yield json_lines.dumps(summary, ensure_ascii=False)
        return
    ended = EndedSegments(labels, FRAME_CLOCK.rate)
    begun = list(islice(frames, 1))  # a pipe without sound has no table
    yield f"{'start':>8}{'end':>9}  {'emotion':<9}{'intensity':>10}{'confidence':>12}"
    for segments in (
        *(ended.push(f.label, f.confidence, f.intensity, f.speech) for f in chain(begun, frames)),
        ended.end(),
    ):
        for s in segments:
            yield f"{s.start:8.2f}{s.end:9.2f}  {s.label:<9}{s.intensity:10.2f}{s.confidence:12.2f}"


def event_lines(stream: DiarizerStream, source: Path, as_json: bool, longest: float) -> Iterator[str]:
    """What a stream prints with ``--events``: a line a change of state, as soon as it is known."""
    from sedtalker.emotion.emotion_stream import frames_of
    from sedtalker.emotion.events import stream_changes

    for change in stream_changes(frames_of(stream, sound_pieces(source, longest)), stream.labels, stream.kinds):
        yield change_line(change, as_json)


def change_line(change: StateChange, as_json: bool) -> str:
    """A change of state as text or JSON."""
    return json_lines.dumps(change.as_dict(), ensure_ascii=False) if as_json else change.line()
