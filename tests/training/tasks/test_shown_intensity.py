"""The scale of faces and the odds of neutral that are fitted to a trained diarizer."""

from __future__ import annotations

import numpy as np
import pytest

from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.shown import CLEAR, NOTICED, neutral_by_intensity, visible
from sedtalker.nn.engine import open_model
from sedtalker.training.tasks.shown_intensity import neutral_odds, visible_scale


def test_calm_speech_is_just_noticed_and_degrees_go_on_above_what_is_clear() -> None:
    steps, level = (0.0, 2.0), -0.2
    scale = visible_scale(level, steps)
    noticed = 0.5 * sum(1.0 / (1.0 + np.exp(step - level)) for step in steps)
    assert visible(np.array([noticed, *scale]), scale) == pytest.approx([NOTICED, 0.0, CLEAR, 1.0], abs=1e-3)
    assert scale[2] - scale[1] > 2.0 * (scale[1] - scale[0])


@pytest.mark.parametrize("name", ["diarizer", "diarizer_whisper_base"])
def test_the_scales_that_ship_are_those_of_their_calm_speech(name: str) -> None:
    config = open_model(name).config
    assert config.visible == pytest.approx(visible_scale(config.calm[1], config.intensity_steps), abs=1e-4)


def test_the_two_numbers_of_earlier_checkpoints_mean_what_they_meant() -> None:
    scale = DiarizerConfig.model_validate({"visible": [0.2, 0.4]}).visible
    assert visible(np.array([0.1, 0.25, 0.3, 0.38, 0.5]), scale) == pytest.approx([0.0, 0.25, 0.5, 0.9, 1.0])


def test_odds_of_neutral_are_found_again() -> None:
    """Clips that a face shows are left out; read speech counts as much as all corpora with emotions."""
    rng = np.random.default_rng(0)
    scale, odds = (0.5, 0.57, 0.6), (-3.0, -2.0)
    intensity = rng.uniform(0.02, 0.5, 4000)
    likely = neutral_by_intensity(np.full((4000, 7), 1 / 7), intensity, odds)[:, 0]
    seen = np.full(500, 0.9), np.ones(500, bool)  # neutral, but shown as something
    neutral = rng.random(4000) < likely
    known = [(np.append(intensity, seen[0]), np.append(neutral, seen[1]))]
    assert neutral_odds(known, [], scale) == pytest.approx(odds, abs=0.4)
    with_reading = neutral_odds(known, [np.full(50, 0.1), np.full(5, 0.2)], scale)
    assert with_reading is not None
    half = neutral_by_intensity(np.full((1, 7), 1 / 7), np.array([0.2]), with_reading)[0, 0]
    assert half > neutral_by_intensity(np.full((1, 7), 1 / 7), np.array([0.2]), odds)[0, 0] + 0.1
    assert neutral_odds([], [np.full(50, 0.1)], scale) is None
