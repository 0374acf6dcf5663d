from __future__ import annotations

import itertools

import pytest
import torch

from sedtalker.nn.blocks import LocalAttention
from sedtalker.nn.mamba import Mamba, doubled, selective_scan


def _inputs(batch=2, channels=3, length=7, states=4, dtype=torch.float64, seed=0):
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=dtype)  # noqa: E731
    u, z = draw(batch, channels, length), draw(batch, channels, length)
    delta = torch.nn.functional.softplus(draw(batch, channels, length))
    return (
        u,
        delta,
        -torch.exp(draw(channels, states)),
        draw(batch, states, length),
        draw(batch, states, length),
        draw(channels),
        z,
    )


def _naive(u, delta, A, B, C, D, z):
    h = torch.zeros(*u.shape[:2], A.shape[1], dtype=u.dtype)
    out = []
    for t in range(u.shape[-1]):
        h = torch.exp(delta[..., t, None] * A) * h + delta[..., t, None] * B[:, None, :, t] * u[..., t, None]
        out.append((h * C[:, None, :, t]).sum(-1) + D * u[..., t])
    return torch.stack(out, -1) * torch.nn.functional.silu(z)


def test_scan_equals_float64_loop():
    inputs = _inputs(length=600, channels=8)
    expected = _naive(*inputs)
    got, _ = selective_scan(*(x.float() for x in inputs))
    assert torch.allclose(got.double(), expected, atol=2e-4, rtol=1e-4)
    with torch.no_grad():
        chunked, _ = selective_scan(*inputs)
    assert torch.allclose(chunked, expected, atol=1e-10)


def test_gradient_is_right():
    inputs = tuple(x.requires_grad_() for x in _inputs(length=5, channels=2, states=3))
    assert torch.autograd.gradcheck(lambda *x: selective_scan(*x)[0], inputs)


def test_gradient_through_state():
    *inputs, state = (
        x.requires_grad_() for x in (*_inputs(length=4, channels=2, states=3), torch.randn(2, 2, 3).double())
    )
    assert torch.autograd.gradcheck(lambda *x: selective_scan(*x[:-1], x[-1]), (*inputs, state))


def test_fused_training_scan_equals_the_plain_one():
    *inputs, state = (
        x.float().requires_grad_() for x in (*_inputs(batch=2, channels=5, length=40), torch.randn(2, 5, 4).double())
    )
    weight = torch.randn(2, 5, 40)

    def gradients(*values):
        y, last = selective_scan(*values[:-1], values[-1])
        return y, last, *torch.autograd.grad((y * weight).sum() + last.square().sum(), values)

    fused = gradients(*inputs, state)
    plain = gradients(*(x.detach().double().requires_grad_() for x in (*inputs, state)))
    for a, b in zip(fused, plain, strict=True):
        assert torch.allclose(a.double(), b.to(torch.float64), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("length", [1, 2, 37, 64])
def test_doubling_equals_stepping(length):
    g = torch.Generator().manual_seed(0)
    decay, drive = (torch.rand(length, 2, 3, generator=g, dtype=torch.float64) for _ in range(2))
    expected, state = [], torch.zeros(2, 3, dtype=torch.float64)
    for a, b in zip(decay, drive, strict=True):
        state = a * state + b
        expected.append(state)
    assert torch.allclose(doubled(decay, drive), torch.stack(expected), atol=1e-12)


def test_attention_sees_no_further_than_its_future():
    torch.manual_seed(0)
    attention = LocalAttention(8, 2, radius=6, future=2).eval()
    x = torch.randn(1, 40, 8)
    changed = x.clone()
    changed[:, 20:] += 1.0
    moved = (attention(x) - attention(changed)).abs().amax(-1)[0] > 1e-6
    assert not moved[:18].any()
    assert moved[18]


def test_doubling_equals_the_scan():
    u, delta, A, B, C, D, z = _inputs()
    expected, last = selective_scan(u, delta, A, B, C, D, z)
    step = delta.permute(2, 0, 1)[..., None]
    states = doubled(torch.exp(step * A), (delta * u).permute(2, 0, 1)[..., None] * B.permute(2, 0, 1)[:, :, None])
    y = torch.einsum("lben,bnl->bel", states, C) + D[:, None] * u
    assert torch.allclose(y * torch.nn.functional.silu(z), expected)
    assert torch.allclose(states[-1], last)


@pytest.mark.parametrize("cuts", [[1], [3, 50], [10, 11, 12, 40], list(range(1, 60))])
@torch.no_grad()
def test_block_in_stretches_equals_one_pass(cuts):
    """Of any length, also of one frame; and frames that are not valid change nothing."""
    torch.manual_seed(0)
    block, x = Mamba(32, d_state=8).eval(), torch.randn(2, 60, 32)
    past, state, parts = torch.zeros(2, block.d_inner, 3), torch.zeros(2, block.d_inner, 8), []
    _, past, state = block.step(torch.randn(2, 5, 32), torch.zeros(2, 5), past, state)
    for a, b in itertools.pairwise([0, *cuts, 60]):
        made, past, state = block.step(x[:, a:b], torch.ones(2, b - a), past, state)
        parts.append(made)
    assert torch.allclose(torch.cat(parts, 1), block(x), atol=1e-5)


def test_parameters_are_those_of_mamba_ssm():
    shapes = {name: tuple(p.shape) for name, p in Mamba(128, d_state=16, d_conv=4, expand=2).state_dict().items()}
    assert shapes == {
        "in_proj.weight": (512, 128),
        "conv1d.weight": (256, 1, 4),
        "conv1d.bias": (256,),
        "x_proj.weight": (8 + 32, 256),
        "dt_proj.weight": (256, 8),
        "dt_proj.bias": (256,),
        "A_log": (256, 16),
        "D": (256,),
        "out_proj.weight": (128, 256),
    }


def test_step_sizes_start_between_their_bounds():
    torch.manual_seed(0)
    step = torch.nn.functional.softplus(Mamba(64).dt_proj.bias)
    assert step.min() > 0.9e-3
    assert step.max() < 1.1e-1


def test_attention_sees_its_radius_only():
    torch.manual_seed(0)
    layer, x = LocalAttention(16, 2, 6).eval(), torch.randn(1, 50, 16)
    changed = x.clone()
    changed[0, 20] += 1.0
    moved = (layer(changed) - layer(x)).abs().amax(-1)[0] > 1e-6
    assert moved[14:27].all()
    assert not moved[:14].any()
    assert not moved[27:].any()


@pytest.mark.parametrize("length", [1, 5, 6, 7, 31])
def test_attention_equals_masked_full_attention_and_ignores_the_start(length):
    torch.manual_seed(1)
    layer = LocalAttention(16, 2, 6).eval()
    x = torch.randn(2, length + 9, 16)
    full = layer(x)
    if length > 12:
        assert torch.allclose(layer(x[:, 9:])[:, 6:], full[:, 15:], atol=1e-5)
    assert layer(x[:, :length]).shape == (2, length, 16)
    assert torch.isfinite(layer(x[:, :length])).all()
