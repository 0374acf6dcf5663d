"""``sedtalker evaluate``: figures and a table for people, all figures as JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sedtalker.cli.main import app
from sedtalker.emotion.inference import FrameEmotions, note_unfamiliar
from sedtalker.training.corpora.manifest import COLUMNS
from tests.support.bursts import write_bursts

FIGURES = {"lip_r": 0.912345, "closure_rate": 1, "lip_gain": 0.5}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data folder, and a decoder that is measured at once."""

    def evaluate_decoder(data: Path, *_: object, **__: object) -> dict[str, float]:
        assert data == tmp_path
        return FIGURES

    monkeypatch.setattr("sedtalker.training.evaluation.decoder_measures.evaluate_decoder", evaluate_decoder)
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "manifest.csv").write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    return tmp_path


def test_figures_for_people(measured: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "decoder", "--data", str(measured), "--progress", "none"])
    assert done.exit_code == 0, done.output
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["lip_r", "0.9123"],
        ["closure_rate", "1"],
        ["lip_gain", "0.5"],
    ]


def test_recordings_unlike_the_training_data_are_not_noted_one_by_one(
    measured: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = np.ones(7, np.float32)
    frames = FrameEmotions(np.eye(7, dtype=np.float32), one, one > 0, distance=9 * one)

    def evaluate_decoder(*_: object, **__: object) -> dict[str, float]:
        note_unfamiliar(frames, 50.0)
        return FIGURES

    monkeypatch.setattr("sedtalker.training.evaluation.decoder_measures.evaluate_decoder", evaluate_decoder)
    done = CliRunner().invoke(app, ["evaluate", "decoder", "--data", str(measured), "--progress", "none"])
    assert "unlike" not in done.output + caplog.text
    note_unfamiliar(frames, 50.0)
    assert "unlike anything" in caplog.text


def test_all_figures_as_json(measured: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "decoder", "--data", str(measured), "--progress", "none", "--json"])
    assert json.loads(done.stdout) == {"lip_r": 0.9123, "closure_rate": 1, "lip_gain": 0.5}


@pytest.mark.parametrize("command", ["transfer", "few"])
def test_a_plot_under_a_name_that_is_none_is_refused_before_anything_is_measured(command: str, measured: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", command, "--data", str(measured), "--plot", "heat.svg"])
    assert (done.exit_code, done.output) == (2, "error: heat.svg: plots are written as .png\n")


@pytest.mark.parametrize("command", ["transfer", "expression"])
def test_a_folder_without_what_is_needed_is_one_line(command: str, tmp_path: Path) -> None:
    write_bursts(tmp_path)
    done = CliRunner().invoke(app, ["evaluate", command, "--data", str(tmp_path), "--progress", "none"])
    assert done.exit_code == 2
    assert done.output.startswith("error: ")
    assert done.output.count("\n") == 1
