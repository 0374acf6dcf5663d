"""``sedtalker review``: the folder of two recordings goes through every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

from sedtalker.cli.main import app
from sedtalker.emotion.formats import densify
from sedtalker.emotion.formats.files import read_track, write_track
from sedtalker.emotion.track import Segment
from sedtalker.review.decisions import read_decisions

SAMPLE = Path(__file__).parents[2] / "data/samples/four_moods.wav"


def run(*words: object, keys: str | None = None) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["review", *map(str, words)], input=keys, catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tracks of six seconds; the second segment of each is in doubt."""
    for name, sure in (("a", 0.6), ("b", 0.7)):
        spans = [Segment(0, 3, "sad", 0.5, 0.95), Segment(3, 6, "happy", 0.3, sure)]
        write_track(tmp_path / f"{name}.emotion.json", densify(spans, 6.0, ease=0.02))
    return tmp_path


@pytest.fixture
def recorded(folder: Path) -> Path:
    """The same with the recording of the second."""
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    soundfile.write(folder / "b.wav", samples[: 6 * rate], rate)
    return folder


def test_the_doubtful_ones_are_listed(folder: Path) -> None:
    code, out, _ = run("list", folder, "--share", 0.25)
    assert code == 0
    assert out.startswith("a  3.00-6.00 s  happy, neutral, ")
    half = json.loads(run("list", folder, "--share", 0.5, "--json")[1])
    assert [case["recording"] for case in half] == ["a", "b"]
    assert half[0]["audio"] is None
    assert half[0]["margin"] == pytest.approx(0.2, abs=0.02)
    assert half[1]["margin"] == pytest.approx(0.4, abs=0.02)
    assert json.loads(run("list", folder, "--accuracy", 0.0, "--json")[1]) == []
    assert len(json.loads(run("list", folder, "--accuracy", 1.0, "--json")[1])) == 4
    assert run("list", folder / "nowhere")[0] == 2


def test_a_person_decides_stops_and_goes_on(folder: Path) -> None:
    code, out, err = run(folder, "--share", 0.5, "--who", "anna", "--no-play", keys="4\nq\n")
    assert (code, out) == (0, "1 decided\n"), err
    assert "2 of 2 doubtful segments to decide" in err
    (held,) = read_decisions(folder / "a.decisions.jsonl")
    assert (held.who, held.label, held.was, held.description) == ("person:anna", "angry", "happy", None)
    _, out, err = run("ask", folder, "--share", 0.5, "--who", "ben", "--no-play", keys="s\n")
    assert "1 of 2 doubtful segments to decide" in err
    assert out == "0 decided\n"
    assert run("ask", folder, "--share", 0.5, "--who", "ben", "--no-play", keys="\n")[1] == "1 decided\n"
    (agreed,) = read_decisions(folder / "b.decisions.jsonl")
    assert agreed.label == agreed.was


def test_rules_decide_and_a_person_stays(recorded: Path) -> None:
    folder = recorded
    (folder / "rules.toml").write_text('version = 1\n[[rule]]\nlabel = "fear"\nreason = "always"\n')
    run("ask", folder, "--share", 0.5, "--who", "anna", "--no-play", keys="4\nq\n")
    code, out, err = run("decide", folder, "--rules", folder / "rules.toml", "--share", 0.5, "--json")
    assert code == 0, err
    (held,) = json.loads(out)
    assert (held["recording"], held["label"], held["reason"]) == ("b", "fear", "always")
    assert held["who"].startswith("rules:")
    assert {"pitch", "level", "margin"} <= set(held["description"])
    assert json.loads(run("decide", folder, "--rules", folder / "rules.toml", "--share", 0.5, "--json")[1]) == []
    code, out, err = run("apply", folder, "-o", folder / "reviewed")
    assert (code, out.splitlines()) == (0, [str(folder / f"reviewed/{n}.emotion.json") for n in "ab"])
    assert "2 segments changed in 2 tracks" in err
    labels = [[s.label for s in read_track(Path(line)).segments()] for line in out.splitlines()]
    assert labels == [["sad", "angry"], ["sad", "fear"]]
    assert run("apply", folder, "-o", folder / "reviewed")[0] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("decide", "{}", "--decider", "llm"), "--decider llm needs --url and --llm-model"),
        (("decide", "{}", "--url", "http://a/v1"), "--url and --llm-model belong to --decider llm"),
        (("decide", "{}", "--rules", "none.toml"), "none.toml: no such file"),
        (("apply", "{}", "-o", "{}/out"), "nothing was decided yet"),
        (("decide", "{}", "--audio", "{}/none", "--progress", "none"), "no recording of these tracks was found"),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, words: tuple[str, ...], message: str) -> None:
    code, out, err = run(*(word.format(folder) for word in words))
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
