"""``sedtalker evaluate``: figures and a table for people, all figures as JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sedtalker.cli.main import app
from tests.support.bursts import write_bursts


@pytest.fixture(scope="module")
def bursts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four vocal bursts of two kinds by a test speaker of EmoGator."""
    root = tmp_path_factory.mktemp("data")
    write_bursts(root)
    return root


def test_figures_and_a_table(bursts: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "fine", "--data", str(bursts), "--progress", "none"])
    assert done.exit_code == 0, done.output
    figures, table = done.stdout.split("\n\n", 1)
    assert any(line.startswith("fine_pearson ") for line in figures.splitlines())
    assert "fine_pearson_amusement" not in figures
    assert table.startswith("| kind | Pearson |")
    assert table.count("\n") == 4


def test_all_figures_as_json(bursts: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "fine", "--data", str(bursts), "--progress", "none", "--json"])
    held = json.loads(done.stdout)
    assert held["fine_clips"] == 4
    assert {"fine_pearson", "fine_pearson_amusement", "fine_auc_neutral"} <= set(held)
    assert all(value == round(value, 4) for value in held.values())


@pytest.mark.parametrize("command", ["transfer", "expression"])
def test_a_folder_without_what_is_needed_is_one_line(command: str, bursts: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", command, "--data", str(bursts), "--progress", "none"])
    assert done.exit_code == 2
    assert done.output.startswith("error: ")
    assert done.output.count("\n") == 1
