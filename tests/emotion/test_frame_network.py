"""The frame network, its blocks, and the stretches between the changes that it finds."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.emotion.diarizer_model import APART, SPOKEN, VOICED, FrameNetworkConfig
from sedtalker.emotion.frame_network import BESIDE, CHANGE, ENOUGH, FrameNetwork, relative_channels, stretches
from sedtalker.nn import FRAME_KERNEL
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
    context = 4 * (FRAME_KERNEL // 2)
    assert not moved[: 50 - context].any()
    assert not moved[51 + context :].any()


def small(**given: object) -> FrameNetwork:
    torch.manual_seed(0)
    return FrameNetwork(FrameNetworkConfig(**{"hidden": 3, "width": 16, "dilations": (1, 2), **given})).eval()


def test_a_logit_depends_on_nothing_beyond_the_context() -> None:
    network = small()
    x = torch.randn(1, 60, len(network.scale))
    y = x.clone()
    y[:, 30] = torch.randn(len(network.scale))
    a, b = network(x), network(y)
    assert a.shape == (1, 60)
    moved = torch.nonzero((a - b)[0].abs() > 1e-7)[:, 0]
    assert 30 - network.config.context <= moved.min() < moved.max() <= 30 + network.config.context


def test_channels_are_relative_to_their_mean_over_twenty_seconds() -> None:
    rng = torch.Generator().manual_seed(0)
    speech, voiced = torch.randn(2, 600, 4, generator=rng), torch.randn(2, 600, 3, generator=rng)
    counts = torch.randint(0, 3, (2, 600, 2), generator=rng).float()
    made = relative_channels(speech, voiced, counts)
    assert made.shape == (2, 600, 9)
    middle = 302  # of the block of four frames that share a mean
    for values, weight, part in ((speech, counts[..., 0], made[..., :4]), (voiced, counts[..., 1], made[..., 4:7])):
        seen = slice(middle - 250, middle + 251)
        mean = (values[:, seen] * weight[:, seen, None]).sum(1) / weight[:, seen].sum(1)[:, None]
        expected = torch.where(weight[:, middle, None] > 0, values[:, middle] - mean, 0.0)
        assert torch.allclose(part[:, middle], expected, atol=1e-5)
        assert not part[weight == 0].any()
    assert torch.equal(made[..., 7:], counts / 2)
    assert torch.allclose(relative_channels(speech + 7.0, voiced - 2.0, counts), made, atol=1e-4)
    assert torch.allclose(relative_channels(speech, voiced, counts, 40), made[:, -40:], atol=1e-5)


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


def test_inputs_are_scaled_and_clipped() -> None:
    network = small(dilations=())
    network.scale.fill_(2.0)
    x = torch.randn(1, 8, len(network.scale))
    assert torch.allclose(network(x), network.head(network.read((2 * x).clamp(-5, 5)))[..., 0])
    assert torch.equal(network(x + 1e3), network(x + 1e6))


def test_a_frame_network_by_default() -> None:
    """Six convolutions of 128 channels, which see 2.8 s on either side."""
    network = FrameNetwork()
    assert network.read[1].weight.shape == (128, SPOKEN + VOICED + 2)
    assert [block.conv.dilation[0] for block in network.blocks] == [1, 2, 4, 8, 16, 4]
    assert [block.conv.kernel_size[0] for block in network.blocks] == [FRAME_KERNEL] * 6
    assert network.config.context == 2 * (1 + 2 + 4 + 8 + 16 + 4) == 70
    assert [layer.p for layer in network.modules() if isinstance(layer, torch.nn.Dropout)] == [0.2] * 8
