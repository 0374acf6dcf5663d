"""Options that several commands share, and presets: options saved to a file and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sedtalker.batch.opening import check_enroll as check_enroll
from sedtalker.batch.opening import open_animator as open_animator
from sedtalker.batch.opening import open_diarizer as open_diarizer
from sedtalker.batch.opening import open_face as open_face
from sedtalker.cli.console import say
from sedtalker.errors import InputError
from sedtalker.reading import read_json
from sedtalker.storage import whole_file

if TYPE_CHECKING:
    from sedtalker.phonetics.pronunciation import SpokenWord

Device = Literal["auto", "cpu", "cuda"]
"""What ``--device`` takes."""

LABELS = "neutral, happy, sad, angry, fear, disgust, surprise"
"""The categories, for help texts; the same as ``emotion.track.CATEGORIES`` (a test)."""

GAIN_HELP = (
    "Scales the emotion of a region (brows, eyes, cheeks, nose, jaw, mouth, smile or frown: brows=1.3), or a shape of "
    "ARKit in the finished motion (jawOpen=1.2). Repeatable."
)
"""Help text of ``--gain``."""
STYLE_HELP = (
    "How the talker speaks: natural, clear, mumbled, broad, lively or even; auto: the mouth opens as far as the voice "
    "lets expect; articulation, rounding, dynamics and "
    "crispness from -1 to 1, as dynamics=0.5,crispness=1; or a .json file of sedtalker style."
)
"""Help text of ``--style``."""

AudioArgument = Annotated[
    Path, typer.Argument(help="Speech: wav, flac, ogg, opus, mp3, m4a, or the sound of mp4 or webm.")
]
"""A recording."""
OptionalAudioArgument = Annotated[
    Path | None, typer.Argument(help="Speech: wav, flac, ogg, opus, mp3, m4a, or the sound of mp4 or webm.")
]
"""A recording, unless something else names it."""
PipeArgument = Annotated[Path, typer.Argument(help="Speech; - reads 16-bit mono PCM at 16 kHz, or a wav, from stdin.")]
"""A recording or a pipe."""
EmotionOption = Annotated[
    str | None,
    typer.Option(help=f"A track file instead of the diarizer, or LABEL or LABEL:INTENSITY; labels: {LABELS}."),
]
"""Of a given emotion."""
EnrollOption = Annotated[
    list[Path] | None,
    typer.Option(help="Another recording of the same speaker and microphone, to know their usual voice; repeatable."),
]
"""Of a speaker's other recordings."""
MinConfidenceOption = Annotated[
    float,
    typer.Option(min=0.0, max=1.0, help="Segments below this confidence are 'uncertain', and a face stays neutral."),
]
"""Of doubtful segments."""
EncoderOption = Annotated[
    str | None,
    typer.Option(
        help="The speech encoder: builtin, whisper-base (of the Hugging Face hub; better at emotion "
        "and, in animate, at lips), or a folder with the weights of openai/whisper-base."
    ),
]
"""Of the diarizer's encoder."""
TrustOption = Annotated[
    float,
    typer.Option(min=0.0, max=1.0, help="How far intensity shrinks where the diarizer is in doubt; 0: not at all."),
]
"""Of doubt."""
CoordinatesOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|NAME",
        help="Valence and arousal of each emotion, measured (.json), or russell1977 (default) or dietrich2026.",
    ),
]
"""Of the circumplex."""
IntensityOption = Annotated[float, typer.Option(min=0.0, max=3.0, help="Scales the strength of emotion.")]
"""Of the track."""
ExpressivityOption = Annotated[float, typer.Option(min=0.0, max=2.0, help="Scales what emotion adds to the motion.")]
"""Of the emotional part of the motion."""
ArticulationOption = Annotated[
    float, typer.Option(min=0.0, max=2.0, help="Scales how far speech moves jaw and lips; closures stay.")
]
"""Of the speech part of the motion."""
GainOption = Annotated[list[str] | None, typer.Option(metavar="NAME=FACTOR", help=GAIN_HELP)]
"""Of a region's emotional part, or of a shape."""
StyleOption = Annotated[str, typer.Option(help=STYLE_HELP)]
"""Of the talker."""
TranscriptOption = Annotated[
    str | None,
    typer.Option(metavar="FILE|TEXT", help="What is said, or a .txt of it: closures and rounding become surer."),
]
"""Of the words without times."""
WordsOption = Annotated[
    Path | None,
    typer.Option(help="The same with times, of words or phrases: .ctm, .TextGrid, .vtt, .srt, or .json of Whisper."),
]
"""Of the words with times."""
LanguageOption = Annotated[
    str, typer.Option(metavar="CODE", help="Of the words: en, de, fr, es, zh, ko, hi and all others of espeak-ng.")
]
"""Of the words."""
SeedOption = Annotated[
    int, typer.Option("--seed", "--take", min=0, help="Of blinks, gaze, brows and head; another number, another take.")
]
"""Of the idle motion."""
LivelinessOption = Annotated[
    float,
    typer.Option(min=0.0, max=2.0, help="How far brows, head and breath follow the rhythm of speech; 0: not at all."),
]
"""Of the idle motion."""
EyeContactOption = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Share of the looks that rest on the camera; at 1 the eyes never leave.")
]
"""Of the idle motion."""
BlinksOption = Annotated[bool, typer.Option("--blinks/--no-blinks", help="Add blinks.")]
"""Of the idle motion."""
GazeOption = Annotated[bool, typer.Option("--gaze/--no-gaze", help="Add eye motion.")]
"""Of the idle motion."""
HeadOption = Annotated[bool, typer.Option("--head/--no-head", help="Add head motion.")]
"""Of the idle motion."""
DeviceOption = Annotated[Device, typer.Option(help="Where the networks run.")]
"""Of the networks."""
MaxSecondsOption = Annotated[float, typer.Option(min=1.0, help="Refuse longer audio.")]
"""Of the recording."""


# --- Presets.

NOT_SAVED = {
    *("preset", "save_preset", "project", "audio", "output", "force", "quiet", "progress", "as_json"),
    *("transcript", "words", "visemes"),
}
"""Options that say what is done now, not how a face looks."""


def read_preset(context: typer.Context, path: Path | None) -> Path | None:
    """Callback of ``--preset``: its options are the command's defaults.

    Raises:
        typer.Exit: no such file, no preset, or an option that the command does not have; a line says which.
    """
    if path is None:
        return None
    try:
        held = read_json(path, "a preset")
        if not isinstance(held, dict):
            raise InputError(f"{path}: not a preset; --save-preset writes one")
        strange = sorted(held.keys() - {parameter.name for parameter in context.command.params})
        if strange:
            raise InputError(f"{path}: this command has no option {strange[0]}")
    except InputError as error:  # commands say theirs later, see ``fail_clearly``
        say(f"error: {error}")
        raise typer.Exit(2) from None
    context.default_map = {**(context.default_map or {}), **held}
    return path


PresetOption = Annotated[
    Path | None,
    typer.Option("--preset", is_eager=True, callback=read_preset, help="Read options from a file of --save-preset."),
]
"""Reads options back."""
SavePresetOption = Annotated[Path | None, typer.Option(help="Write these options to a .json file, for --preset.")]
"""Saves options."""


def save_preset(context: typer.Context, path: Path | None) -> None:
    """Write the options of a command that are not at their defaults; None: nothing is written.

    Raises:
        InputError: it cannot be written there.
    """
    if path is None:
        return
    kept: dict[str, Any] = {}
    for parameter in context.command.params:
        name, value = parameter.name or "", context.params.get(parameter.name or "")
        if name not in NOT_SAVED and value not in (None, parameter.default, [], ()):
            kept[name] = _plain(value)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"preset: {path}")


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


# --- What is said.


def given_words(transcript: str | None, words: Path | None, language: str) -> list[SpokenWord] | None:
    """The words that options give, with their phones; None where they give none.

    Raises:
        InputError: both options, or what ``sedtalker.phonetics.transcript.spoken_words`` raises.
    """
    if transcript is not None and words is not None:
        raise InputError("give one of --transcript and --words")
    given = words if transcript is None else transcript
    if given is None:
        return None
    from sedtalker.phonetics.transcript import spoken_words

    return spoken_words(given, language)


# --- Files that options name; networks and faces are opened by ``sedtalker.batch.opening``.


def check_files(*paths: Path | None) -> None:
    """Raise ``InputError`` when one of them is not there."""
    for path in paths:
        if path is not None and not path.exists():
            raise InputError(f"{path}: no such file")
