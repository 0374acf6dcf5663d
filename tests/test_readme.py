"""README and the pages for Python: every command is one, every file exists, every recipe runs."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import soundfile
import typer

from sedtalker.cli.main import app

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SAMPLES = ROOT / "data" / "samples"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NOT_RUN = {
    "hf:OWNER/NAME": "asks the network",
    "studio": "serves until it is ended; started in tests/studio/browser",
    "live": "listens to a microphone until it is ended; started in tests/live",
    "serve": "serves until it is ended; started in tests/server",
    "train": "trains; its config is composed in tests/training",
    "evaluate": "needs the training data",
}
"""Words of commands that are checked and not run."""


OTHERS = {"--nproc-per-node", "--streams", "--help", "--rhubarb", "--wlipsync-profile"}
"""Options of other programs and of scripts."""


def blocks(page: Path, *languages: str) -> list[str]:
    """Code between fences of one of the languages; ``""`` where none is named."""
    found = re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [code for language, code in found if language in languages]


def commands(page: Path) -> list[list[str]]:
    """Words of every ``sedtalker`` command of a page's shell blocks; of a pipe, its part that is ours."""
    found = []
    for block in blocks(page, "sh", ""):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"\s\|\s", line.partition(" # ")[0].partition(" #")[0]):
                if part.strip().startswith("sedtalker "):
                    found.append(shlex.split(part, comments=True))
    return found


def inline_commands(page: Path) -> Iterator[list[str]]:
    """Words of the commands named in the text: `sedtalker mesh inspect`, without their options."""
    for words in re.findall(r"`sedtalker ([a-z][^`]*)`", page.read_text(encoding="utf-8")):
        yield ["sedtalker", *words.split()]


@cache
def program() -> typer.core.TyperCommand:
    """The command line as click sees it."""
    return typer.main.get_command(app)


def command_of(words: list[str]) -> tuple[typer.core.TyperCommand, list[str]]:
    """The command that words name, and the words after its name."""
    command, rest = program(), words[1:]
    context = typer.Context(command)
    while hasattr(command, "get_command"):
        assert rest, f"{shlex.join(words)}: a group is no command"
        found = command.get_command(context, rest[0])
        assert found is not None, f"{shlex.join(words)}: no command {rest[0]}"
        command, rest = found, rest[1:]
    return command, rest


ALL = [(page.name, words) for page in PAGES for words in commands(page)]


@pytest.mark.parametrize(("page", "words"), ALL, ids=[f"{p}: {shlex.join(w)[10:70]}" for p, w in ALL])
def test_every_command_is_understood(page: str, words: list[str]) -> None:
    command, rest = command_of(words)
    command.make_context(command.name, rest)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_exist(page: Path) -> None:
    for words in inline_commands(page):
        names = [word for word in words if not word.startswith("-")]
        command = program()
        for name in names[1:]:
            if not hasattr(command, "get_command"):
                break
            command = command.get_command(typer.Context(command), name)
            assert command is not None, shlex.join(words)


def every_option() -> set[str]:
    """Options of all commands."""
    found: set[str] = set()

    def look(command: typer.core.TyperCommand) -> None:
        found.update(option for p in command.params for option in (*p.opts, *p.secondary_opts))
        for inner in getattr(command, "commands", {}).values():
            look(inner)

    look(program())
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_in_the_text_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`(--[a-z][a-z-]+)(?:[ =][^`]*)?`", text))
    assert named - every_option() - OTHERS == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_named_exists(page: Path) -> None:
    """Links, and files of the repository in backticks."""
    text = page.read_text(encoding="utf-8")
    missing = []
    for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
        if link.startswith("reference/"):
            continue  # generated
        if not (page.parent / link).exists():
            missing.append(link)
    roots = ("sedtalker/", "scripts/", "docs/", "configs/", "tests/", "checkpoints/", "render/", "data/samples/")
    inside = ("animation/", "face/", "training/", "emotion/", "mesh/", "speech/", "export/")
    for name in re.findall(r"`(?:python )?([\w./-]+/[\w./-]*)[^`]*`", text):
        if name.startswith(roots) and not (ROOT / name).exists():
            missing.append(name)
        if name.startswith(inside) and name.endswith(".py") and not (ROOT / "sedtalker" / name).exists():
            missing.append(name)
    assert missing == []


def test_the_readme_names_the_licence_of_every_set_of_weights() -> None:
    section = re.sub(r"[\s-]+", " ", README.read_text(encoding="utf-8").split("## Licence\n")[1])
    licences = {json.loads(p.read_text())["licence"] for p in ROOT.glob("checkpoints/*/config.json")}
    assert [name for name in licences if name.replace("-", " ") not in section] == []
    assert ("non commercial" in section) == any("-NC-" in name for name in licences)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_named_exists(page: Path) -> None:
    for name in set(re.findall(r"`(sedtalker(?:\.\w+)+)`", page.read_text(encoding="utf-8"))):
        try:
            found = importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:
            found = False
        home, _, noun = name.rpartition(".")
        assert found or hasattr(importlib.import_module(home), noun), name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the pages speak of."""
    samples, rate = soundfile.read(SAMPLES / "four_moods.wav", dtype="float32")
    for name, start in (("speech", 3.0), ("other1", 6.0), ("other2", 9.0), ("talk", 5.0)):
        soundfile.write(tmp_path / f"{name}.wav", samples[int(start * rate) : int((start + 2.0) * rate)], rate)
    shutil.copy(SAMPLES / "head.obj", tmp_path / "head.obj")
    (tmp_path / "edited.emotion.json").write_text('[{"start": 0.3, "end": 1.8, "label": "happy", "intensity": 0.9}]')
    return tmp_path


@pytest.fixture(scope="module")
def animated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An animation of the clip, small and without a video."""
    samples, rate = soundfile.read(SAMPLES / "four_moods.wav", dtype="float32")
    folder = tmp_path_factory.mktemp("animated")
    soundfile.write(folder / "speech.wav", samples[int(3.0 * rate) : int(5.0 * rate)], rate)
    run(["sedtalker", "animate", "speech.wav", "--no-video"], folder)
    return folder / "speech"


def run(words: list[str], folder: Path, sound: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([sys.executable, "-m", *words], cwd=folder, input=sound, capture_output=True)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stderr.decode()[-2000:]}"
    return done


@pytest.mark.slow
@pytest.mark.parametrize("words", commands(README), ids=lambda words: shlex.join(words)[10:70])
def test_every_command_of_the_readme_runs(words: list[str], folder: Path, animated: Path) -> None:
    reasons = [reason for word, reason in NOT_RUN.items() if word in words]
    if reasons:
        pytest.skip(reasons[0])
    if "speech/speech.npz" in words:
        shutil.copytree(animated, folder / "speech")
    if "recordings" in words:
        (folder / "recordings").mkdir()
        for number in range(5 if "adapt" in words else 1):
            shutil.copy(folder / "speech.wav", folder / "recordings" / f"speech{number}.wav")
    if "labels.csv" in words:
        rows = "".join(f"speech{number}.wav,{label}\n" for number, label in enumerate(("happy", "sad")))
        (folder / "labels.csv").write_text(f"file,label\n{rows}")
    for name in ("a.npz", "b.npz"):
        if name in words:
            shutil.copy(animated / "speech.npz", folder / name)
    if "usd" in words:
        pytest.importorskip("pxr", reason="usd-core is not installed")
    sound = (folder / "speech.wav").read_bytes() if "-" in words else None
    assert run(words, folder, sound).stdout


def test_the_commands_of_the_readme_can_run_one_after_the_other() -> None:
    """Results are not overwritten without ``--force``, so no two recordings may go to one folder."""
    places = []
    for words in commands(README):
        if words[1] == "animate" and "--force" not in words:
            named = [words[words.index(option) + 1] for option in ("-o", "--output") if option in words]
            places.append(named[0] if named else Path(words[2]).stem)
    assert len(places) > 5
    assert len(places) == len(set(places))


RECIPES = [
    *[(f"python.md {number + 1}", code) for number, code in enumerate(blocks(ROOT / "docs" / "python.md", "python"))],
    *[("README", code) for code in blocks(README, "python")],
]


@pytest.mark.slow
@pytest.mark.parametrize("code", [code for _, code in RECIPES], ids=[name for name, _ in RECIPES])
def test_every_recipe_runs(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def microphone() -> Iterator[object]:
        samples, _ = soundfile.read(folder / "speech.wav", dtype="float32")
        for start in range(0, len(samples), 1600):
            yield samples[start : start + 1600]

    monkeypatch.chdir(folder)
    exec(compile(code, "recipe", "exec"), {"microphone": microphone, "__name__": "recipe"})


def test_there_are_ten_recipes() -> None:
    assert len(blocks(ROOT / "docs" / "python.md", "python")) == 10
