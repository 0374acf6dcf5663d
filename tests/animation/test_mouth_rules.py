"""The numbers of the mouth: in order, within their ranges, and each of them used."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from sedtalker.animation.mouth_rules import RULES, MouthRules
from sedtalker.face.arkit import ARKIT_52

ANIMATION = Path(__file__).parents[2] / "sedtalker" / "animation"


def test_lips_that_met_are_closed():
    assert 0.0 < RULES.met_gap < RULES.met_gap + RULES.slack < RULES.closed_gap < RULES.apart_gap
    assert RULES.teeth_gap > RULES.closed_gap


def test_a_known_phone_is_held_for_a_frame_of_any_video():
    assert 2 * RULES.held >= 1 / 25 - 1e-9
    assert RULES.held < RULES.fade


def test_a_full_closure_of_a_usual_face_leaves_no_gap():
    jaw, close = RULES.shape_gaps["jawOpen"], RULES.shape_gaps["mouthClose"]
    assert abs(jaw + close) * (1 - RULES.jaw_gives) < RULES.closed_gap
    assert {ARKIT_52[k] for k in RULES.parting} == {n for n, gap in RULES.shape_gaps.items() if gap > 0} - {"jawOpen"}
    assert [name for name, gap in zip(ARKIT_52, RULES.gaps, strict=True) if gap < 0] == ["mouthClose"]


def test_every_rule_is_used():
    code = "".join(path.read_text(encoding="utf-8") for path in sorted(ANIMATION.glob("*.py")))
    for rule in fields(MouthRules):
        assert any(f"{name}.{rule.name}" in code for name in ("rules", "RULES", "self")), rule.name
