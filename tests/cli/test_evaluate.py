"""``sedtalker evaluate``: figures and a table for people, all figures as JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from sedtalker.cli.main import app


@pytest.fixture(scope="module")
def bursts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four vocal bursts of two kinds by a test speaker of EmoGator."""
    root = tmp_path_factory.mktemp("data")
    (root / "audio" / "emogator").mkdir(parents=True)
    lines = ["corpus,file,language,speaker,gender,emotion,intensity,transcript,duration_s,split"]
    time = np.arange(12_000) / 16_000
    for number, pitch in ((2, 300), (18, 110)):
        for take in (1, 2):
            name = f"000009-{number:02d}-{take}.wav"
            tone = sum(np.sin(2 * np.pi * (pitch + 9 * take) * k * time) / k for k in range(1, 9))
            soundfile.write(root / "audio" / "emogator" / name, 0.1 * tone, 16_000)
            lines.append(f"emogator,{name},nonverbal,000009,,,,,0.75,test")
    (root / "audio" / "manifest.csv").write_text("\n".join(lines) + "\n")
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


@pytest.mark.parametrize("command", ["sere", "nova-arc", "ser-evals", "adaptation", "routing"])
def test_a_folder_without_what_is_needed_is_one_line(command: str, bursts: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", command, "--data", str(bursts), "--progress", "none"])
    assert done.exit_code == 2
    assert done.output.startswith("error: ")
    assert done.output.count("\n") == 1
