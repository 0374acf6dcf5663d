from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import SAMPLE, Result

Run = Callable[..., Result]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from sedtalker.cli.main import app;"
        "assert CliRunner().invoke(app, ['animate', '--help']).exit_code == 0;"
        "print([m for m in ('torch', 'numpy', 'scipy', 'transformers', 'av', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_diarize_prints_a_table_json_and_rttm(sedtalker: Run, tmp_path: Path) -> None:
    table = sedtalker("diarize", SAMPLE, "--plot", tmp_path / "track.png", "-o", tmp_path / "track.json")
    assert table.code == 0, table.err
    assert "intensity" in table.out
    assert (tmp_path / "track.png").read_bytes().startswith(b"\x89PNG")
    track = json.loads(sedtalker("diarize", SAMPLE, "--json").out)
    assert track == json.loads((tmp_path / "track.json").read_text())
    rttm = sedtalker("diarize", SAMPLE, "--rttm").out
    assert all(line.startswith("SPEAKER four_moods") for line in rttm.splitlines())
    sedtalker("diarize", SAMPLE, "-o", tmp_path / "reference.rttm")
    assert (tmp_path / "reference.rttm").read_text() == rttm
    assert sedtalker("diarize", SAMPLE, "--plot", tmp_path / "track.png").code == 2


@pytest.mark.parametrize("name", ["speech_encoder", "diarizer", "decoder", "landmarks", "fine_emotions"])
def test_every_set_of_weights_says_its_licence(sedtalker: Run, name: str) -> None:
    done = sedtalker("checkpoint", "inspect", name)
    assert done.code == 0, done.err
    assert "licence" in done.out
    described = json.loads(sedtalker("checkpoint", "inspect", name, "--json").out)
    assert described["licence"]
    assert described["trained_on"]


def test_training_needs_an_experiment_that_exists(sedtalker: Run, tmp_path: Path) -> None:
    done = sedtalker("train", "experiment=no_such", f"trainer.run_dir={tmp_path}")
    assert done.code == 2
    assert done.err.startswith("error:")
