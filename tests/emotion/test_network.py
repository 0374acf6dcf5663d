"""The diarizer's network and functionals on small random input."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sedtalker.emotion.diarizer_model import SPOKEN, VOICED, DiarizerConfig, FrameBatch, FrameNetworkConfig
from sedtalker.emotion.frame_network import CHANGE
from sedtalker.emotion.functionals import Spans, functionals, prosody_channels, voice_channels, window_statistics
from sedtalker.emotion.network import (
    DiarizerNetwork,
    _average,
    _thin,
    functional_count,
    intensity_offset,
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


def rows_of(network: DiarizerNetwork, batch: FrameBatch) -> torch.Tensor:
    """The functionals of whole windows."""
    return network.describe(network.channels(batch))[0]


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


def test_windows_do_not_leave_their_span():
    rng = torch.Generator().manual_seed(0)
    values, weight = torch.randn(2, 24, 3, generator=rng), torch.rand(2, 24, generator=rng)
    first, last = torch.zeros(2, 24).long(), torch.full((2, 24), 24)
    first[0, 11:], last[0, :11], first[1, 5:], last[1, :5] = 11, 11, 5, 5
    found = window_statistics(values, weight, 6, 4, 0, Spans(first, last))
    for item, change in ((0, 11), (1, 5)):
        parts = slice(0, change), slice(change, 24)
        for row, middle in enumerate(range(2, 24, 4)):
            part = parts[middle >= change]
            alone = window_statistics(values[item, part][None], weight[item, part][None], 6)
            for got, expected in zip(found, alone, strict=True):
                assert torch.allclose(got[item, row], expected[0, middle - part.start], atol=1e-6)
    ends = Spans(first[:, -8:], last[:, -8:])
    for whole, part in zip(found, window_statistics(values, weight, 6, 4, 2, ends), strict=True):
        assert torch.allclose(whole[:, -2:], part, atol=1e-6)


def changing(config: DiarizerConfig) -> DiarizerNetwork:
    """A network whose frame networks find changes in noise."""
    torch.manual_seed(0)
    network = DiarizerNetwork(config).eval()
    with torch.no_grad():
        for found in network.frame_networks:
            found.head[2].weight *= 6.0
    return network


def test_windows_end_where_the_emotion_changes():
    found = (FrameNetworkConfig(hidden=6, width=8, dilations=(1, 2)),)
    config = DiarizerConfig(hidden_channels=6, width=8, windows=(0.5, 4.0, 20.0), frame_networks=found)
    network, batch = changing(config), frames(600)
    channels = network.channels(batch)
    spans, boundary = network._changes(channels, 0)
    changes = sorted(set(spans.first[0].tolist()) - {0})
    assert changes
    assert all(boundary[0, change] >= CHANGE for change in changes)
    whole, cut = (network.describe(channels, spans=each)[0] for each in (None, spans))
    size = whole.shape[-1] // 3
    assert not torch.allclose(whole[..., : 2 * size], cut[..., : 2 * size], atol=1e-3)
    assert torch.equal(whole[..., 2 * size :], cut[..., 2 * size :]), "the longest one does not"
    estimate, expected = network.frames(batch), network._by_functionals(channels, None, 0, spans)
    assert torch.equal(estimate.distance, expected[2])
    nowhere = Spans(torch.zeros_like(spans.first), torch.full_like(spans.last, spans.last.max().item()))
    assert torch.allclose(network.describe(channels, spans=nowhere)[0], whole, atol=1e-5)


def test_functionals_ignore_silence():
    batch = frames(80)
    loud = batch._replace(mel=torch.where(batch.speech[..., None], batch.mel, 5.0))
    outputs = []
    for b in (batch, loud):
        channels, pitch, voiced = prosody_channels(b.prosody, b.speech, b.valid, 500)
        spoken, sung = voice_channels(torch.where(b.speech[..., None], b.mel, 0.0), channels, pitch)
        outputs.append(functionals(spoken, sung, b.speech.float(), voiced.float(), [25], 4))
    assert torch.allclose(*outputs)


@pytest.mark.parametrize("finds_changes", [False, True])
@pytest.mark.parametrize("hidden", [0, 6])
def test_scores_have_a_row_for_every_frame(hidden, finds_changes):
    found = (FrameNetworkConfig(hidden=hidden, width=8, dilations=(1, 2)),) if finds_changes else ()
    config = DiarizerConfig(hidden_channels=hidden, width=8, members=2, frame_networks=found)
    network = DiarizerNetwork(config).eval()
    for count in (5, 8, 33):
        batch = frames(count, hidden)
        heard = network.frames(batch)
        assert heard.log_posterior.shape == (1, count, 7)
        assert torch.allclose(heard.log_posterior.exp().sum(-1), torch.ones(1, count))
        assert heard.intensity.shape == heard.boundary.shape == (1, count)
        assert ((heard.boundary > 0) & (heard.boundary < 1)).all() if finds_changes else not heard.boundary.any()
        rows, weight = network.describe(network.channels(batch))
        assert rows.shape == (1, -(-count // 8), functional_count(network.config))
        assert (weight[..., 0] == batch.speech.sum()).all(), "the longest window holds all of it"


def test_padding_changes_nothing():
    network = DiarizerNetwork(DiarizerConfig(hidden_channels=6, width=8)).eval()
    short = frames(64)
    held = [torch.cat([x, x[:, -1:].expand(-1, 40, *x.shape[2:])], 1) for x in short]
    padded = FrameBatch(*held)._replace(valid=torch.arange(104)[None] < 64)
    assert torch.allclose(rows_of(network, short), rows_of(network, padded)[:, :8], atol=1e-5)


def test_intensity_scale_is_ordered():
    steps = (0.0, 2.0)
    values = ordinal_intensity(torch.tensor([-6.0, 1.0, 8.0]), steps)
    assert values.tolist() == pytest.approx([0.0, 0.5, 1.0], abs=0.01)


def test_the_newest_frames_are_those_of_the_whole():
    for kinds in ((), (FrameNetworkConfig(hidden=6, width=8, dilations=(1, 2)),)):
        config = DiarizerConfig(hidden_channels=6, width=8, members=2, windows=(0.5, 1.0, 2.0), frame_networks=kinds)
        network, batch = changing(config), frames(400)
        whole = network.frames(batch)
        assert not kinds or network._changes(network.channels(batch), 160)[0].first[0, -80:].unique().numel() > 1
        for newest in (8, 48, 80, 160, 400):
            part = network.frames(batch, newest=newest)
            for a, b in zip(whole, part, strict=True):
                assert a[:, -newest:].shape == b.shape
                assert torch.allclose(a[:, -newest:], b, atol=1e-4), newest


def test_between_the_middles_of_rows_the_prediction_is_linear_and_beyond_them_held():
    torch.manual_seed(0)
    network, batch = DiarizerNetwork(DiarizerConfig(width=8, members=2, windows=(0.3, 0.6))).eval(), frames(61, 0)
    rows = rows_of(network, batch)
    scores = network(rows)
    log = torch.log_softmax(scores.logits, -1).mean(0)[0].detach().numpy()
    strength = scores.intensity.mean(0)[0].detach().numpy()
    fine, level, _ = (
        x[0, :61].detach().numpy() for x in network._by_functionals(network.channels(batch), None, 0, None)
    )
    assert fine.shape == (61, 7)
    at, middles = np.arange(61), 8 * np.arange(8) + 3.5
    np.testing.assert_allclose(level, np.interp(at, middles, strength), atol=1e-5)
    for got, column in zip(fine.T, log.T, strict=True):
        np.testing.assert_allclose(got, np.interp(at, middles, column), atol=1e-5)


def test_functionals_are_clipped_at_five_deviations():
    network = DiarizerNetwork(DiarizerConfig(width=8)).eval()
    network.mean.fill_(1.0)
    network.scale.fill_(0.5)
    far, edge, near = (network(torch.full((1, functional_count(network.config)), x)).logits for x in (99.0, 11.0, 10.0))
    assert torch.allclose(far, edge)
    assert not torch.allclose(near, edge)
    low, below = (network(torch.full((1, functional_count(network.config)), x)).logits for x in (-9.0, -99.0))
    assert torch.allclose(low, below)


def test_outputs_are_categories_then_intensity():
    network = DiarizerNetwork(DiarizerConfig(width=8, members=2)).eval()
    for member in network.members:
        torch.nn.init.zeros_(member[-1].weight)
        member[-1].bias.data = torch.arange(8.0)
    scores = network(torch.zeros(3, functional_count(network.config)))
    assert scores.logits[1, 2].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert scores.intensity.tolist() == [[7.0] * 3] * 2


def test_the_temperature_flattens_and_the_steps_place_the_intensity():
    torch.manual_seed(0)
    plain = DiarizerNetwork(DiarizerConfig(width=8, windows=(0.5, 1.0))).eval()
    batch = frames(40, 0)
    first = plain.frames(batch)
    plain.config = plain.config.model_copy(update={"temperature": 2.0, "intensity_steps": (-1.0, 1.0)})
    second = plain.frames(batch)
    assert torch.allclose(second.log_posterior, torch.log_softmax(first.log_posterior / 2, -1), atol=1e-5)
    _, score, _ = plain._by_functionals(plain.channels(batch), None, 0, None)
    assert torch.allclose(first.intensity, 0.5 * (torch.sigmoid(score) + torch.sigmoid(score - 2)))
    assert torch.allclose(second.intensity, 0.5 * (torch.sigmoid(score + 1) + torch.sigmoid(score - 1)))
    assert not first.boundary.any()


def test_a_category_that_is_recognised_adds_to_the_intensity():
    rows = [[0.1, 0.1, 0.4, *[0.1] * 4], [0.7, 0.02, 0.2, *[0.02] * 4], [0.1, 0.05, 0.3, 0.3, 0.05, 0.1, 0.1]]
    config, posterior = DiarizerConfig(intensity_offsets={"sad": 1.5}), torch.tensor(rows)
    added = intensity_offset(posterior.log(), config)
    assert added.tolist() == pytest.approx([1.5, 0.0, 0.75], abs=1e-3), "the likeliest; of two that tie, half"
    assert not intensity_offset(posterior.log(), DiarizerConfig()).any()
    torch.manual_seed(0)
    network = DiarizerNetwork(DiarizerConfig(width=8, windows=(0.5, 1.0), calm=(0.5, -0.3))).eval()
    batch = frames(40, 0)
    plain = network.frames(batch)
    network.config = network.config.model_copy(update={"intensity_offsets": dict.fromkeys(network.config.labels, 2.0)})
    raised = network.frames(batch)
    _, score, _ = network._by_functionals(network.channels(batch), None, 0, None)
    assert torch.allclose(raised.intensity, ordinal_intensity(score + 2.0, network.config.intensity_steps), atol=1e-6)
    assert torch.equal(raised.log_posterior, plain.log_posterior), "the categories do not depend on it"


def test_pairs_of_frames_are_averaged_by_their_weight():
    values = torch.tensor([1.0, 3.0, 5.0, 7.0, 2.0, 4.0])[None, :, None]
    weight = torch.tensor([1.0, 1.0, 0.0, 1.0, 0.0, 0.0])[None]
    assert _thin(weight).tolist() == [[2, 1, 0]]
    assert _average(values, weight)[0, :, 0].tolist() == [2, 7, 0]


def test_a_voice_is_the_weighted_mean_of_all_of_a_recording():
    network = DiarizerNetwork(DiarizerConfig(hidden_channels=6, width=8, windows=(0.5, 1.0))).eval()
    batch = frames(64)
    over_speech, over_voiced, counts = network.channels(batch)
    voice = network.voice(batch)
    assert voice.weight[0].tolist() == counts[0].sum(0).tolist()
    for values, weight, at in ((over_speech, 0, slice(None, -VOICED)), (over_voiced, 1, slice(-VOICED, None))):
        w = counts[0, :, weight : weight + 1]
        assert torch.allclose(voice.mean[0, at], (values[0] * w).sum(0) / w.sum(), atol=1e-5)
        assert torch.allclose(voice.square[0, at], (values[0] ** 2 * w).sum(0) / w.sum(), atol=1e-4)
    silent = network.voice(batch._replace(speech=torch.zeros(1, 64, dtype=torch.bool)))
    assert not silent.weight.any()
    assert not silent.mean.any()


@pytest.mark.parametrize("finds_changes", [False, True])
def test_an_output_depends_on_its_context_and_on_no_more(finds_changes):
    found = (FrameNetworkConfig(hidden=6, width=8, dilations=(1, 2)),) if finds_changes else ()
    network = changing(DiarizerConfig(hidden_channels=6, width=8, windows=(0.5, 1.0), frame_networks=found))
    assert network.config.context == 25 + 32 + (12 + 2 * (250 + 6 + 12) if finds_changes else 25)
    batch, at = frames(1600), 800
    changed = batch._replace(mel=batch.mel.clone(), prosody=batch.prosody.clone())
    changed.mel[0, at] += 5.0
    changed.prosody[0, at] += 5.0
    for a, b in zip(network.frames(batch)[:3], network.frames(changed)[:3], strict=True):
        moved = ((a - b).abs().flatten(2).amax(-1)[0] if a.dim() > 2 else (a - b).abs()[0]).gt(1e-5).nonzero()[:, 0]
        assert (
            not len(moved) or at - network.config.context <= moved.min() <= moved.max() <= at + network.config.context
        )


def test_projected_layers_are_centred_first():
    torch.manual_seed(0)
    config = DiarizerConfig(hidden_channels=2, layer_channels=5, width=8, windows=(0.5, 1.0))
    network, batch = DiarizerNetwork(config).eval(), frames(32, 5)
    network.layer_mean.fill_(1.5)
    network.layer_projection.normal_()
    assert network.config.encoder_channels == 5
    hidden = (batch.hidden - 1.5) @ network.layer_projection
    plain = DiarizerNetwork(DiarizerConfig(hidden_channels=2, width=8, windows=(0.5, 1.0))).eval()
    assert torch.allclose(
        rows_of(network, batch),
        rows_of(plain, batch._replace(hidden=hidden)),
        atol=1e-5,
    )


def test_a_network_by_default() -> None:
    """Three perceptrons of 192 units over windows of 1, 2, 4 and 20 s, and no encoder."""
    network = DiarizerNetwork(DiarizerConfig())
    inputs = 4 * 2 * (SPOKEN + VOICED)
    assert functional_count(network.config) == inputs
    assert sum(p.numel() for p in network.parameters()) == 3 * ((inputs + 1) * 192 + (192 + 1) * 8)
    assert network._halves() == [25, 50, 100, 500]
    assert network.config.context == 1000 + 4 * 8
    assert network.config.encoder_channels == 0
    assert not hasattr(network, "layer_mean")
    assert [layer.p for member in network.members for layer in member if hasattr(layer, "p")] == [0.4] * 6
    half = ordinal_intensity(torch.tensor([0.0, 2.0, 1.0]), network.config.intensity_steps)
    tail = 1 / (1 + np.exp(2.0))
    np.testing.assert_allclose(half, [0.25 + tail / 2, 0.75 - tail / 2, 0.5], atol=1e-6)
    with pytest.raises(ValidationError):
        DiarizerConfig(members=0)
    assert DiarizerConfig(members=1).temperature == 1.0
