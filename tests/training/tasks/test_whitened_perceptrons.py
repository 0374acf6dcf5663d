"""Whitening within categories, and perceptrons folded into a diarizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.network import DiarizerNetwork, functional_count
from sedtalker.speech.features import analyse
from sedtalker.training.corpora.layer_features import LayerFeatures
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.tasks.whitened_perceptrons import (
    Rated,
    WhitenedPerceptrons,
    describe_clips,
    describe_windows,
    fit_scaling,
    fit_whitening,
    fold,
)


def test_within_categories_the_covariance_becomes_one() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 4000)
    mixing = rng.normal(size=(5, 5))
    values = rng.normal(size=(4000, 5)) @ mixing + 10.0 * rng.normal(size=(3, 5))[label]
    targets, chance = np.eye(3)[label], np.full(4000, 1 / 4000)
    white = fit_whitening(values, targets, chance, 0.0)(values)
    assert white.mean(0) == pytest.approx(np.zeros(5), abs=1e-3)
    within = sum(np.cov(white[label == c].T, bias=True) * np.mean(label == c) for c in range(3))
    assert within == pytest.approx(np.eye(5), abs=1e-3)
    shrunk = fit_whitening(values, targets, chance, 0.5)(values)
    assert np.abs(shrunk).max() < np.abs(white).max()


def test_windows_of_training_also_have_noise_that_counts_as_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of them, beside those of speech as it is found; the noise raises the deviation of the level."""
    monkeypatch.setattr("sedtalker.training.tasks.whitened_perceptrons.MOVED", (-3.0, -3.0))
    rng = np.random.default_rng(0)
    sound = 0.01 * rng.standard_normal(48000) + 0.2 * rng.standard_normal(48000) * (np.arange(48000) % 16000 > 8000)
    found = analyse(sound.astype(np.float32))
    prosody, speech = found.frames
    count = len(speech)
    teacher = rng.standard_normal((count, 6)).astype(np.float16)
    starts = np.array([0, count])
    features = LayerFeatures(found.mel.astype(np.float16), found.means[None], prosody, speech, starts, teacher)
    config = DiarizerConfig(hidden_channels=6, windows=(1.5, 4.0, 20.0), width=1, members=1)
    clips = [Clip("made", Path("a.wav"), "en", "a", "f", "happy", "", "", 3.0, "train")]
    network = DiarizerNetwork(config).eval()
    own, both = (describe_clips(clips, features, network, None, 4, moved) for moved in (False, True))
    assert len(own.clip) == 4
    assert len(both.clip) == 8
    assert np.array_equal(both.described.now[:4], own.described.now)
    spoken, with_noise = (values.described.weight[:, 0].mean() for values in (own, both))
    assert spoken == pytest.approx(speech.sum(), rel=0.1)
    assert with_noise > 1.3 * spoken


def test_the_diarizer_computes_what_the_perceptrons_compute() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    config = DiarizerConfig(hidden_channels=6, windows=(1.5, 4.0, 20.0), width=20, members=2, dropout=0.4)
    values = torch.from_numpy(rng.normal(size=(300, functional_count(config)), scale=0.3).astype(np.float32))
    described = describe_windows(config, values, torch.ones(300, 2))
    assert described.speaker.shape == (300, 7 + 6 + 4)
    assert described.now.shape == (300, 2 * 17)
    targets = np.eye(7)[rng.integers(0, 7, 300)].astype(np.float32)
    scaling = fit_scaling(
        described,
        targets,
        np.full(300, 1 / 300),
        Rated(described, rng.random(300).astype(np.float32), np.full(300, 1 / 300)),
        config,
        0.05,
    )
    inputs = scaling.inputs(described, config)
    model = WhitenedPerceptrons([part.shape[1] for part in inputs], config, 8).eval()
    with torch.no_grad():
        logits, score = model(*(torch.from_numpy(part) for part in inputs))
        scores = fold(model, scaling, config)(values)
    assert (scores.logits - logits).abs().max() < 2e-3
    assert (scores.intensity - score).abs().max() < 2e-3
    assert F.softmax(scores.logits, -1).sum(-1) == pytest.approx(torch.ones(2, 300).numpy())
