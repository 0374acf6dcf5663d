"""The frame network, its blocks, and the stretches between the changes that it finds."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.emotion.diarizer_model import FrameNetworkConfig
from sedtalker.emotion.frame_network import APART, BESIDE, CHANGE, ENOUGH, INPUTS, FrameNetwork, stretches
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


def naive_stretches(boundary: np.ndarray, spoken: np.ndarray, first: int) -> list[tuple[int, int]]:
    """The stretch of each frame, by loops; ``first``: frames of speech before the first boundary."""
    total, changes = len(spoken), []
    for t, value in enumerate(boundary):
        near = boundary[max(0, t - APART) : t + APART + 1]
        at = first + t
        beside = spoken[max(0, at - BESIDE) : at].sum(), spoken[at : at + BESIDE].sum()
        if value >= CHANGE and value == near.max() and min(beside) >= ENOUGH:
            changes.append(at)
    found = []
    for at in range(first, total):
        before, after = [c for c in changes if c <= at], [c for c in changes if c > at]
        found.append((max(before, default=0), min(after, default=total)))
    return found


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.integers(1, 260), st.integers(0, 120), st.sampled_from([0.3, 0.9]))
def test_stretches_lie_between_the_likeliest_boundaries_with_speech_beside_them(
    seed: int, count: int, first: int, talking: float
) -> None:
    rng = np.random.default_rng(seed)
    boundary = (rng.random(count) ** 3).astype(np.float32)
    spoken = rng.choice([0.0, 0.5, 1.0], first + count, p=[1 - talking, talking / 2, talking / 2]).astype(np.float32)
    expected = naive_stretches(boundary, spoken, first)
    for reach in (5, 400):
        found = stretches(torch.from_numpy(boundary)[None], torch.from_numpy(spoken)[None], reach)
        for at, begin, end, (naive_begin, naive_end) in zip(
            range(first, first + count), *(x[0].tolist() for x in found), expected, strict=True
        ):
            # beyond ``reach`` it does not matter, but no stretch is shorter than it is, or without its own frame
            assert max(begin, at - reach) == max(naive_begin, at - reach)
            assert min(end, at + reach + 1) == min(naive_end, at + reach + 1)
            assert begin <= at < end


def test_a_recording_without_a_change_is_one_stretch() -> None:
    quiet, talking = torch.zeros(1, 300), torch.ones(1, 300)
    sure = quiet.clone()
    sure[0, 150] = 1.0
    whole = torch.zeros(1, 300).long(), torch.full((1, 300), 300)
    cut = stretches(sure, talking, 1000)
    assert cut.first[0, 149:151].tolist() == [0, 150]
    assert cut.last[0, 149:151].tolist() == [150, 300]
    for boundary, spoken in ((quiet, talking), (sure, 0.4 * talking), (CHANGE * 0.99 * sure, talking)):
        for found, expected in zip(stretches(boundary, spoken, 1000), whole, strict=True):
            assert torch.equal(found, expected)


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
