"""The ``sedtalker`` command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from sedtalker.animation.option_fields import declared
from sedtalker.animation.performance import Performance, StreamSettings
from sedtalker.cli import checkpoint, data, evaluate, face, mesh
from sedtalker.cli.adapt import adapt, style
from sedtalker.cli.animate import animate
from sedtalker.cli.batch import batch
from sedtalker.cli.console import say
from sedtalker.cli.diarize import diarize
from sedtalker.cli.export import export, visemes
from sedtalker.cli.live import live, play, stream
from sedtalker.cli.render import compare, render
from sedtalker.cli.report import report, search
from sedtalker.cli.say import say as say_text
from sedtalker.cli.serve import serve, studio
from sedtalker.cli.train import train
from sedtalker.errors import one_line
from sedtalker.version import __version__


class OneLineGroup(TyperGroup):
    """All commands. Usage errors are printed as one line, as errors in files are."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the words before the command."""
        with _usage_in_one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        """Find the command, read the words after it, run it."""
        with _usage_in_one_line():
            return super().invoke(*args, **kwargs)


@contextmanager
def _usage_in_one_line() -> Iterator[None]:
    """Say in a line what click would show in a box; the help that stands for no command at all stays as it is."""
    try:
        yield
    except Exception as error:
        # By its name: typer has a click of its own from 0.25 on.
        if not hasattr(error, "format_message") or type(error).__name__ == "NoArgsIsHelpError":
            raise
        context = getattr(error, "ctx", None)
        more = f" (`{context.command_path} --help` says what it takes)" if context else ""
        say(f"error: {one_line(error.format_message())}{more}")
        raise typer.Exit(getattr(error, "exit_code", 2)) from None


GROUPED_FROM = 20
"""Options that a command has at least where its help groups them."""
HEADINGS: dict[str, str] = {
    "Face": "",
    "Speakers": "",
    "Emotion": "fine fine_model fine_encoder fine_share",
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
        if len(self.params) < GROUPED_FROM:
            return
        place = {title: k for k, title in enumerate(HEADINGS, 1)}
        for parameter in self.params:
            if parameter.param_type_name == "option" and parameter.name in OPTIONS:
                parameter.rich_help_panel = OPTIONS[parameter.name]  # type: ignore[attr-defined]
        self.params.sort(key=lambda parameter: place.get(getattr(parameter, "rich_help_panel", None) or "", 0))


app = typer.Typer(
    name="sedtalker",
    cls=OneLineGroup,
    help="Speech in, an emotional talking 3D face out.",
    epilog="Begin with: sedtalker animate speech.wav, then sedtalker studio speech.wav. COMMAND --help says the rest.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PANELS = {
    "Speech to face": (animate, say_text, studio, diarize, adapt, batch, report, search),
    "Live and for other programs": (live, play, stream, serve),
    "Files": (export, render, visemes, compare, style),
    "Train and measure": (train,),
}
"""The commands, as the help groups them."""
for panel, commands in PANELS.items():
    for command in commands:
        app.command(cls=GroupedCommand, rich_help_panel=panel)(command)
app.add_typer(evaluate.app, name="evaluate", rich_help_panel="Train and measure")
app.add_typer(checkpoint.app, name="checkpoint", rich_help_panel="Train and measure")
app.add_typer(data.app, name="data", rich_help_panel="Train and measure")
app.add_typer(face.app, name="face", rich_help_panel="Files")
app.add_typer(mesh.app, name="mesh", rich_help_panel="Files")
app.add_typer(checkpoint.models_app, name="models", rich_help_panel="Train and measure")


def _version(value: bool) -> None:
    if value:
        print(f"sedtalker {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Speech in, an emotional talking 3D face out."""
