"""``sedtalker visemes``, and the options of ``animate`` that write visemes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sedtalker.cli import options as o
from sedtalker.cli.console import fail_clearly, say
from sedtalker.progress import Hook, no_progress

if TYPE_CHECKING:
    from sedtalker.audio import Audio
    from sedtalker.phonetics.aligner import Alignment
    from sedtalker.phonetics.pronunciation import SpokenWord

log = logging.getLogger(__name__)

VisemeSet = Literal["oculus", "vrm", "preston-blair", "rhubarb"]
"""What ``--viseme-set`` takes; the names of ``sedtalker.phonetics.visemes.SETS`` (a test)."""
VisemesOption = Annotated[
    Path | None, typer.Option(help="Also write visemes: .tsv or .json as Rhubarb does, or .TextGrid with phones.")
]
"""File of visemes."""
VisemeSetOption = Annotated[VisemeSet, typer.Option(help="The mouth shapes of the file of visemes.")]
"""Set of visemes."""


@fail_clearly
def visemes(
    audio: o.AudioArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write .tsv or .json as Rhubarb does, or .TextGrid; default: print TSV."),
    ] = None,
    viseme_set: VisemeSetOption = "oculus",
    transcript: o.TranscriptOption = None,
    words: o.WordsOption = None,
    language: o.LanguageOption = None,
    max_seconds: o.MaxSecondsOption = 3600.0,
    force: o.ForceOption = False,
) -> None:
    """Write the mouth shapes of speech over time, for 2D characters and game engines."""
    o.check_files(audio, words)
    if output is not None:
        check_visemes(output, viseme_set, force)
    said = o.given_words(transcript, words, language)
    from sedtalker.audio import load_audio
    from sedtalker.phonetics.visemes import to_tsv

    sound = load_audio(audio, max_seconds)
    for note in sound.notes:
        log.warning(note)
    phones = phones_of(sound, said, language)
    if output is None:
        print(to_tsv(phones, viseme_set, audio.name, sound.duration), end="")
        return
    write_visemes(output, viseme_set, phones, sound, audio)
    say(f"visemes: {output}")


def check_visemes(path: Path, of: str, force: bool) -> None:
    """Raise ``InputError`` where visemes cannot be written so."""
    from sedtalker.phonetics.visemes import check_viseme_file
    from sedtalker.storage import check_writable

    check_viseme_file(path, of)
    check_writable(path, force)


def write_visemes(path: Path, of: str, phones: Alignment | None, sound: Audio, audio: Path) -> None:
    """Write the visemes of a recording; its phones are recognised where none are known."""
    from sedtalker.phonetics.visemes import write_visemes as write_file

    write_file(path, phones or phones_of(sound), of, audio.name, sound.duration)


def phones_of(
    sound: Audio, said: Sequence[SpokenWord] | str | None = None, language: str | None = None, hook: Hook = no_progress
) -> Alignment:
    """The phones of a recording: of what is said, or as they are recognised where nobody says it."""
    from sedtalker.phonetics.aligner import phone_posteriors
    from sedtalker.phonetics.recognition import placed_words
    from sedtalker.phonetics.visemes import recognise
    from sedtalker.speech.encoder import open_encoder

    features = open_encoder()(sound)
    if said is not None:
        return placed_words(said, sound, features, language, hook)
    return recognise(phone_posteriors(features, sound), features.clock.rate)
