"""``sedtalker visemes``, and words and visemes in ``animate``: files in, files out, and one line where something is
wrong.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sedtalker.cli.main import app

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"
pytestmark = pytest.mark.skipif(importlib.util.find_spec("pocketsphinx") is None, reason="needs the extra align")


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_visemes_without_words_are_printed() -> None:
    done = run("visemes", SAMPLE, "--viseme-set", "rhubarb")
    assert done.exit_code == 0
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(lines) > 20
    assert {name for _, name in lines} <= set("ABCDEFGHX")
    assert [float(start) for start, _ in lines] == sorted(float(start) for start, _ in lines)


def test_animate_with_words_and_visemes(tmp_path: Path) -> None:
    words = tmp_path / "said.ctm"
    words.write_text("a 1 1.40 0.60 Bob\na 1 2.20 0.60 may\n", encoding="utf-8")
    made = tmp_path / "made.json"
    done = run(
        *("animate", SAMPLE, "-o", tmp_path / "out", "--words", words, "--visemes", made, "--viseme-set", "oculus"),
        *("--emotion", "neutral", "--no-video", "--quiet", "--json"),
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["files"]["visemes"] == str(made)
    cues = json.loads(made.read_text())["mouthCues"]
    shown = [cue["value"] for cue in cues if 1.2 < cue["start"] < 3.0 and cue["value"] != "sil"]
    assert shown == ["PP", "aa", "PP", "E"] or shown == ["PP", "aa", "PP", "PP", "E"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--transcript", "…"], "the transcript has no words in it"),
        (["--transcript", "none.txt"], "none.txt: no such file"),
        (["--words", "none.vtt"], "none.vtt: no such file"),
        (["--transcript", "a", "--words", "{late}"], "give one of --transcript and --words"),
        (["--words", "{late}"], "is spoken at 900.0 s, but the recording ends at"),
        (["--words", "{broken}"], "broken.json: the text: not valid JSON"),
        (["--language", "xx"], "--language is of words"),
        (["-o", "a.csv"], "visemes are written as .tsv, .json, .xml, .dat, .spine.json, .textgrid"),
    ],
)
def test_one_line_says_what_is_wrong(tmp_path: Path, options: list[str], message: str) -> None:
    late, broken = tmp_path / "late.ctm", tmp_path / "broken.json"
    late.write_text("a 1 900 0.2 red\n", encoding="utf-8")
    broken.write_text("{", encoding="utf-8")
    done = run("visemes", SAMPLE, *(option.format(late=late, broken=broken) for option in options))
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(importlib.util.find_spec("phonemizer") is None, reason="needs the extra g2p")
def test_an_unknown_language() -> None:
    done = run("animate", SAMPLE, "--transcript", "hello", "--language", "xx", "--no-video", "--quiet")
    assert done.exit_code == 2
    assert "'xx' is no language that espeak-ng knows" in done.stderr


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("mine", encoding="utf-8")
    done = run("visemes", SAMPLE, "-o", tmp_path / "a.tsv")
    assert done.exit_code == 2
    assert (tmp_path / "a.tsv").read_text(encoding="utf-8") == "mine"


def test_a_take_needs_no_words(tmp_path: Path) -> None:
    done = run("animate", "--performance", tmp_path / "take.csv", "--transcript", "hello")
    assert done.exit_code == 2
    assert "--transcript is an option of speech" in done.stderr
