"""Dialogues made of single recordings."""

from __future__ import annotations

import numpy as np
import pytest

from sedtalker.audio import SAMPLE_RATE
from sedtalker.training.corpora.joined_speech import SPEAKER_FRAME, DialogueRule, make_dialogue


def tones(seconds: float = 1.5) -> list[list[np.ndarray]]:
    """A clip of a tone for each of three speakers."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return [[(0.3 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)] for pitch in (150, 250, 400)]


def test_the_sound_is_the_sum_of_all_and_loud_where_somebody_speaks() -> None:
    made = make_dialogue(tones(), 12.0, np.random.default_rng(0), DialogueRule(overlap=0.5))
    assert np.allclose(made.samples, made.apart.sum(0))
    assert made.active.shape == (3, len(made.samples) // SPEAKER_FRAME)
    power = np.square(made.apart).reshape(3, -1, SPEAKER_FRAME).mean(-1) > 1e-5
    assert np.mean(power == made.active) > 0.97
    assert made.active.any(1).all()


def test_the_same_draw_gives_the_same_dialogue() -> None:
    a, b = (make_dialogue(tones(), 6.0, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(a.samples, b.samples)
    assert a.turns == b.turns


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_overlaps_come_as_often_as_the_rule_says(chance: float) -> None:
    made = make_dialogue(tones(), 30.0, np.random.default_rng(1), DialogueRule(overlap=chance, same=0.0))
    assert bool((made.active.sum(0) > 1).any()) is (chance > 0)


def test_whole_recordings_are_not_cut() -> None:
    made = make_dialogue(tones(), 20.0, np.random.default_rng(2), whole=True)
    assert {turn.length for turn in made.turns} == {round(1.5 * SAMPLE_RATE)}
