"""``sedtalker adapt`` as a command: weights, report, and one line of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

from sedtalker.cli.main import app

SAMPLE = Path(__file__).parents[2] / "data/samples/four_moods.wav"


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    (tmp_path / "in").mkdir()
    for k in range(6):
        soundfile.write(tmp_path / f"in/clip{k}.wav", samples[3 * k * rate : (3 * k + 2) * rate], rate)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["adapt", *arguments, "--progress", "none"], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def test_a_folder_without_labels(clips: Path) -> None:
    code, out, err = invoke("in", "-o", "mine")
    assert (code, err) == (0, "")
    assert "6 recordings, speech in 6" in out
    assert "recall" not in out
    assert out.rstrip().endswith("mine")
    assert {p.name for p in (clips / "mine").iterdir()} == {"README.md", "config.json", "model.safetensors"}
    assert invoke("in", "-o", "mine")[0] == 2
    assert invoke("in", "-o", "mine", "--force")[0] == 0
    done = CliRunner().invoke(app, ["diarize", str(SAMPLE), "--model", "mine"], catch_exceptions=False)
    assert done.exit_code == 0


def test_a_table_with_labels(clips: Path) -> None:
    moods = ["happy", "sad", "angry", "happy", "sad", "angry"]
    rows = "".join(f"in/clip{k}.wav,{mood}\n" for k, mood in enumerate(moods))
    (clips / "clips.csv").write_text(f"audio,label\n{rows}")
    code, out, _ = invoke("clips.csv", "-o", "mine", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["labelled"] == 6
    assert 0 <= found["recall_before"] <= 1
    assert 0 <= found["recall_after"] <= 1
    assert found["pieces"] == 6
    assert found["folder"] == "mine"
    assert found["method"] == "norm"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("in/clip0.wav", "in/clip1.wav"), "error: 2 recordings with speech are too few"),
        (("nowhere",), "error: nowhere: no such file or folder"),
        (("in", "--model", "hf:someone/else"), "error: "),
        (("wrong.csv",), "the label 'cross' is none of neutral, happy"),
    ],
)
def test_what_is_wrong_is_one_line(clips: Path, arguments: tuple[str, ...], said: str) -> None:
    (clips / "wrong.csv").write_text("audio,label\nin/clip0.wav,cross\n")
    code, out, err = invoke(*arguments, "-o", "mine")
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not (clips / "mine").exists()
