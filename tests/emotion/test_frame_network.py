"""The frame network and its blocks."""

import pytest
import torch

from sedtalker.emotion.diarizer_model import SPOKEN, DiarizerConfig, FrameBatch, FrameNetworkConfig
from sedtalker.emotion.network import INPUTS, DiarizerNetwork, FrameNetwork, functional_count
from sedtalker.nn.blocks import DilatedConvolution


def test_a_block_keeps_the_shape_and_hears_no_further_than_it_says():
    torch.manual_seed(0)
    block = DilatedConvolution(16, 4, 0.0).eval()
    x = torch.randn(2, 100, 16)
    y = x.clone()
    y[:, 50] = torch.randn(16)
    moved = (block(x) - block(y)).abs().amax((0, 2)) > 1e-6
    assert block(x).shape == x.shape
    assert moved[50]
    assert not moved[: 50 - block.context].any()
    assert not moved[51 + block.context :].any()


def test_scores_at_half_the_rate_depend_on_nothing_beyond_the_context():
    torch.manual_seed(0)
    network = FrameNetwork(FrameNetworkConfig(width=16, layout="CC", corpora=("a", "b"))).eval()
    x = torch.randn(1, 120, INPUTS)
    y = x.clone()
    y[:, 60] = torch.randn(INPUTS)
    a, b = network(x), network(y)
    assert a.logits.shape == (1, 60, 7)
    assert a.affect.shape == (1, 60, 2)
    assert a.corpus.shape == (1, 60, 2)
    moved = torch.nonzero((a.logits - b.logits).abs().amax((0, 2)) > 1e-7)[:, 0]
    assert 2 * int(moved.min()) >= 60 - network.context
    assert 2 * int(moved.max()) <= 60 + network.context


def test_masked_frames_are_not_seen():
    torch.manual_seed(0)
    network = FrameNetwork(FrameNetworkConfig(width=16, layout="CC")).eval()
    x = torch.randn(1, 40, INPUTS)
    mask = torch.zeros(1, 20, dtype=torch.bool)
    mask[:, 6:14] = True
    y = x.clone()
    y[:, 16:24] += 1.0  # 25 Hz frames 8 to 11, and what the stem sees around them
    assert torch.equal(network.hidden(x, mask), network.hidden(y, mask))
    assert not torch.equal(network.hidden(x), network.hidden(y))


def frames(count: int) -> FrameBatch:
    torch.manual_seed(count)
    speech = torch.rand(1, count) < 0.8
    return FrameBatch(torch.randn(1, count, 80), torch.rand(1, count, 4), speech, torch.ones_like(speech))


@pytest.mark.parametrize("count", [7, 64])
def test_the_share_mixes_the_two_parts(count):
    config = DiarizerConfig(width=8, frame_networks=(FrameNetworkConfig(width=8, layout="C"),))
    network = DiarizerNetwork(config).eval()
    batch = frames(count)
    logs = []
    for share in (0.0, 0.5, 1.0):
        network.config = config.model_copy(update={"frame_share": share})
        heard = network.frames(batch)
        assert torch.allclose(heard.log_posterior.exp().sum(-1), torch.ones(1, count))
        assert ((heard.boundary > 0) & (heard.boundary < 1)).all()
        logs.append(heard.log_posterior)
    between = torch.log_softmax(0.5 * (logs[0] + logs[2]), -1)
    assert torch.allclose(logs[1], between, atol=1e-5)
    assert functional_count(config) > SPOKEN


def test_outputs_are_categories_intensity_affect_boundary_and_corpora():
    network = FrameNetwork(FrameNetworkConfig(width=16, layout="C", corpora=("a", "b"))).eval()
    torch.nn.init.zeros_(network.head.weight)
    network.head.bias.data = torch.arange(13.0) / 10
    out = network(torch.zeros(1, 8, INPUTS))
    assert torch.allclose(out.logits[0, 2], torch.arange(7.0) / 10)
    assert torch.allclose(out.intensity, torch.full((1, 4), 0.7))
    assert torch.allclose(out.affect[0, 1], torch.tanh(torch.tensor([0.8, 0.9])))
    assert torch.allclose(out.boundary, torch.full((1, 4), 1.0))
    assert torch.allclose(out.corpus[0, 3], torch.tensor([1.1, 1.2]))


def test_a_frame_network_by_default() -> None:
    """Six convolutions of 192 channels, of which the dilations 1, 2, 4, 8 come in turn."""
    network = FrameNetwork()
    assert network.stem.weight.shape == (192, INPUTS, 6)
    assert network.head.weight.shape == (7 + 4, 192)
    assert network.dropout.p == 0.15
    alone = [DilatedConvolution(16, dilation, 0.0).context for dilation in (1, 2, 4, 8, 1, 2)]
    assert [block.context for block in network.blocks] == alone
    assert network.context == 2 * (3 + sum(alone))
