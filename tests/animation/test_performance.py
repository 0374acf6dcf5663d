"""Options are declared once: whoever takes some has the same names, defaults and ranges, or a reason why not."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
import typer
from pydantic import TypeAdapter
from typer.testing import CliRunner

from sedtalker.animation.option_fields import Option, declared, listed, not_offered, read_factors, with_options
from sedtalker.animation.performance import LABELS, LiveMotion, Motion, Performance, StreamSettings
from sedtalker.batch.settings import BatchSettings
from sedtalker.cli.animate import animate
from sedtalker.cli.batch import batch
from sedtalker.cli.live import live, stream
from sedtalker.cli.options import Run, takes_options
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.server.options import AnimateOptions, StreamHello, parsed
from sedtalker.studio.document import ClipSettings as StudioSettings
from sedtalker.studio.document import checked_settings
from sedtalker.studio.state import options_state

SCHEMAS = (BatchSettings, AnimateOptions, StreamHello, StudioSettings, StreamSettings)
"""Every class of options."""
COMMANDS = {"animate": (animate, Performance), "batch": (batch, Performance), "stream": (stream, StreamSettings)}
"""Commands, and what they take the options of."""


@dataclass(frozen=True)
class More(Motion):
    """What somebody adds."""

    calm: Annotated[float, Option("Motion", "How calm.", 0.0, 1.0)] = 0.5
    marks: Annotated[tuple[str, ...], Option("Files", "Marks.", read=listed)] = ()


SHOWN: list[More] = []
"""What ``show`` was given."""


@takes_options(without=("fps",))
def show(context: typer.Context, options: More = More()) -> None:
    SHOWN.append(options)


def flags(command: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(command, eval_str=True).parameters)


@takes_options(only="trust light", without=("force",))
def take_few(
    size: int = 3, options: Performance = Performance(), run: Run = Run(progress="none")
) -> tuple[int, Performance, Run]:
    return size, options, run


def test_a_command_takes_a_few_options_beside_its_own_of_the_same_names() -> None:
    """``size`` is an option of ``Performance``, too; a default given in the signature is the flag's."""
    assert list(flags(take_few)) == ["size", "trust", "light", "quiet", "progress", "as_json"]
    assert flags(take_few)["progress"].default == "none"
    size, options, run = take_few(size=5, trust=0.5, light="soft", quiet=True, progress="json", as_json=False)
    assert (size, options, run) == (5, Performance(trust=0.5, light="soft"), Run(quiet=True, progress="json"))


@pytest.mark.parametrize(("command", "options"), [*COMMANDS.values(), (live, StreamSettings)])
def test_a_command_has_a_flag_for_each_option_or_a_reason(command: Any, options: type) -> None:
    missing = {name for name in declared(options) if name not in flags(command)}
    assert missing == (not_offered("batch") if command is batch else set())


@pytest.mark.parametrize("name", declared(Performance))
def test_flags_have_the_ranges_and_defaults_that_are_declared(name: str) -> None:
    _, option, default = declared(Performance)[name]
    flag = flags(animate)[name]
    shown = get_args(flag.annotation)[1]
    assert (shown.min, shown.max) == (option.least, option.most)
    assert shown.help.startswith(option.help)
    assert flag.default == (None if default in ((), {}) else default)


def test_all_others_have_every_option_or_a_reason() -> None:
    assert declared(Motion).keys() - declared(StreamSettings).keys() == not_offered("stream")
    for where, schema in (("server", AnimateOptions), ("studio", StudioSettings)):
        assert declared(Performance).keys() - {held.name for held in fields(schema)} == not_offered(where)
    assert declared(Performance).keys() == declared(BatchSettings).keys() - {"only", "words_beside"}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_options_of_one_name_are_the_same_everywhere(schema: type) -> None:
    everything = declared(Performance) | declared(StreamSettings)
    for name, (_, option, default) in declared(schema).items():
        if name in everything and name != "fps":
            assert (option, default) == (everything[name].option, everything[name].default)
    motion = LiveMotion if schema in (StreamHello, StreamSettings) else Motion
    assert declared(motion).keys() <= declared(schema).keys()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_schemas_refuse_what_is_out_of_range(schema: type) -> None:
    for name, (_, option, _) in declared(schema).items():
        for bound, outside in ((option.least, -1), (option.most, 1)):
            if bound is not None:
                assert getattr(parsed(schema, {name: bound}, "options"), name) == bound
                with pytest.raises(InputError, match=f"options: {name}: "):
                    parsed(schema, {name: bound + outside}, "options")
    for strange in ({"intensty": 1}, {"intensity": float("nan")}, {"intensity": "much"}):
        with pytest.raises(InputError, match="inten"):
            parsed(schema, strange, "options")


@pytest.mark.parametrize("kind", [LiveMotion, Motion, StreamSettings, Performance])
def test_python_takes_no_number_out_of_range(kind: type) -> None:
    for name, about in declared(kind).items():
        least, most = about.option.least, about.option.most
        if least is None or most is None:
            continue
        assert {getattr(kind(**{name: value}), name) for value in (least, most)} == {least, most}
        for beyond in (least - 1, most + 1, float("nan")):
            with pytest.raises(InputError, match=f"{name}: .* does not lie between"):
                kind(**{name: beyond}).check_names()


def test_the_page_of_the_studio_gets_defaults_and_ranges() -> None:
    sent = options_state()["settings"]
    assert sent.keys() == {held.name for held in fields(StudioSettings)}
    assert sent["eye_contact"] == {
        **{"default": 0.7, "least": 0.0, "most": 1.0},
        "help": declared(Motion)["eye_contact"].option.help,
    }


def test_a_new_option_is_one_field() -> None:
    app = typer.Typer()
    app.command()(show)
    words = [
        "--calm",
        "0.25",
        "--marks",
        "a",
        "--marks",
        "b",
        "--gain",
        "brows=1.5",
        "--gain",
        "jawOpen=.5",
        "--no-head",
    ]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert CliRunner().invoke(app, ["--calm", "2"]).exit_code == 2
    assert CliRunner().invoke(app, ["--fps", "25"]).exit_code == 2
    assert [More(calm=0.25, marks=("a", "b"), gain={"brows": 1.5, "jawOpen": 0.5}, head=False)] == SHOWN
    schema = TypeAdapter(More).json_schema()["properties"]["calm"]
    assert (schema["minimum"], schema["maximum"], schema["default"]) == (0.0, 1.0, 0.5)
    assert schema["description"] == "How calm."


def test_texts_of_several_values() -> None:
    assert listed("a; b;") == ("a", "b")
    assert (listed(None), listed(Path("a"))) == ((), (Path("a"),))
    assert read_factors("brows=1.2;jawOpen=.5") == {"brows": 1.2, "jawOpen": 0.5}
    assert read_factors({"brows": 1.2}) == {"brows": 1.2}
    with pytest.raises(InputError, match="'brows' is not NAME=NUMBER"):
        read_factors(["brows"])
    examples = {"gain": "brows=1.3", "offset": "lids=0.1", "limit": "jawOpen=0.6", "smooth": "upper=0.2"}
    for name, example in examples.items():
        about = declared(Performance)[name].option
        assert about.read is not None
        assert example in about.help
        with pytest.raises(InputError, match=f"'{name}=abc' is not NAME=NUMBER, for example {example}"):
            about.read([f"{name}=abc"])
        Performance(**{name: about.read([example])}).check_names()


def test_help_names_the_categories() -> None:
    assert LABELS.split(", ") == list(CATEGORIES)


def test_a_project_of_an_older_version_has_its_gains() -> None:
    older = checked_settings({"regions": {"brows": 1.5, "nose": 1.0}, "shapes": {"jawOpen": 0.5}})
    assert older.gain == {"brows": 1.5, "jawOpen": 0.5}


def test_a_misspelt_option_is_answered_with_the_nearest() -> None:
    def animator(emotion: str, motion: Motion, **options: float) -> None: ...

    assert with_options(Motion(), {"intensity": 1.4}, animator) == Motion(intensity=1.4)
    with pytest.raises(InputError, match=r"no option 'emotoin': did you mean emotion or motion"):
        with_options(Motion(), {"emotoin": "happy"}, animator)
    with pytest.raises(InputError, match="no option 'intensty': did you mean intensity"):
        with_options(Motion(), {"intensty": 2.0}, animator)
    with pytest.raises(InputError, match="no option 'optins'") as caught:
        with_options(Motion(), {"optins": 2.0}, animator)
    assert "options" not in str(caught.value)
