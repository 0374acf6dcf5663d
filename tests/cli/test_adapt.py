"""``sedtalker adapt`` as a command: weights, report, and one line of what is wrong."""

from __future__ import annotations

import json
import logging
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


@pytest.mark.slow
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
    assert found["method"] == "labels"


@pytest.mark.slow
def test_a_table_of_labels_beside_a_folder(clips: Path) -> None:
    """The labels of some recordings are learned; the weights open, and are the same bytes the second time."""
    rows = "".join(f"in/clip{k}.wav,{mood}\n" for k, mood in enumerate(["happy", "sad", "happy", "sad"]))
    (clips / "labels.csv").write_text(f"file,label\n{rows}")
    code, out, err = invoke("in", "--labels", "labels.csv", "-o", "mine")
    assert (code, err) == (0, "")
    assert "learned from the labels of 4 recordings" in out
    assert "recall of 4 with a label" in out
    assert invoke("in", "--labels", "labels.csv", "-o", "again")[0] == 0
    assert (clips / "mine/model.safetensors").read_bytes() == (clips / "again/model.safetensors").read_bytes()
    assert "learned from 4 labelled recordings" in (clips / "mine/README.md").read_text()
    done = CliRunner().invoke(app, ["diarize", "in/clip0.wav", "--model", "mine"], catch_exceptions=False)
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("in/clip0.wav", "in/clip1.wav"), "error: 2 recordings with speech are too few"),
        (("nowhere",), "error: nowhere: no such file or folder"),
        (("in", "--model", "hf:someone/else"), "error: "),
        (("wrong.csv",), "the label 'cross' is no category: use one of neutral, happy"),
        (("in", "--labels", "wrong.csv"), "the label 'cross' is no category: use one of neutral, happy"),
        (("in", "--labels", "one.csv"), "labels of fewer than two categories"),
        (("in", "--labels", "other.csv"), "other.csv:2: 'x.wav' is not among the recordings"),
        (("in", "--labels", "columns.csv"), "columns.csv:2: a table of labels has the columns file, label"),
    ],
)
def test_what_is_wrong_is_one_line(clips: Path, arguments: tuple[str, ...], said: str) -> None:
    tables = {"wrong": "in/clip0.wav,cross", "one": "clip0.wav,sad", "other": "x.wav,sad"}
    for name, row in tables.items():
        (clips / f"{name}.csv").write_text(f"audio,label\n{row}\n")
    (clips / "columns.csv").write_text("file,mood\nclip0.wav,sad\n")
    code, out, err = invoke(*arguments, "-o", "mine")
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not (clips / "mine").exists()


@pytest.mark.parametrize("rank", ["0", "1"])
def test_one_of_the_processes_that_train_together_says_that_it_was_interrupted(
    rank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(config: object, hook: object) -> None:
        logging.getLogger("sedtalker.training").info("the same command goes on")
        logging.getLogger("sedtalker.training").warning("a clip cannot be read")
        raise KeyboardInterrupt

    monkeypatch.setattr("sedtalker.training.run.train", interrupted)
    monkeypatch.setenv("LOCAL_RANK", rank)
    done = CliRunner().invoke(app, ["train", "experiment=landmarks", f"trainer.run_dir={tmp_path / 'run'}"])
    assert done.exit_code == 130
    said = {"goes on": rank == "0", "interrupted": rank == "0", "note: a clip cannot be read": True}
    assert {words: words in done.stderr for words in said} == said
