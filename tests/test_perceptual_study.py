"""The kit for blind comparisons: plans are balanced, and simulated raters are understood."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.perceptual_study import make, planned, score

STUDY = {
    "question": "Which <face> fits?",
    "systems": {"ours": "ours", "theirs": "theirs", "third": "third"},
    "training": [["good/a.mp4", "bad/a.mp4"]],
    "traps": [["good/b.mp4", "bad/b.mp4"]] * 5,
}
CLIPS = ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]


@pytest.mark.parametrize("raters", [2, 6])
def test_sides_are_balanced_and_everybody_sees_everything(raters: int) -> None:
    plans = planned(STUDY, CLIPS, raters)
    left: Counter[str] = Counter()
    for plan in plans:
        compared = [item for item in plan if "systems" in item]
        assert len({item["id"] for item in compared}) == len(compared) == 3 * len(CLIPS)
        assert "training" in plan[0]
        assert sum("trap" in item for item in plan) == 5
        assert "trap" not in plan[-1]
        left.update(f"{item['id']}: {item['systems'][0]}" for item in compared)
    assert set(left.values()) == {raters // 2}
    assert len({tuple(item["id"] for item in plan) for plan in plans[::2]}) == len(plans[::2])


def simulated(
    plans: list[list[dict[str, Any]]], prefers: dict[str, float], careless: set[int], seed: int
) -> list[dict[str, Any]]:
    """Raters who choose the system of greater worth so much more often, and some who never look."""
    rng = np.random.default_rng(seed)
    given = []
    for rater, plan in enumerate(plans):
        answers = []
        for number, item in enumerate(plan):
            side = int(rng.integers(2))
            if rater not in careless and "trap" in item:
                side = item["trap"]
            elif rater not in careless and "systems" in item:
                a, b = (prefers[name] for name in item["systems"])
                side = int(rng.random() > 1.0 / (1.0 + np.exp(b - a)))
            answers.append({"item": number, "side": side})
        given.append({"study": "study", "rater": rater, "answers": answers})
    return given


def key_of(raters: int) -> dict[str, Any]:
    return {"name": "study", "systems": sorted(STUDY["systems"]), "plans": planned(STUDY, CLIPS, raters)}


def test_a_preference_that_is_there_is_found_in_its_strength_and_its_order() -> None:
    key = key_of(30)
    found = score(key, simulated(key["plans"], {"ours": 1.5, "theirs": 0.0, "third": 0.5}, set(), 3))
    pair = found["pairs"]["ours over theirs"]
    assert pair["low"] > 0.5
    assert pair["low"] < 1.0 / (1.0 + np.exp(-1.5)) < pair["high"]
    worth = found["strengths"]
    assert worth["ours"] > worth["third"] > worth["theirs"]
    assert worth["ours"] - worth["theirs"] == pytest.approx(1.5, abs=0.5)
    assert pair["votes"] == 30 * len(CLIPS)


def test_raters_by_chance_show_no_preference() -> None:
    key, across = key_of(20), 0
    for seed in range(20):
        found = score(key, simulated(key["plans"], dict.fromkeys(STUDY["systems"], 0.0), set(), seed))
        pair = found["pairs"]["ours over theirs"]
        across += pair["low"] <= 0.5 <= pair["high"]
    assert across >= 17


def test_who_does_not_look_is_left_out_and_named() -> None:
    key = key_of(12)
    given = simulated(key["plans"], {"ours": 2.0, "theirs": 0.0, "third": 0.0}, {3, 8}, 1)
    for answer in given[3]["answers"] + given[8]["answers"]:
        item = key["plans"][3 if answer in given[3]["answers"] else 8][answer["item"]]
        if "trap" in item:
            answer["side"] = 1 - item["trap"]
    found = score(key, given)
    assert (found["raters"], found["excluded"]) == (10, [3, 8])


@given(st.integers(0, 1000))
def test_two_names_exchanged_exchange_the_shares(seed: int) -> None:
    key = key_of(4)
    given = simulated(key["plans"], {"ours": 1.0, "theirs": 0.0, "third": 0.0}, set(), seed)
    other = json.loads(json.dumps(key).replace("ours", "x").replace("theirs", "ours").replace("x", "theirs"))
    a, b = score(key, given)["strengths"], score({**other, "systems": key["systems"]}, given)["strengths"]
    assert a["ours"] == pytest.approx(b["theirs"], abs=0.01)


def test_pages_tell_nothing_of_systems(tmp_path: Path) -> None:
    for name in ("ours", "theirs", "third", "good", "bad"):
        (tmp_path / name).mkdir()
        for clip in CLIPS:
            (tmp_path / name / clip).write_bytes(f"{name} {clip}".encode())
    (tmp_path / "study.json").write_text(json.dumps(STUDY))
    make(tmp_path / "study.json", tmp_path / "pages", 4)
    pages = sorted((tmp_path / "pages").glob("*.html"))
    assert len(pages) == 4
    key = json.loads((tmp_path / "pages" / "key.json").read_text())
    for rater, page in enumerate(pages):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"ours|theirs|third|trap|good|bad|a\.mp4", text)
        assert "Which &lt;face&gt; fits?" in text
        items = json.loads(re.search(r"const study = (.*);", text)[1])["items"]
        for item, planned_item in zip(items, key["plans"][rater], strict=True):
            shown = [(tmp_path / "pages" / video).read_bytes().decode() for video in item["videos"]]
            if "systems" in planned_item:
                assert shown == [f"{name} {planned_item['clip']}" for name in planned_item["systems"]]
    with pytest.raises(SystemExit):
        (tmp_path / "study.json").write_text(json.dumps({**STUDY, "traps": [["nobody.mp4", "good/a.mp4"]]}))
        make(tmp_path / "study.json", tmp_path / "again", 2)
    assert not (tmp_path / "again").exists()
