"""``sedtalker diarize --fine``: the table, the JSON, the picture, streams and events have the fine-grained emotions."""

from __future__ import annotations

import json
from pathlib import Path

import soundfile
from typer.testing import CliRunner

from sedtalker.cli.main import app
from sedtalker.emotion.track import EmotionTrack
from sedtalker.training.tasks.fine_emotions import BURSTS

SPEECH = Path(__file__).parents[2] / "data/samples/four_moods.wav"


def test_finer_kinds_stand_in_the_table_the_file_and_the_picture(tmp_path: Path) -> None:
    track, plot = tmp_path / "t.json", tmp_path / "p.png"
    done = CliRunner().invoke(app, ["diarize", str(SPEECH), "--fine", "-o", str(track), "--plot", str(plot)])
    assert done.exit_code == 0, done.output
    assert "fine-grained emotions" in done.stdout
    found = EmotionTrack.load(track)
    assert tuple(found.extras) == BURSTS
    assert plot.read_bytes().startswith(b"\x89PNG")
    plain = CliRunner().invoke(app, ["diarize", str(SPEECH), "--json"])
    assert "extras" not in json.loads(plain.stdout)
    followed = CliRunner().invoke(app, ["diarize", str(SPEECH), "--fine-share", "1", "--json"])
    held = json.loads(followed.stdout)
    assert held["posterior"] != json.loads(plain.stdout)["posterior"]
    assert held["intensity"] == json.loads(plain.stdout)["intensity"]


def test_rttm_has_no_place_for_them_and_says_so() -> None:
    done = CliRunner().invoke(app, ["diarize", str(SPEECH), "--fine", "--rttm"])
    assert done.exit_code == 0, done.output
    assert all(line.startswith("SPEAKER four_moods") for line in done.stdout.splitlines())
    assert "1 vocal burst and 30 further curves of the track: left out; .json keeps all" in done.stderr


def test_a_stream_names_the_strongest(tmp_path: Path) -> None:
    short = tmp_path / "a.wav"
    samples, rate = soundfile.read(SPEECH, frames=3 * 16_000, dtype="float32")
    soundfile.write(short, samples, rate)
    done = CliRunner().invoke(app, ["diarize", str(short), "--fine", "--stream", "--json"])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) > 5
    assert all(len(line["fine"]) == 3 and set(line["fine"]) <= set(BURSTS) for line in lines)
    for source in ([str(short)], [str(short), "--stream"]):
        done = CliRunner().invoke(app, ["diarize", *source, "--fine", "--events"])
        assert done.exit_code == 0, done.output
        assert all(" kinds " in line for line in done.stdout.splitlines())


def test_a_stream_with_finer_kinds_needs_lines_to_put_them_in() -> None:
    done = CliRunner().invoke(app, ["diarize", str(SPEECH), "--fine", "--stream"])
    assert done.exit_code == 2
    assert "with --fine a stream needs --json or --events" in done.output
    done = CliRunner().invoke(app, ["diarize", str(SPEECH), "--fine-share", ".5", "--stream", "--json"])
    assert done.exit_code == 2
    assert "a stream takes no" in done.output


def test_heads_that_are_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["diarize", str(SPEECH), "--fine-model", str(tmp_path)])
    assert done.exit_code == 2
    assert "not a checkpoint folder" in done.output
