"""``sedtalker review``: doubtful segments go to a person, to rules, or to a language model."""

from __future__ import annotations

import getpass
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from sedtalker.cli import options as o
from sedtalker.cli.console import (
    ForceOption,
    JsonOption,
    ProgressOption,
    QuietOption,
    ShownProgress,
    fail_clearly,
    print_lines,
    say,
    write_json,
)
from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.batch.cases import Case
    from sedtalker.emotion.diarizer import Diarizer
    from sedtalker.review.deciders import Answer, Decider
    from sedtalker.review.description import Description


AFTER = 0.2
"""Seconds that a loudspeaker needs to end."""


class _AskByDefault(TyperGroup):
    """``sedtalker review DIR`` is ``sedtalker review ask DIR``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See ``click.Group``."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["ask", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_AskByDefault,
    help="Doubtful segments: list them, decide them yourself, by rules or by a language model, and edit the tracks.",
    no_args_is_help=True,
)

FolderArgument = Annotated[Path, typer.Argument(help="Of sedtalker batch, or any with emotion tracks in it.")]
"""Folder of tracks."""
ShareOption = Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the segments that is in doubt.")]
"""Threshold as a share of the segments."""
AccuracyOption = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="Instead: as few as leave the others right so often, by their confidence."),
]
"""Threshold as an accuracy."""
ByOption = Annotated[
    Literal["adjusted", "margin", "entropy", "distance"], typer.Option(help="What segments are ordered by.")
]
"""Measure of uncertainty."""
AudioOption = Annotated[
    Path | None, typer.Option(help="Folder of the recordings; default: the batch's log, or beside the tracks.")
]
"""Recordings of the tracks."""
RulesOption = Annotated[Path | None, typer.Option(help="A file of rules (.toml); default: those that are built in.")]
"""File of rules."""


@app.command("list")
@fail_clearly
def list_cases(
    folder: FolderArgument,
    share: ShareOption = 0.15,
    accuracy: AccuracyOption = None,
    by: ByOption = "adjusted",
    audio: AudioOption = None,
    quiet: QuietOption = False,
    progress: ProgressOption = "none",
    as_json: JsonOption = False,
) -> None:
    """Print the doubtful segments, a line each, and what was decided."""
    with ShownProgress(progress, quiet) as shown:
        cases = _cases(folder, share, accuracy, by, audio, shown)
    if as_json:
        write_json([_plain(case) for case in cases])
    else:
        print_lines(map(_line, cases))


@app.command()
@fail_clearly
def ask(
    folder: FolderArgument,
    who: Annotated[
        str | None, typer.Option(help="Your name, kept beside your decisions; default: of your login.")
    ] = None,
    share: ShareOption = 0.15,
    accuracy: AccuracyOption = None,
    by: ByOption = "adjusted",
    audio: AudioOption = None,
    play: Annotated[bool, typer.Option("--play/--no-play", help="Play each segment, where sounddevice is.")] = True,
    again: Annotated[bool, typer.Option("--again", help="Ask for segments that you have decided, too.")] = False,
    progress: ProgressOption = "none",
) -> None:
    """Decide doubtful segments yourself: each is played and shown, a key decides. Go on later where you stopped."""
    from sedtalker.batch.cases import Describer, decision
    from sedtalker.cli.keys import read_key
    from sedtalker.review.deciders import Person
    from sedtalker.review.decisions import append_decision, decisions_file

    name = (who or _login()).strip()
    with ShownProgress(progress) as shown:
        cases = _cases(folder, share, accuracy, by, audio, shown)
        todo = [c for c in cases if again or c.decided is None or not c.decided.by_person]
        describer = Describer(_diarizer()) if any(case.audio for case in todo) else None
    say(
        f"{len(todo)} of {len(cases)} doubtful segments to decide; "
        "1-7 an emotion, Enter agrees, r plays again, s skips, q ends"
    )
    done = 0
    for number, case in enumerate(todo, 1):
        description = describer.describe(case) if describer else _undescribed(case)
        asked = _Asked(case, f"{number}/{len(todo)}", play, read_key)
        person = Person(name, asked)
        answer = person.decide(description, case.candidates)
        if asked.ended:
            break
        if answer.label is not None:
            append_decision(decisions_file(case.track), decision(case, description, answer, person.who))
            done += 1
    print(f"{done} decided")


@app.command()
@fail_clearly
def decide(
    folder: FolderArgument,
    decider: Annotated[Literal["rules", "llm"], typer.Option(help="Who decides.")] = "rules",
    rules: RulesOption = None,
    url: Annotated[
        str | None,
        typer.Option(help="Of a language model's OpenAI-compatible interface, as http://127.0.0.1:11434/v1."),
    ] = None,
    llm_model: Annotated[str | None, typer.Option("--llm-model", help="The model's name there.")] = None,
    share: ShareOption = 0.15,
    accuracy: AccuracyOption = None,
    by: ByOption = "adjusted",
    audio: AudioOption = None,
    quiet: QuietOption = False,
    progress: ProgressOption = "bar",
    as_json: JsonOption = False,
) -> None:
    """Let rules or a language model decide; what a person has decided stays. Only a description in words leaves."""
    from sedtalker.batch.cases import Describer, as_plain_decision, decide_all
    from sedtalker.review.decisions import append_decision, decisions_file

    chosen = _decider(decider, rules, url, llm_model)
    with ShownProgress(progress, quiet) as shown:
        cases = _cases(folder, share, accuracy, by, audio, shown)
        if cases and not any(case.audio for case in cases):
            raise InputError(
                f"{folder}: no recording of these tracks was found, and there is nothing to describe: give --audio"
            )
        made = []
        for case, found in decide_all(cases, chosen, Describer(_diarizer()), shown.hook):
            append_decision(decisions_file(case.track), found)
            made.append((case, found))
    if as_json:
        write_json([as_plain_decision(case, found) for case, found in made])
        return
    print_lines(
        f"{case.recording}  {found.start:.2f}-{found.end:.2f} s  {found.was} -> {found.label or 'as it is'}  "
        f"{found.reason}"
        for case, found in made
    )


@app.command()
@fail_clearly
def apply(
    folder: FolderArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the edited tracks.")],
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the tracks with what was decided; those in FOLDER stay as they are."""
    from sedtalker.batch.cases import reviewed_tracks
    from sedtalker.batch.tracks import stem_of
    from sedtalker.review.decisions import edited
    from sedtalker.storage import check_folder, check_writable

    check_folder(output, force)
    written, changed = [], 0
    for path, track, decided in reviewed_tracks(folder):
        relative = path.relative_to(folder)
        target = output / relative.with_name(stem_of(relative.name) + ".emotion.json")
        check_writable(target, force)
        target.parent.mkdir(parents=True, exist_ok=True)
        edited(track, decided).save(target)
        written.append(str(target))
        changed += sum(d.label not in (None, d.was) for d in decided)
    if not written:
        raise InputError(f"{folder}: nothing was decided yet; sedtalker review ask or decide does")
    if as_json:
        write_json({"tracks": written, "changed": changed})
    else:
        print_lines(written)
        say(f"{changed} segments changed in {len(written)} tracks")


# --- What the commands share.


def _cases(
    folder: Path, share: float, accuracy: float | None, by: Any, audio: Path | None, shown: ShownProgress
) -> list[Case]:
    from sedtalker.batch.cases import Wanted, open_cases

    diarizer = _diarizer() if by == "distance" else None
    return open_cases(folder, Wanted(share, accuracy, by), audio, diarizer, shown.hook)


def _diarizer() -> Diarizer:
    return o.open_diarizer(None, None, 1.0, "auto")


def _decider(name: str, rules: Path | None, url: str | None, model: str | None) -> Decider:
    if name == "llm":
        from sedtalker.review.language_model import LanguageModel

        if not url or not model:
            raise InputError("--decider llm needs --url and --llm-model: nothing is sent anywhere unless you say where")
        return LanguageModel(url, model)
    if url or model:
        raise InputError("--url and --llm-model belong to --decider llm")
    from sedtalker.review.rules import DEFAULT_RULES, read_rules

    return read_rules(rules or DEFAULT_RULES)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise InputError("there is no name of a login: say who you are with --who NAME") from None


def _undescribed(case: Case) -> Description:
    from sedtalker.batch.cases import AS_USUAL
    from sedtalker.review.description import Description

    segment = case.judged.segment
    return Description(AS_USUAL, tuple((label, 0.0) for label in case.candidates), segment.end - segment.start)


class _Asked:
    """Shows a segment, plays it, and takes a key: what ``Person`` asks by."""

    def __init__(self, case: Case, place: str, play: bool, read_key: Any):
        self.case, self.place, self.play, self.read_key, self.ended = case, place, play, read_key, False

    def __call__(self, description: Description, candidates: Sequence[str]) -> Answer:
        from sedtalker.emotion.track import CATEGORIES
        from sedtalker.review.deciders import Answer

        segment = self.case.judged.segment
        say(f"\n{self.place}  {self.case.recording}  {segment.start:.2f}-{segment.end:.2f} s")
        posterior = ", ".join(f"{label} {p:.2f}" for label, p in description.confidence[:3])
        say(f"  the diarizer: {posterior}")
        if self.case.audio is not None:
            say(f"  {description.text()}")
        say("  " + "  ".join(f"{k} {label}" for k, label in enumerate(CATEGORIES, 1)))
        self._sound()
        while True:
            key = self.read_key()
            if key in ("q", "\x1b", ""):
                self.ended = True
                return Answer(None, "ended")
            if key == "r":
                self._sound()
            elif key == "s":
                return Answer(None, "skipped")
            elif key in ("\r", "\n"):
                return Answer(segment.label, "agreed")
            elif key in "1234567":
                return Answer(CATEGORIES[int(key) - 1], "by a key")

    def _sound(self) -> None:
        if not self.play or self.case.audio is None:
            return
        from sedtalker.audio import SAMPLE_RATE, load_audio
        from sedtalker.live.microphone import Loudspeaker

        segment = self.case.judged.segment
        part = slice(round(segment.start * SAMPLE_RATE), round(segment.end * SAMPLE_RATE))
        try:
            speaker = Loudspeaker(load_audio(self.case.audio).samples[part])
            speaker.start()
            time.sleep(segment.end - segment.start + AFTER)
            speaker.close()
        except InputError as error:
            say(f"  not played: {error}")
            self.play = False


def _line(case: Case) -> str:
    segment, doubt = case.judged.segment, case.judged.doubt
    decided = "" if case.decided is None else f"  decided: {case.decided.label or 'as it is'} ({case.decided.who})"
    return (
        f"{case.recording}  {segment.start:.2f}-{segment.end:.2f} s  {', '.join(case.candidates[:3])}  "
        f"margin {doubt.margin:.2f}  entropy {doubt.entropy:.2f}{decided}"
    )


def _plain(case: Case) -> dict[str, Any]:
    segment = case.judged.segment
    return {
        "recording": case.recording,
        "track": str(case.track),
        "audio": None if case.audio is None else str(case.audio),
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "label": segment.label,
        "candidates": list(case.candidates),
        **{name: None if value is None else round(value, 4) for name, value in asdict(case.judged.doubt).items()},
        "decided": None if case.decided is None else asdict(case.decided),
    }
