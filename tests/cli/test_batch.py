"""``sedtalker batch`` as a program: exit codes, one line of what is wrong, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sedtalker.cli.main import app

REPOSITORY = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "sedtalker")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    import soundfile

    samples, rate = soundfile.read(REPOSITORY / "data/samples/four_moods.wav", dtype="float32")
    for k in range(8):
        path = tmp_path / "in" / ("anna" if k % 2 else "ben") / f"clip{k}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples[2 * k * rate : (2 * k + 1) * rate], rate)
    return tmp_path / "in"


def invoke(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def test_a_batch_takes_only_words_that_are_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    code, _, said = invoke("batch", tmp_path / "a.wav", "-o", tmp_path / "out", "--transcript", "Hello.")
    assert code == 2
    assert "--transcript of a batch is auto" in said
    monkeypatch.setenv("SEDTALKER_ASR_MODEL", str(tmp_path))
    code, _, said = invoke("batch", tmp_path / "a.wav", "-o", tmp_path / "out", "--transcript", "auto", "--jobs", "1")
    assert code == 2
    assert "SEDTALKER_ASR_MODEL" in said or "sedtalker[asr]" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "error: nowhere: no such file or folder"),
        (["."], "error: .: no recording in it"),
        (["*.wav"], "error: *.wav: no file matches"),
        (["in", "--shard", "3/2"], "error: --shard 3/2: give i/n"),
        (["in", "--to", "dae"], "error: there is no format 'dae'"),
        (["bad.csv"], "error: bad.csv:2: --mood: there is no such option"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.csv").write_text("audio,mood\na.wav,good\n")
    if "in" in arguments:
        (tmp_path / "in").mkdir()
        (tmp_path / "in/a.wav").write_bytes(b"")
    code, out, err = invoke("batch", *arguments, "-o", "out")
    assert (code, out) == (2, "")
    assert err.startswith(said)
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_folder_with_a_recording_that_fails(clips: Path, tmp_path: Path) -> None:
    (clips / "bad.wav").write_text("no sound")
    out = tmp_path / "out"
    code, text, err = invoke("batch", clips, "-o", out, "--only", "emotion", "--no-video", "--json", "--jobs", 2)
    summary = json.loads(text)
    assert (code, summary["files"], summary["done"], summary["failed"]) == (3, 9, 8, 1)
    assert summary["failures"][0]["input"] == str(clips / "bad.wav")
    assert "8 done, 0 done before, 1 failed" in err
    assert err.count("bad.wav: not a readable audio file") == 2  # when it happens, and in the list at the end

    code, _, err = invoke("batch", clips, "-o", out, "--only", "emotion", "--no-video")
    assert (code, err.count("\n")) == (2, 1)
    assert "8 of 9 recordings are done there: --resume continues" in err


def results(output: Path) -> dict[str, bytes]:
    files = [path for path in output.rglob("*") if path.is_file() and path.parent != output]
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in files}


def log_of(output: Path) -> list[dict[str, object]]:
    path = output / "batch.jsonl"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_killed_and_resumed_gives_what_a_quiet_run_gives(clips: Path, tmp_path: Path) -> None:
    command = [*PROGRAM, "batch", str(clips), "--no-video", "--only", "npz", "--resume", "--quiet", "--jobs", "2", "-o"]
    subprocess.run([*command, str(tmp_path / "quiet")], check=True)
    killed = tmp_path / "killed"
    for count, ended in enumerate((signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGKILL)):
        before = len(log_of(killed))
        process = subprocess.Popen([*command, str(killed)], stderr=subprocess.PIPE, text=True)
        while process.poll() is None and len(log_of(killed)) < before + 2:  # its first line, and that of a recording
            time.sleep(0.01)
        time.sleep(0.3 * count)
        process.send_signal(ended)
        _, said = process.communicate()
        if process.returncode != 0:
            assert process.returncode == (-9 if ended == signal.SIGKILL else 130)
            assert ended == signal.SIGKILL or said.startswith("interrupted: ")
    subprocess.run([*command, str(killed)], check=True)
    assert results(killed) == results(tmp_path / "quiet")
    done = [record["name"] for record in log_of(killed) if record.get("state") == "done"]
    assert sorted(done) == sorted(set(done))
    assert len(done) == 8
