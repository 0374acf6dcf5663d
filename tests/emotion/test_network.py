"""The diarizer's network and functionals on small random input."""

import numpy as np
import pytest
import torch

from sedtalker.emotion.functionals import functionals, prosody_channels, voice_channels, window_statistics
from sedtalker.emotion.network import (
    DiarizerConfig,
    DiarizerNetwork,
    FrameBatch,
    average_posterior,
    functional_count,
    ordinal_intensity,
)


def frames(count: int, hidden: int = 6, seed: int = 0, batch: int = 1) -> FrameBatch:
    rng = torch.Generator().manual_seed(seed)
    tracks = torch.randn(batch, count, 4, generator=rng)
    tracks[..., 2] = torch.rand(batch, count, generator=rng)
    return FrameBatch(
        mel=2 * torch.randn(batch, count, 80, generator=rng),
        prosody=tracks,
        speech=torch.rand(batch, count, generator=rng) < 0.7,
        valid=torch.ones(batch, count, dtype=torch.bool),
        hidden=torch.randn(batch, count, hidden, generator=rng) if hidden else None,
    )


def test_window_statistics_by_hand():
    rng = np.random.default_rng(0)
    values, weight = rng.normal(size=(1, 9, 2)), rng.integers(0, 2, (1, 9)).astype(float)
    mean, deviation = window_statistics(torch.from_numpy(values), torch.from_numpy(weight), half=2)
    for t in range(9):
        part = slice(max(0, t - 2), t + 3)
        w, v = weight[0, part], values[0, part]
        if w.sum():
            expected = (w[:, None] * v).sum(0) / w.sum()
            variance = (w[:, None] * v**2).sum(0) / w.sum() - expected**2
            assert np.allclose(mean[0, t], expected)
            assert np.allclose(deviation[0, t], np.sqrt(np.maximum(variance, 0) + 1e-4))
        else:
            assert np.allclose(mean[0, t], 0)


def test_functionals_ignore_silence():
    batch = frames(80)
    loud = batch._replace(mel=torch.where(batch.speech[..., None], batch.mel, 5.0))
    outputs = []
    for b in (batch, loud):
        channels, pitch, voiced = prosody_channels(b.prosody, b.speech, b.valid, 500)
        spoken, sung = voice_channels(torch.where(b.speech[..., None], b.mel, 0.0), channels, pitch)
        outputs.append(functionals(spoken, sung, b.speech.float(), voiced.float(), [25], 4))
    assert torch.allclose(*outputs)


@pytest.mark.parametrize("hidden", [0, 6])
def test_scores_have_a_row_for_every_frame(hidden):
    network = DiarizerNetwork(DiarizerConfig(hidden_channels=hidden, width=8, members=2, corpora=("a", "b"))).eval()
    for count in (5, 8, 33):
        batch = frames(count, hidden)
        heard = network.frames(batch)
        assert heard.log_posterior.shape == (1, count, 7)
        assert torch.allclose(heard.log_posterior.exp().sum(-1), torch.ones(1, count))
        assert heard.intensity.shape == heard.boundary.shape == (1, count)
        rows, weight = network.describe(batch)
        assert rows.shape == (1, -(-count // 8), functional_count(network.config))
        assert (weight[..., 0] == batch.speech.sum()).all(), "the longest window holds all of it"


def test_padding_changes_nothing():
    network = DiarizerNetwork(DiarizerConfig(hidden_channels=6, width=8)).eval()
    short = frames(64)
    held = [torch.cat([x, x[:, -1:].expand(-1, 40, *x.shape[2:])], 1) for x in short]
    padded = FrameBatch(*held)._replace(valid=torch.arange(104)[None] < 64)
    assert torch.allclose(network.describe(short)[0], network.describe(padded)[0][:, :8], atol=1e-5)


def test_average_posterior_is_a_geometric_mean():
    p, q = torch.tensor([0.8, 0.2]), torch.tensor([0.5, 0.5])
    mean = (p * q).sqrt() / (p * q).sqrt().sum()
    assert torch.allclose(average_posterior(torch.stack([p, q]).log()), mean)
    hot = average_posterior(torch.stack([p, p]).log(), temperature=2.0)
    assert torch.allclose(hot, p.sqrt() / p.sqrt().sum())


def test_intensity_scale_is_ordered():
    steps = (0.0, 2.0)
    values = ordinal_intensity(torch.tensor([-6.0, 1.0, 8.0]), steps)
    assert values.tolist() == pytest.approx([0.0, 0.5, 1.0], abs=0.01)
