"""``sedtalker diarize --speakers``: a table, JSON, RTTM, subtitles and a picture of who expresses what."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import Result
from typer.testing import CliRunner

from sedtalker.audio import SAMPLE_RATE
from sedtalker.cli.main import app
from sedtalker.emotion.conversation import Conversation
from sedtalker.speakers.turns import Turns
from tests.support.clips import cut_sample
from tests.support.talk import TURNS, wrote_rttm


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with eight seconds of speech and who speaks in it."""
    cut_sample(tmp_path / "talk.wav", 0.0, 8.0)
    wrote_rttm(tmp_path / "who.rttm")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["diarize", "talk.wav", *words])


def printed(*words: str) -> str:
    done = run(*words)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_table_has_a_column_for_the_speaker(folder: Path) -> None:
    heading, *rows = printed("--speakers", "who.rttm", "--name", "ann=Ann Lee").splitlines()
    assert heading.split() == ["start", "end", "speaker", "emotion", "intensity", "confidence", "or"]
    assert {re.split(r"\s{2,}", row.strip())[2] for row in rows} == {"Ann Lee", "bob"}
    assert [float(row.split()[0]) for row in rows] == sorted(float(row.split()[0]) for row in rows)
    doubtful = printed("--speakers", "who.rttm", "--min-confidence", "1")
    assert all(" uncertain " in row for row in doubtful.splitlines()[1:])


def test_json_is_what_the_file_holds_and_reads_back(folder: Path) -> None:
    text = printed("--speakers", "who.rttm", "--json", "-o", "talk.conversation.json", "--plot", "talk.png")
    assert text == (folder / "talk.conversation.json").read_text(encoding="utf-8")
    assert (folder / "talk.png").read_bytes().startswith(b"\x89PNG")
    assert Conversation.load("talk.conversation.json", "talk.wav").turns.turns == TURNS


def test_rttm_gives_the_same_turns_again(folder: Path) -> None:
    (folder / "again.rttm").write_text(printed("--speakers", "who.rttm", "--rttm", "-o", "written.rttm"))
    assert (folder / "written.rttm").read_text() == (folder / "again.rttm").read_text()
    assert Turns.load("again.rttm").of("ann") == Turns.load("who.rttm").of("ann")
    again, first = (json.loads(printed("--speakers", name, "--json")) for name in ("again.rttm", "who.rttm"))
    assert again["tracks"] == first["tracks"]


def test_two_names_become_one_speaker(folder: Path) -> None:
    held = json.loads(printed("--speakers", "who.rttm", "--name", "bob=ann", "--json"))
    assert held["speakers"] == ["ann"]


def test_channels(folder: Path) -> None:
    samples, _ = soundfile.read(folder / "talk.wav", dtype="float32")
    noise = 1e-4 * np.random.default_rng(0).standard_normal((len(samples), 2))
    middle = len(samples) // 2
    rows = np.float32(noise)
    rows[:middle, 0] += samples[:middle]
    rows[middle:, 1] += samples[middle:]
    soundfile.write(folder / "talk.wav", rows, SAMPLE_RATE)
    held = json.loads(printed("--speakers", "channels", "--json"))
    assert held["speakers"] == ["speaker1", "speaker2"]
    assert max(turn["end"] for turn in held["turns"] if turn["speaker"] == "speaker1") < 4.2


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--events"], "--events does not go with --speakers"),
        (["--stream"], "--stream does not go with --speakers"),
        (["--fine"], "--fine does not go with --speakers"),
        (["--enroll", "talk.wav"], "--enroll does not go with --speakers"),
        (["--json", "--rttm"], "choose one of --json and --rttm"),
        (["-o", "a.textgrid"], "conversations are written as .json, .rttm"),
        (["-o", "who.rttm", "--force"], "this command reads this file"),
        (["--name", "ann"], "give OLD=NEW"),
        (["--name", "ann=a", "--name", "ann=b"], "once for each speaker"),
        (["--name", "eve=a"], "there is no speaker 'eve': use one of ann, bob"),
        (["--name", "ann=a/b"], "a name cannot hold '/'"),
        (["--name", "ann=Bob"], "differ in capitals alone"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(words: list[str], problem: str, folder: Path) -> None:
    done = run("--speakers", "who.rttm", *words)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


def test_options_of_nothing_are_refused(folder: Path) -> None:
    for words, problem in ((["--look-ahead", "3"], "add --stream"), (["--language", "de"], "--language is of words")):
        done = run(*words)
        assert done.exit_code == 2
        assert problem in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_pipe_is_refused_and_names_need_speakers(folder: Path) -> None:
    done = CliRunner().invoke(app, ["diarize", "-", "--speakers", "auto"])
    assert (done.exit_code, "- does not go with --speakers" in done.stderr) == (2, True)
    done = run("--name", "a=b")
    assert (done.exit_code, "--name needs --speakers" in done.stderr) == (2, True)
    done = run("--speakers", "everybody")
    assert (done.exit_code, "give channels, auto, a number" in done.stderr) == (2, True)
