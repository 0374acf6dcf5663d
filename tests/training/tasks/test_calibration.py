"""What is fitted to a trained diarizer: the plane between voices and other sounds, the scale of faces, neutral odds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.network import DiarizerNetwork, functional_count
from sedtalker.emotion.shown import CLEAR, FAMILIAR, NOTICED, neutral_by_intensity, visible
from sedtalker.nn.engine import open_model
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.tasks.calibration import fit_no_voice, kinds_of, neutral_odds, visible_scale, with_no_voice
from sedtalker.training.tasks.whitened_perceptrons import ClipWindows, describe_windows


@pytest.fixture
def network() -> DiarizerNetwork:
    torch.manual_seed(0)
    return DiarizerNetwork(DiarizerConfig(hidden_channels=4, windows=(1.5, 4.0, 20.0), width=8, members=1)).eval()


def rows(network: DiarizerNetwork, seed: int, apart: float) -> torch.Tensor:
    """Functionals of 200 windows, all of them so far from zero."""
    rng = np.random.default_rng(seed)
    made = rng.normal(apart, 1.0, (200, functional_count(network.config)))
    return torch.from_numpy(made.astype(np.float32))


def test_sounds_lie_on_the_other_side_and_count_as_unlike_the_training_data(network) -> None:
    voices = {"a": rows(network, 0, -0.3), "b": rows(network, 1, -0.2)}
    sounds = [rows(network, 2, 0.3)]
    described = {name: describe_windows(network.config, values, torch.ones(200, 2)) for name, values in voices.items()}
    others = [describe_windows(network.config, values, torch.ones(200, 2)) for values in sounds]
    found = with_no_voice(network, *fit_no_voice(network, described, others))
    assert found.config.finds_no_voice
    assert found.no_voice is not None
    new = rows(network, 3, -0.25), rows(network, 4, 0.3)
    plain = network.distances(new[0])
    voice, sound = (found.no_voice(values)[..., 0] for values in new)
    assert (voice < 0).float().mean() > 0.97
    assert (sound > 0).float().mean() > 0.97
    begin, end = FAMILIAR
    assert found.unfamiliarity(new[1]) == pytest.approx((begin + (end - begin) * sound).clamp_min(0.0).numpy())
    assert found.unfamiliarity(new[0])[voice < -3] == pytest.approx(plain[voice < -3].numpy())


def test_all_corpora_and_all_kinds_count_alike(network) -> None:
    """Windows that come five times move the plane no further."""

    def described(*parts: torch.Tensor):
        values = torch.cat(parts)
        return describe_windows(network.config, values, torch.ones(len(values), 2))

    first, second, sound = rows(network, 0, -0.3), rows(network, 1, -0.1), described(rows(network, 2, 0.3))
    once = fit_no_voice(network, {"a": described(first), "b": described(second)}, [sound])
    often = fit_no_voice(network, {"a": described(*[first] * 5), "b": described(second)}, [sound])
    assert often[0] == pytest.approx(once[0], abs=1e-3)
    assert often[1] == pytest.approx(once[1], abs=1e-2)


def test_kinds_of_sounds_are_kept_apart_and_those_of_people_left_out(network) -> None:
    values = rows(network, 0, 0.0)[:6]
    kinds = ("noise-rain", "noise-baby-cry", "noise-rooster")
    person = ("none", "a", "unknown")
    clips = [Clip("esc10", Path(kind), *person, f"other:{kind}", "unspecified", "", 5.0, "train") for kind in kinds]
    owner = np.array([0, 0, 1, 2, 2, 2])
    windows = ClipWindows(describe_windows(network.config, values, torch.ones(6, 2)), owner, clips)
    rain, rooster = kinds_of(windows)
    assert (len(rain.now), len(rooster.now)) == (2, 3)
    assert np.array_equal(rooster.now, windows.described.now[3:])


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
