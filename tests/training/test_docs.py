"""Every command of the training pages: those a fresh user begins with are run, the others checked or cut short."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sedtalker.cli.main import app
from sedtalker.training.run import compose
from tests.training.tasks.test_personal_decoder import takes  # noqa: F401
from tests.training.tasks.test_vertex_decoder import environment

ROOT = Path(__file__).parents[2]
BEGINNING = "From nothing"
SHORT = ["debug=fast", "trainer.pictures=false"]
CUT = {"vertex_decoder": ["task.crops=2", "task.valid=2"], "personal_decoder": ["task.crops=2"]}


def commands(page: str) -> list[tuple[str, list[str]]]:
    """(section, words) of every line in the page's ``sh`` blocks, continued lines joined, comments dropped."""
    found, section = [], ""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for part in re.finditer(r"^## (?P<title>[^\n]+)$|^```sh\n(?P<block>.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if part["title"]:
            section = part["title"]
            continue
        for line in part["block"].replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                found.append((section, words))
    return found


ALL = [(section, words) for section, words in commands("training.md")]


def run(words: list[str], folder: Path) -> str:
    command = [sys.executable, "-m", *words] if words[0] == "sedtalker" else words
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.parametrize("words", [words for _, words in ALL], ids=[shlex.join(words)[:70] for _, words in ALL])
def test_every_command_is_one(words: list[str]) -> None:
    if words[0] == "python":
        assert (ROOT / words[1]).is_file()
        return
    if words[0] == "tensorboard":
        return
    assert words[0] == "sedtalker"
    command = typer.main.get_command(app)
    context, rest = typer.Context(command), words[1:]
    while hasattr(command, "get_command"):
        command = command.get_command(context, rest[0])
        assert command is not None, words
        rest = rest[1:]
    parsed = command.make_context(command.name, rest)
    if command.name == "train":
        overrides = parsed.params["overrides"]
        if not parsed.params["multirun"]:
            assert compose(overrides)["trainer"]["run_dir"]


@pytest.mark.training
def test_a_fresh_user_gets_a_decoder_that_beats_a_still_face(tmp_path: Path) -> None:
    first = [words for section, words in ALL if section == BEGINNING]
    assert len(first) == 5
    (tmp_path / "data").symlink_to(ROOT / "data")
    told = {words[1]: run([*words, f"cache={tmp_path}"] if words[1] == "train" else words, tmp_path) for words in first}
    figures = {name: float(value) for name, value in (line.split() for line in told["evaluate"].splitlines())}
    for measure in ("mve_mm", "lve_mm2", "eve_mm2"):
        assert figures[measure] < figures[f"static_{measure}"]
        assert figures[measure] < figures[f"shuffled_{measure}"]


@pytest.mark.training
def test_the_commands_for_own_data_run(
    miniature_emovoca: Path,
    takes: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "EmoVOCA").symlink_to(miniature_emovoca)
    (tmp_path / "takes").symlink_to(takes)
    for _, words in (row for row in ALL if row[0] != BEGINNING and "train" in row[1]):
        if not {"data=EmoVOCA", "data=takes"} & set(words) or "sedtalker_paper" in " ".join(words):
            continue
        experiment = next(w for w in words if w.startswith("experiment=")).partition("=")[2]
        run([*words, *SHORT, *CUT[experiment], f"cache={tmp_path / 'cache'}"], tmp_path)
    others = [w for s, w in ALL if {"EmoVOCA", "runs/emovoca", "runs/rates/0", "runs/actor/export"} & set(w[1:4])]
    ran = [run(words, tmp_path) for words in others if words[1] in ("checkpoint", "data") and words[2] != "convert"]
    assert len(ran) == 4
    assert (tmp_path / "runs/rates/results.md").read_text().count("\n") == 5
    evaluate = next(words for _, words in ALL if words[1:3] == ["evaluate", "vertex-decoder"] and "EmoVOCA" in words)
    assert "static_mve_mm" in run(evaluate, tmp_path)
    shutil.rmtree(tmp_path / "emovoca-decoder")


def test_the_corpora_that_the_page_names_are_listed() -> None:
    listed = {line.split()[0] for line in CliRunner().invoke(app, ["data", "list"]).stdout.splitlines() if line}
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    named = set(re.findall(r"task\.corpora\.(\w+)", page))
    assert named
    assert named <= listed
