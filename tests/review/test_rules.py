"""Rules and their file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.review.acoustics import NAMES, Acoustics
from sedtalker.review.description import TERMS, Description
from sedtalker.review.rules import Rule, Rules, read_rules


def described(first: str = "happy", seconds: float = 2.0, **numbers: float) -> Description:
    acoustics = Acoustics(**{**dict.fromkeys(NAMES, 0.0), **numbers})
    rest = [label for label in CATEGORIES if label != first]
    return Description(acoustics, ((first, 0.4), (rest[0], 0.3)), seconds)


def test_the_first_rule_that_holds_decides() -> None:
    rules = Rules(
        (
            Rule(label="angry", first=("happy",), when={"level": "> 4", "brightness": ">= 2"}, reason="loud"),
            Rule(label="sad", when={"level": "< -3"}),
        )
    )
    assert rules.decide(described(level=5.0, brightness=2.0), CATEGORIES) == ("angry", "loud")
    assert rules.decide(described(level=4.0, brightness=2.0), CATEGORIES).label is None
    assert rules.decide(described("fear", level=5.0, brightness=2.0), CATEGORIES).label is None
    assert rules.decide(described(level=5.0, brightness=2.0), ("happy", "sad")).label is None, "no candidate"
    assert rules.decide(described("fear", level=-4.0), CATEGORIES) == ("sad", "a rule")
    assert rules.who.startswith("rules:")
    assert rules.who != Rules(rules.rules[:1]).who


def test_margin_and_seconds_can_be_compared() -> None:
    rules = Rules((Rule(label="neutral", when={"margin": "< .2", "seconds": "> 1"}),))
    assert rules.decide(described(), CATEGORIES).label == "neutral"
    assert rules.decide(described(seconds=0.5), CATEGORIES).label is None


def test_the_built_in_rules_say_what_the_literature_says() -> None:
    rules = read_rules()
    assert rules.decide(described(level=6.0, brightness=4.0, pitch_range=1.0), CATEGORIES).label == "angry"
    assert rules.decide(described("neutral", level=-5.0, brightness=-3.0, rate=-1.0), CATEGORIES).label == "sad"
    assert rules.decide(described(), CATEGORIES).label is None
    assert set(NAMES) == set(TERMS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = 2", "version"),
        ("version = 1\n[[rule]]\nlabel = 'cross'", "unknown emotion 'cross'"),
        ("version = 1\n[[rule]]\nlabel = 'sad'\nwhen = { size = '> 3' }", "there is no number 'size'"),
        ("version = 1\n[[rule]]\nlabel = 'sad'\nwhen = { level = 'high' }", "'high' is no comparison"),
        ("version = 1\n[[rule]]\nlabel = 'sad'\nmore = 1", "rule.1.more"),
        ("version = ", "not valid TOML"),
    ],
)
def test_what_is_no_file_of_rules(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as error:
        read_rules(path)
    assert "\n" not in str(error.value)


def test_a_description_in_the_fixed_vocabulary() -> None:
    text = described(pitch=5.2, level=-3.0, rate=1.0).text()
    assert text.startswith("pitch much higher (+5.2 semitones), pitch range as usual (+0.0 semitones),")
    assert "voice quieter (-3.0 dB)" in text
    assert "speech faster (+1.0 syllables/s)" in text
    assert [described(pitch=1.0, seconds=4.0).number(name) for name in ("pitch", "seconds", "margin")] == [
        pytest.approx(value) for value in (1.0, 4.0, 0.1)
    ]
