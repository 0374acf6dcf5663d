"""What is wrong in the words of a command line: one line and exit code 2, whichever command and option it is."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest
import typer
from typer.testing import CliRunner, Result

from sedtalker.cli import options as o
from sedtalker.cli.main import HEADINGS, OPTIONS, app
from sedtalker.cli.options import ORDER, parted
from sedtalker.errors import InputError


def commands(command: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands below a group, with the words that call them."""
    below = getattr(command, "commands", None)
    if below is None:
        yield names, command
        return
    for name, inner in below.items():
        yield from commands(inner, *names, name)


def needed(command: Any) -> list[str]:
    """Words for all that a command insists on."""
    words = list[str]()
    for parameter in command.params:
        if parameter.required:
            words += ["x"] if parameter.param_type_name == "argument" else [parameter.opts[0], "x"]
    return words


def numbers(command: Any) -> list[str]:
    """Names of the options that are floats."""
    given = inspect.signature(command.callback, eval_str=True).parameters.values()
    kinds = {p.name: get_args(p.annotation)[0] for p in given if get_args(p.annotation)}
    floats = {name for name, kind in kinds.items() if float in (kind, *get_args(kind))}
    return [p.opts[0] for p in command.params if p.param_type_name == "option" and p.name in floats]


EVERY = list(commands(typer.main.get_command(app)))
"""The words of each command, and the command."""
FLOATS = [
    pytest.param((*names, *needed(command), option), id=" ".join((*names, option)))
    for names, command in EVERY
    for option in numbers(command)
]
"""Each option that is a number, with the words before its value."""


def refused(*words: str) -> str:
    """The line with which a command line is refused."""
    result: Result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.endswith("\n")
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.stderr


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("words", FLOATS)
def test_no_number_may_be_endless_or_none(words: tuple[str, ...], value: str) -> None:
    assert words[-1] in refused(*words, value)


def test_all_numbers_are_tried() -> None:
    tried = {str(case.id) for case in FLOATS}
    assert {"diarize --look-ahead", "stream --look-ahead", "animate --fps", "mesh register --strength"} <= tried
    assert len(tried) > 40
    assert len(EVERY) > 30


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["animat"], "No such command 'animat'"),
        (["--foo"], "No such option: --foo"),
        (["evaluate", "x"], "No such command 'x'"),
        (["animate", "a.wav", "--fps", "500"], "Invalid value for '--fps'"),
        (["animate", "a.wav", "--fps", "much"], "Invalid value for '--fps'"),
        (["animate", "a.wav", "--renderer", "foo"], "Invalid value for '--renderer': 'foo' is not one of"),
        (["animate", "a.wav", "--fpz", "30"], "No such option: --fpz"),
        (["animate", "a.wav", "b.wav"], "b.wav"),
        (["diarize"], "Missing argument"),
        (["mesh", "register", "a.obj"], "Missing option"),
        (["animate", "a.wav", "--emotion", ""], "nothing is named after --emotion:"),
        (["animate", "a.wav", "--mesh="], "nothing is named after --mesh:"),
        (["diarize", "a.wav", "-o", ""], "nothing is named after -o:"),
        (["mesh", "inspect", ""], "nothing is named after inspect:"),
    ],
)
def test_a_mistyped_command_line_is_one_line(words: list[str], said: str) -> None:
    assert said in refused(*words)


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["--emotion", "hapy:0.8"], "happy"),
        (["--prefer", "sda"], "sad"),
        (["--face", "amra"], "amara"),
        (["--light", "dramtic"], "dramatic"),
        (["--camera", "frnt"], "front"),
        (["--style", "claer"], "clear"),
        (["--gain", "brow=1"], "brows"),
        (["--gain", "jawopen=1"], "jawOpen"),
        (["--to", "gbl"], "glb"),
        (["--encoder", "wisper-base"], "whisper-base"),
        (["--device", "cud"], "cuda"),
        (["--renderer", "num"], "numba"),
        (["--coordinates", "rusel1977"], "russell1977"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(tmp_path: Path, words: list[str], near: str) -> None:
    (tmp_path / "a.wav").touch()
    assert f"did you mean {near}?" in refused("animate", str(tmp_path / "a.wav"), *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["animate", "a.wav", "--mesh", "folder"], "folder is a folder: name a mesh file in it"),
        (["mesh", "inspect", "folder"], "folder is a folder: name a mesh file in it"),
        (["studio", "a.wav", "--mesh", "folder"], "folder is a folder: name a mesh file in it"),
        (["studio", "folder"], "folder is a folder: sedtalker batch takes"),
        (["animate", "a.wav", "--enroll", "folder"], "folder is a folder: --enroll takes recordings"),
        (["diarize", "a.wav", "--enroll", "folder"], "folder is a folder: --enroll takes recordings"),
        (["animate", "a.wav", "--decoder", "folder"], "folder: not a checkpoint folder"),
        (["animate", "a.wav", "--mesh", "a.obj", "--landmarks", "folder"], "folder: is a folder"),
        (["animate", "a.wav", "--mesh", "a.obj", "--rig", "folder"], "folder: no rig: there is no neutral.obj"),
        (["animate", "a.wav", "--mesh", "a.obj", "--rig", "a.wav"], "a.wav: unknown mesh format"),
        (["animate", "a.wav", "--transcript", "folder"], "folder is a folder: --transcript takes a file"),
        (["diarize", "a.wav", "--transcript", "folder"], "folder is a folder: --transcript takes a file"),
        (["studio", "a.wav"], "a.wav: the file is empty"),
        (["studio", "a.txt"], "a.txt: not a readable audio file"),
        (["studio", "a.sedproject"], "a.sedproject: not valid JSON"),
        (["render", "folder.npz"], "folder.npz: is a folder without an animation"),
        (["play", "folder.npz", "--to", "-"], "folder.npz: is a folder without an animation"),
        (["export", "folder.npz", "--to", "glb"], "folder.npz: is a folder without an animation"),
        (["animate", "a.wav", "--frames", "--no-video"], "choose one of --frames and --no-video"),
    ],
)
def test_what_means_nothing_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.wav").touch()
    Path("a.obj").touch()
    for name in ("a.txt", "a.sedproject"):
        Path(name).write_text("no sound\n", encoding="utf-8")
    for name in ("folder", "folder.npz"):
        Path(name).mkdir()
    assert said in refused(*words)


@pytest.mark.parametrize("command", [["animate"], ["diarize"], ["mesh", "inspect"], ["render"]])
@pytest.mark.parametrize("name", ["-dash.wav", "--two.wav"])
def test_a_file_whose_name_begins_with_a_dash_is_known_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    assert f"(for the file {name}, write ./{name})" in refused(*command, name)


def test_a_group_without_a_command_shows_its_help() -> None:
    for words in ([], ["evaluate"]):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 2
        assert "Usage:" in result.output
        assert "error:" not in result.output


def test_a_help_of_many_options_is_grouped_and_leaves_none_out() -> None:
    animate = next(command for names, command in EVERY if names == ("animate",))
    headings = [getattr(p, "rich_help_panel", None) for p in animate.params if p.param_type_name == "option"]
    changes = [heading for heading, before in zip(headings, [0, *headings], strict=False) if heading != before]
    assert changes == [None, "Face", "Speakers", "Emotion", "Motion", "Words", "Video", "Files"], (
        "each group once, in this order"
    )
    assert headings.count(None) <= 6
    small = next(command for names, command in EVERY if names == ("play",))
    assert not any(getattr(p, "rich_help_panel", None) for p in small.params)


def test_every_name_of_the_groups_is_an_option() -> None:
    known = {parameter.name for _, command in EVERY for parameter in command.params}
    listed = [name for names in HEADINGS.values() for name in names.split()]
    assert set(OPTIONS) <= known
    assert len(listed) == len(set(listed))


def test_a_missing_recording_is_named_before_results_that_exist(tmp_path: Path) -> None:
    results = tmp_path / "out"
    results.mkdir()
    for suffix in (".mp4", ".npz", ".glb", ".emotion.json"):
        (results / f"gone{suffix}").touch()
    assert "gone.wav: no such file" in refused("animate", str(tmp_path / "gone.wav"), "-o", str(results))


@pytest.mark.parametrize("command", ["animate", "stream", "live"])
@pytest.mark.parametrize(("name", "force"), [("kept.json", False), ("voice.wav", False), ("voice.wav", True)])
def test_a_preset_replaces_neither_files_nor_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, name: str, force: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("kept.json", "voice.wav"):
        Path(file).write_text("theirs")
    target = ["--to", "-"] if command == "live" else []
    said = refused(command, "voice.wav", "--save-preset", name, *target, *["--force"] * force)
    assert ("reads this file" if name == "voice.wav" else "use --force") in said
    assert Path(name).read_text() == "theirs"


def test_a_folder_in_the_place_of_a_recording_is_for_batch(tmp_path: Path) -> None:
    assert "sedtalker batch takes all recordings in it" in refused("animate", str(tmp_path))


@pytest.mark.parametrize(
    ("order", "face", "mesh", "others"),
    [
        (["face", "mesh"], "amara", None, ["walter", "a.obj", "mei"]),
        (["mesh", "face"], None, Path("a.obj"), ["amara", "walter", "mei"]),
    ],
)
def test_faces_after_the_first_are_those_of_others(
    order: list[str], face: str | None, mesh: Path | None, others: list[str]
) -> None:
    context = cast("typer.Context", SimpleNamespace(meta={ORDER: order}))
    given = {"face": ["amara", "walter"], "mesh": [Path("a.obj")], "speakers": "auto", "others": ["mei"]}
    found = parted(given, context)
    assert (found.get("face"), found.get("mesh"), found["others"]) == (face, mesh, others)
    assert parted({"face": ["amara"], "mesh": None, "speakers": None, "others": None}, context)["face"] == "amara"
    with pytest.raises(InputError, match="several faces need --speakers"):
        parted({"face": ["amara", "mei"], "mesh": None, "speakers": None, "others": None}, context)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the last ``animate`` would have worked with; it saves its preset and stops."""
    held: dict[str, Any] = {}

    def stop(context: typer.Context, settings: Any) -> Any:
        o.save_preset(context, context.params["save_preset"])
        held.update(vars(settings))
        raise InputError("enough")

    monkeypatch.setattr("sedtalker.cli.animate.check_speakers", stop)
    return held


def test_a_preset_finds_its_files_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    for place in ("show/heads", "presets", "elsewhere"):
        (tmp_path / place).mkdir(parents=True)
    files = ("heads/head.obj", "heads/marks.json", "soft.json", "joy.emotion.json", "a.wav", "b.wav", "back.png")
    for name in files:
        (tmp_path / "show" / name).touch()
    monkeypatch.chdir(tmp_path / "show")
    words = ["--mesh", "heads/head.obj", "--landmarks", "heads/marks.json", "--light", "soft.json", "--enroll", "a.wav"]
    words += ["--enroll", str(tmp_path / "show" / "b.wav"), "--emotion", "joy.emotion.json", "--background", "back.png"]
    (tmp_path / "presets" / "russell1977").mkdir()  # a folder is no file of coordinates
    words += [
        "--coordinates",
        "russell1977",
        "--decoder",
        "whisper-base",
        "--camera",
        "left",
        "--save-preset",
        "../presets/p.json",
    ]
    CliRunner().invoke(app, ["animate", "x.wav", *words])
    saved = json.loads((tmp_path / "presets" / "p.json").read_text())
    assert saved["mesh"] == "../show/heads/head.obj"
    assert saved["enroll"] == ["../show/a.wav", "../show/b.wav"]
    assert (saved["light"], saved["decoder"], saved["camera"]) == ("../show/soft.json", "whisper-base", "left")
    monkeypatch.chdir(tmp_path / "elsewhere")
    refused("animate", "x.wav", "--preset", "../presets/p.json")
    here = (tmp_path / "show").resolve()
    named = [given["mesh"], given["landmarks"], *given["enroll"]]
    named += [Path(given[name]) for name in ("light", "emotion", "background")]
    expected = ("heads/head.obj", "heads/marks.json", "a.wav", "b.wav", "soft.json", "joy.emotion.json", "back.png")
    assert [path.resolve() for path in named] == [here / name for name in expected]
    assert given["coordinates"] == "russell1977"
    assert (given["decoder"], given["camera"]) == (Path("whisper-base"), "left")


def test_a_head_on_the_command_line_takes_the_place_of_that_of_a_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("head.obj", "other.obj", "marks.json"):
        Path(name).touch()
    Path("face.json").write_text('{"face": "walter", "intensity": 1.2}')
    Path("mesh.json").write_text('{"mesh": "head.obj", "landmarks": "marks.json", "mesh_head": 2, "mouth": "keep"}')
    words = ["--preset", "face.json", "--mesh", "head.obj", "--save-preset", "new.json"]
    CliRunner().invoke(app, ["animate", "x.wav", *words])
    assert (given["mesh"], given["face"], given["intensity"]) == (Path("head.obj"), None, 1.2)
    assert json.loads(Path("new.json").read_text()) == {"mesh": "head.obj", "intensity": 1.2}
    refused("animate", "x.wav", "--preset", "mesh.json", "--face", "amara")
    assert [given[name] for name in ("mesh", "face", "landmarks", "mesh_head", "mouth")] == [
        None,
        "amara",
        None,
        None,
        "auto",
    ]
    refused("animate", "x.wav", "--preset", "mesh.json", "--mesh", "other.obj")
    assert [given[name] for name in ("mesh", "landmarks", "mesh_head", "mouth")] == [
        Path("other.obj"),
        None,
        None,
        "keep",
    ]
    refused("animate", "x.wav", "--preset", "face.json", "--mesh", "head.obj", "--face", "amara")
    assert (given["mesh"], given["face"]) == (Path("head.obj"), "amara")  # refused later, as without a preset
