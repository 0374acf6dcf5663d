"""The ``sedtalker`` command."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from sedtalker.animation.option_fields import declared
from sedtalker.animation.performance import Performance, StreamSettings
from sedtalker.cli.console import say
from sedtalker.errors import meant, one_line
from sedtalker.plugins import load
from sedtalker.reading import is_file
from sedtalker.version import __version__


class OneLineGroup(TyperGroup):
    """All commands. Usage errors are printed as one line, as errors in files are."""

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **kwargs: Any) -> Any:
        """Read the words before the command; an empty one, which as a path is the working folder, is refused."""
        self.words = tuple(args)
        for before, word in pairwise((info_name or "", *args)):
            if not word or (word.startswith("--") and word.endswith("=")):
                after = word.removesuffix("=") or before
                say(one_line(f"error: nothing is named after {after}: name what is meant, or leave it out"))
                raise typer.Exit(2)
        with _usage_in_one_line(self.words):
            return super().make_context(info_name, args, *more, **kwargs)

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        """Find the command, read the words after it, run it."""
        with _usage_in_one_line(self.words):
            return super().invoke(*args, **kwargs)


@contextmanager
def _usage_in_one_line(words: Sequence[str]) -> Iterator[None]:
    """Say in a line what click would show in a box, and which of the words is a file that it took for options; the help
    that stands for no command at all stays as it is.
    """
    try:
        yield
    except Exception as error:
        # By its name: typer has a click of its own from 0.25 on.
        if not hasattr(error, "format_message") or type(error).__name__ == "NoArgsIsHelpError":
            raise
        context = getattr(error, "ctx", None)
        more = f" (`{context.command_path} --help` says what it takes)" if context else ""
        if dashed := next((word for word in words if word.startswith("-") and is_file(Path(word))), None):
            more = f" (for the file {dashed}, write ./{dashed})"
        said = error.format_message().replace(": Value error, ", ": ")  # pydantic's own words
        # of commands and options click itself says what comes near, of choices it does not
        if wrong := re.search("'([^']*)' is not one of (.*)", said):
            near = meant(wrong[1], re.findall("'(.*?)'", wrong[2]), 1)
            said = said.replace("is not one of", f"is unknown: {near} Use one of") if near else said
        say(f"error: {one_line(said + more)}")
        raise typer.Exit(getattr(error, "exit_code", 2)) from None


HEADINGS: dict[str, str] = {
    "Face": "",
    "Speakers": "",
    "Emotion": "fine fine_model fine_share",
    "Motion": "performance",
    "Words": "words_beside visemes viseme_set",
    "Video": "frames",
    "Files": "output only plot force preset save_preset project",
    "Time": "delay speak speaker stream",
}
"""The headings, and options below them that are of one command; those that are declared say theirs themselves."""
OPTIONS: dict[str, str] = {
    **{name: title for title, names in HEADINGS.items() for name in names.split()},
    **{
        name: about.option.part
        for options in (StreamSettings, Performance)
        for name, about in declared(options).items()
    },
}
"""The heading of each option; the others come first, under none."""


class GroupedCommand(TyperCommand):
    """A command. Where it has many options, its help groups them by what they are about."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if len(self.params) < 20:  # few options need no headings
            return
        place = {title: k for k, title in enumerate(HEADINGS, 1)}
        for parameter in self.params:
            if parameter.param_type_name == "option" and parameter.name in OPTIONS:
                parameter.rich_help_panel = OPTIONS[parameter.name]  # type: ignore[attr-defined]
        self.params.sort(key=lambda parameter: place.get(getattr(parameter, "rich_help_panel", None) or "", 0))


PANELS: dict[str, dict[str, str]] = {
    "Speech to face": {
        "animate": "sedtalker.cli.animate:animate",
        "say": "sedtalker.cli.say:say",
        "studio": "sedtalker.cli.serve:studio",
        "diarize": "sedtalker.cli.diarize:diarize",
        "adapt": "sedtalker.cli.adapt:adapt",
        "batch": "sedtalker.cli.batch:batch",
    },
    "Live and for other programs": {
        "live": "sedtalker.cli.live:live",
        "play": "sedtalker.cli.live:play",
        "stream": "sedtalker.cli.live:stream",
        "serve": "sedtalker.cli.serve:serve",
    },
    "Files": {
        "export": "sedtalker.cli.export:export",
        "render": "sedtalker.cli.render:render",
        "visemes": "sedtalker.cli.export:visemes",
        "compare": "sedtalker.cli.render:compare",
        "style": "sedtalker.cli.adapt:style",
        "face": "sedtalker.cli.face:app",
        "mesh": "sedtalker.cli.mesh:app",
    },
    "Train and measure": {
        "train": "sedtalker.cli.adapt:train",
        "evaluate": "sedtalker.cli.evaluate:app",
        "checkpoint": "sedtalker.cli.checkpoint:app",
        "data": "sedtalker.cli.data:app",
        "models": "sedtalker.cli.checkpoint:models_app",
    },
}
"""The commands and groups of commands, as the help groups them: ``module:object`` by name."""


def application(word: str = "") -> typer.Typer:
    """The command with the one of its commands that is called ``word``, where one is, or with all.

    To make all of them takes longer than many a command.
    """
    return _application(word if any(word in places for places in PANELS.values()) else "")


@cache
def _application(only: str) -> typer.Typer:
    made = typer.Typer(
        name="sedtalker",
        cls=OneLineGroup,
        help="Speech in, an emotional talking 3D face out.",
        epilog="Begin with: sedtalker animate speech.wav, then sedtalker studio speech.wav. "
        "COMMAND --help says the rest.",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for panel, places in PANELS.items():
        for name, place in places.items():
            if only not in ("", name):
                continue
            part = load(place)
            if isinstance(part, typer.Typer):
                made.add_typer(part, name=name, rich_help_panel=panel)
            else:
                made.command(name, cls=GroupedCommand, rich_help_panel=panel)(part)
    made.callback()(main)
    return made


def __getattr__(name: str) -> typer.Typer:
    """``app``: all of it, for programs and tests."""
    if name == "app":
        return application()
    raise AttributeError(name)


def _version(value: bool) -> None:
    if value:
        print(f"sedtalker {__version__}")
        raise typer.Exit


def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Speech in, an emotional talking 3D face out."""
