"""The pages on robustness and on groups of speakers: tables as their scripts write them, and how figures are made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sedtalker.emotion.track import CATEGORIES
from sedtalker.training.corpora.manifest import Clip
from tests.scripts.test_results_pages import load

DOCS = Path(__file__).parents[2] / "docs"
GROUPS, ROBUSTNESS, EDITED = load("measure_groups"), load("measure_robustness"), load("measure_edits")


def stored(name: str) -> dict:
    return json.loads((DOCS / f"{name}.json").read_text(encoding="utf-8"))


def test_the_tables_of_both_pages_are_what_the_scripts_write() -> None:
    page = (DOCS / "responsible-use.md").read_text(encoding="utf-8")
    assert GROUPS.with_tables(page, stored("groups")) == page
    page = (DOCS / "cross-corpus.md").read_text(encoding="utf-8")
    assert ROBUSTNESS.with_table(page, stored("robustness")) == page
    page = (DOCS / "emotion.md").read_text(encoding="utf-8")
    assert EDITED.page_table(stored("edits")) in page


def test_edits_leave_neutral_voices_calmer_than_emotional_ones() -> None:
    """The counter-figure, too: emotional voices still show something."""
    for name, row in stored("edits")["rows"].items():
        neutral, emotional = (row[f"{kind}, CREMA-D"][0] for kind in ("neutral", "emotional"))
        assert neutral < 0.4 * emotional, name
        assert emotional > 0.5, name


def test_what_was_stored_is_whole() -> None:
    rows = stored("robustness")["rows"]
    assert rows[0]["kind"] == "clean"
    assert {(row["kind"], row["strength"]) for row in rows[1:]} == set(ROBUSTNESS.grades([], []))
    assert rows[0]["shift"] == rows[0]["drop_unseen"] == 0.0
    assert rows[0]["lip_r_clean_wild"] == pytest.approx(1.0)
    for row in rows:
        for part in ("held_out", "unseen"):
            assert row[f"drop_{part}"] == pytest.approx(rows[0][f"uar_{part}"] - row[f"uar_{part}"], abs=2e-4)
    results = json.loads((DOCS / "results.json").read_text(encoding="utf-8"))["decoder"]
    for key in ("lip_r", "lip_r_wild"):  # fewer sentences and talkers than on the page of the results
        assert rows[0][key] == pytest.approx(results[key], abs=0.05)


def test_groups_are_parts_of_the_whole() -> None:
    rows = stored("groups")["actors"]
    whole = next(row for row in rows if row["kind"] == "all")
    for kind in ("sex", "age", "race", "ethnicity"):
        parts = [row for row in rows if row["kind"] == kind]
        assert len(parts) > 1
        for key in ("speakers", "clips"):
            assert sum(row[key] for row in parts) == whole[key], kind
    for row in (*rows, *stored("groups")["corpora"]):
        assert row["interval"][0] <= row["recall"] <= row["interval"][1] or row["speakers"] < 3


def clip(name: str, speaker: str = "a") -> Clip:
    return Clip("x", Path(f"{name}.wav"), "en", speaker, "f", "happy", "", "", 1.0, "test")


def test_recall_and_false_anger_of_a_group() -> None:
    happy, angry = CATEGORIES.index("happy"), CATEGORIES.index("angry")
    truth = np.array([happy, happy, happy, happy, angry, angry])
    guess = np.array([happy, happy, happy, angry, angry, happy])
    scored = GROUPS.Scored(truth, guess, [clip(str(i), "ab"[i % 2]) for i in range(6)])
    found = scored.figures()
    assert (found["speakers"], found["clips"]) == (2, 6)
    assert found["recall"] == pytest.approx((0.75 + 0.5) / 2, abs=1e-3)
    assert found["called_angry"] == 0.25
    assert scored.where(truth == happy).figures()["recall"] == 0.75


@pytest.mark.parametrize(("age", "band"), [("20", "20–29"), ("29", "20–29"), ("30", "30–49"), ("74", "50–74")])
def test_bands_of_age(age: str, band: str) -> None:
    person = {"age": age, "sex": "Female", "race": "Asian", "ethnicity": "Not Hispanic"}
    assert GROUPS.groups_of(person)[:2] == [("sex", "Female"), ("age", band)]
    assert len(GROUPS.groups_of(person)) == 4


def test_damage_is_measured_against_the_same_clips() -> None:
    names = [("crema_d", 0), ("crema_d", 1), *((name, k) for name in ROBUSTNESS.HEADLINE for k in (0, 1))]
    sounds = [ROBUSTNESS.Sound(Path(f"{c}{t}"), t, f"{c}{t}", c) for c, t in names]
    clean = np.eye(len(CATEGORIES))[[sound.truth for sound in sounds]]
    same = ROBUSTNESS.emotion_figures(sounds, clean, clean)
    assert (same["uar_held_out"], same["drop_unseen"], same["shift"], same["changed"]) == (1.0, 0.0, 0.0, 0.0)
    made = clean.copy()
    made[0] = clean[1]
    worse = ROBUSTNESS.emotion_figures(sounds, clean, made)
    assert (worse["uar_held_out"], worse["drop_held_out"], worse["drop_unseen"]) == (0.5, 0.5, 0.0)
    assert worse["shift"] == worse["changed"] == pytest.approx(0.1)


def test_noises_for_lips_are_of_recordings_that_no_training_met(tmp_path: Path) -> None:
    folder = tmp_path / "audio" / "esc10"
    folder.mkdir(parents=True)
    for i in range(40):  # every fourth and all but every fifth are met
        (folder / f"rain_1-{i:03d}-A.opus").touch()
    (folder / "rain_1-004-B.opus").touch()
    unused = [p.name for p in ROBUSTNESS.unused_noises(tmp_path)]
    met = {p.name for p in (*ROBUSTNESS.noise_files(tmp_path), *ROBUSTNESS.resting_noises(tmp_path))}
    assert unused
    assert not {name.split("-")[1] for name in unused} & {name.split("-")[1] for name in met}


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    keys = [key for curves in ROBUSTNESS.CURVES for key in curves]
    rows = [{"kind": "clean", "strength": ""}, *({"kind": "noise", "strength": f"{d} dB"} for d in (20, 0))]
    rows = [row | {key: 0.9 - 0.2 * i for key in keys} for i, row in enumerate(rows)]
    ROBUSTNESS.draw(rows, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000
