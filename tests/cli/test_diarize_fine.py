"""``sedtalker diarize --fine``: the table, the JSON and the picture have the finer kinds; a stream refuses them."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from sedtalker.cli.main import app
from sedtalker.emotion.track import EmotionTrack
from sedtalker.training.corpora.fine_labels import BURSTS

SPEECH = Path(__file__).parents[2] / "data/samples/four_moods.wav"


def test_finer_kinds_stand_in_the_table_the_file_and_the_picture(tmp_path: Path) -> None:
    track, plot = tmp_path / "t.json", tmp_path / "p.png"
    done = CliRunner().invoke(app, ["diarize", str(SPEECH), "--fine", "-o", str(track), "--plot", str(plot)])
    assert done.exit_code == 0, done.output
    assert "finer kinds" in done.stdout
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
    assert ".rttm has no place for 30 further curves of the track: left out; .json keeps all" in done.stderr


def test_a_stream_has_no_finer_kinds() -> None:
    done = CliRunner().invoke(app, ["diarize", str(SPEECH), "--fine", "--stream"])
    assert done.exit_code == 2
    assert "a stream takes only" in done.output


def test_heads_that_are_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["diarize", str(SPEECH), "--fine-model", str(tmp_path)])
    assert done.exit_code == 2
    assert "not a checkpoint folder" in done.output
