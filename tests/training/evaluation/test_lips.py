"""Motion that any program made for a recording is scored, by the command and its function."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sedtalker.animation.animator import Animator
from sedtalker.cli.main import app
from sedtalker.export.arkit import read_arkit_csv
from sedtalker.export.formats import export
from sedtalker.training.evaluation import lips
from sedtalker.training.evaluation.lips import evaluate_motion

SAMPLE = Path(__file__).parents[3] / "data" / "samples" / "four_moods.wav"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's motion as a CSV."""
    path = tmp_path_factory.mktemp("ours") / "ours.csv"
    export(Animator.from_pretrained()(SAMPLE, emotion="neutral:0"), path, "arkit")
    return path


def changed(ours: Path, folder: Path, change: str) -> Path:
    """The CSV with its rows later, still, or with the jaw where it opens with the loudness of other speech."""
    lines = ours.read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines[1:]]
    weights = [row[2:] for row in rows]
    if change == "later":
        weights = [*weights[:1] * 12, *weights[:-12]]
    if change == "still":
        weights = [weights[0]] * len(weights)
    if change == "backwards":
        weights = weights[::-1]
    made = [",".join([*row[:2], *values]) for row, values in zip(rows, weights, strict=True)]
    path = folder / f"{change}.csv"
    path.write_text("\n".join([lines[0], *made]) + "\n", encoding="utf-8")
    assert len(read_arkit_csv(path).weights) == len(rows)
    return path


@pytest.mark.slow
def test_our_own_lips_follow_the_sound_and_equal_themselves(ours: Path) -> None:
    found = evaluate_motion(ours, SAMPLE, ours)
    assert found["closed"] > 0.9
    assert found["vowels_closed"] < 0.1
    assert found["loudness_r"] > 0.2
    assert (found["lip_r"], found["lag_ms"], found["mtm_ms"], found["lve_mm2"]) == (pytest.approx(1.0), 0, 0, 0)
    assert found["jerk_ratio"] == pytest.approx(1.0)


@pytest.mark.slow
def test_lips_that_are_late_are_late_by_so_much(ours: Path, tmp_path: Path) -> None:
    found = evaluate_motion(changed(ours, tmp_path, "later"), SAMPLE, ours)
    assert found["lag_ms"] == pytest.approx(200, abs=20)
    assert found["lip_r_best"] > 0.95 > found["lip_r"]
    assert found["mtm_ms"] > 60
    assert found["lve_mm2"] > 1.0


@pytest.mark.slow
def test_a_face_that_does_nothing_and_one_of_other_speech_fail(ours: Path, tmp_path: Path) -> None:
    still = evaluate_motion(changed(ours, tmp_path, "still"), SAMPLE, ours)
    assert still["lip_r"] == 0.0
    assert still["vowels_closed"] in (0.0, 1.0)  # shut, or open, all the time
    assert still["closed"] == still["vowels_closed"]
    backwards = evaluate_motion(changed(ours, tmp_path, "backwards"), SAMPLE, ours)
    assert backwards["lip_r_best"] < 0.4
    assert backwards["closed"] < 0.8


@pytest.mark.slow
def test_what_the_shorter_motion_does_not_reach_is_left_out_and_said(
    ours: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ours.read_text(encoding="utf-8").splitlines()
    short = tmp_path / "short.csv"
    short.write_text("\n".join(lines[: 1 + 60 * 8]) + "\n", encoding="utf-8")
    found = evaluate_motion(short, SAMPLE, ours)
    assert (found["lip_r"], found["mtm_ms"]) == (pytest.approx(1.0), 0)  # nothing beyond its end is compared
    assert found["lve_mm2"] < 1e-3
    assert "the lengths differ (short.csv 7.98 s, ours.csv " in caplog.text


@pytest.mark.slow
def test_of_no_bilabials_there_is_no_share(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lips, "posteriors_of", lambda phones, kinds: np.zeros((len(phones), len(kinds))))
    found = evaluate_motion(ours, SAMPLE)
    assert (found["bilabials"], found["open_vowels"]) == (0, 0)
    assert not {"closed", "vowels_closed"} & set(found)


@pytest.mark.slow
def test_the_command_and_bad_input(ours: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "motion", str(ours), str(SAMPLE), "--json"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert set(figures) == {"loudness_r", "loudness_lag_ms", "bilabials", "closed", "open_vowels", "vowels_closed"}
    assert figures["bilabials"] >= 5
    for words in (["nobody.csv", str(SAMPLE)], [str(SAMPLE), str(SAMPLE)], [str(ours), str(ours)]):
        refused = CliRunner().invoke(app, ["evaluate", "motion", *words])
        assert refused.exit_code == 2, words
        assert len(refused.stderr.strip().splitlines()) == 1
    sound_alone = CliRunner().invoke(app, ["evaluate", "motion", str(SAMPLE), str(SAMPLE)])
    assert "a CSV of Live Link Face, or" in sound_alone.stderr
