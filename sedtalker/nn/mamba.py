"""The selective state space block of Mamba and its scan in plain torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

from sedtalker.nn import initialised

INFERENCE_CHUNK = 256
"""Frames that are scanned at once in inference, which bounds memory."""


def doubled(decay: Tensor, drive: Tensor) -> Tensor:
    """h[t] = decay[t] h[t-1] + drive[t] from h[-1] = 0, (L, …), in log₂ L steps over all of it."""
    stride = 1
    while stride < len(drive):
        drive = torch.cat([drive[:stride], torch.addcmul(drive[stride:], decay[stride:], drive[:-stride])])
        decay = torch.cat([decay[:stride], decay[stride:] * decay[:-stride]])
        stride *= 2
    return drive


def _forwards(decay: Tensor, drive: Tensor, first: Tensor) -> Tensor:
    states = drive.clone()
    states[0].addcmul_(decay[0], first)
    if states.is_cuda:
        return doubled(decay, states)
    for t in range(1, len(states)):
        states[t].addcmul_(decay[t], states[t - 1])
    return states


def _in_turn(decay: Tensor, drive: Tensor, state: Tensor) -> Tensor:
    """h[:, t] = decay[:, t] h[:, t-1] + drive[:, t] from a state (B, 1, …), (B, L, …), one frame after the other.

    A seventh of the time of ``doubled`` on a processor, whose memory it hardly leaves.
    """
    states = []
    for shrunk, added in zip(decay.split(1, 1), drive.split(1, 1), strict=True):
        state = shrunk * state + added
        states.append(state)
    return torch.cat(states, 1)


def _backwards(decay: Tensor, gradient: Tensor) -> Tensor:
    """Gradient at h[t] of everything after it: flow[t] = gradient[t] + decay[t+1] flow[t+1]."""
    return doubled(torch.cat([decay[:1], decay[1:].flip(0)]), gradient.flip(0)).flip(0)


class _Recurrence(torch.autograd.Function):
    """(L, B, E, N) decays and inputs to the states h[t] = a[t] h[t-1] + b[t]; ``first`` is h[-1], (B, E, N)."""

    @staticmethod
    def forward(ctx: Any, decay: Tensor, drive: Tensor, first: Tensor) -> Tensor:
        states = _forwards(decay, drive, first)
        ctx.save_for_backward(decay, states, first)
        return states

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Any) -> tuple[Tensor, Tensor, Tensor]:
        decay, states, first = ctx.saved_tensors  # type: ignore[attr-defined]
        flow = _backwards(decay, gradients[0])
        into_decay = torch.empty_like(flow)
        torch.mul(flow[0], first, out=into_decay[0])
        torch.mul(flow[1:], states[:-1], out=into_decay[1:])
        return into_decay, flow, flow[0] * decay[0]


@lru_cache(maxsize=1)
def cuda_kernel() -> Callable[..., Any] | None:
    """``mamba_ssm``'s fused scan, or None where it cannot be imported (it fails in many ways, so all are caught)."""
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except Exception:
        return None
    kernel: Callable[..., Any] = selective_scan_fn
    return kernel


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor,
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Gated selective scan: (B, E, L) outputs and the last state (B, E, N).

    Args:
        u: (B, E, L) inputs.
        delta: (B, E, L) step sizes, positive.
        A: (E, N) negative.
        B: (B, N, L) input gates.
        C: (B, N, L) output gates.
        D: (E,) skip.
        z: (B, E, L) the output is multiplied by silu(z).
        state: (B, E, N) state before the first step; zero if None.
    """
    kernel = cuda_kernel() if u.is_cuda and state is None else None
    if kernel is not None:
        y, last = kernel(u, delta, A, B, C, D, z=z, delta_bias=None, delta_softplus=False, return_last_state=True)
        return y, last
    parts, last, chunk = [], state, u.shape[-1] if torch.is_grad_enabled() else INFERENCE_CHUNK
    for start in range(0, u.shape[-1], chunk):
        part = slice(start, start + chunk)
        y, last = _scan(u[..., part], delta[..., part], A, B[..., part], C[..., part], last)
        parts.append(y)
    y = torch.cat(parts, dim=-1)
    assert last is not None
    return (y + D[:, None] * u) * F.silu(z), last


def _scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
    if torch.is_grad_enabled() and not u.is_cuda and u.dtype != torch.float64:
        from sedtalker.nn.fused_scan import FusedScan

        zero = u.new_zeros(*u.shape[:2], A.shape[1]) if state is None else state
        y, last = FusedScan.apply(u, delta, A, B, C, zero)
        return y, last
    step = delta.permute(2, 0, 1)[..., None]
    decay = torch.exp(step * A)
    drive = (delta * u).permute(2, 0, 1)[..., None] * B.permute(2, 0, 1)[:, :, None]
    first = torch.zeros_like(decay[0]) if state is None else state
    states = _Recurrence.apply(decay, drive, first)
    y = torch.einsum("lben,bnl->bel", states, C)
    return y, states[-1]


class Mamba(nn.Module):
    """Selective state-space block, (B, L, D) → (B, L, D), causal.

    Gu and Dao 2023 (arXiv 2312.00752). ``step`` over stretches gives the same numbers as ``forward`` over all of it.
    """

    def __init__(self, d_model: int, d_state: int = 16, d_conv: int = 4, expand: int = 2):
        super().__init__()
        self.d_state, self.d_conv, self.d_inner = d_state, d_conv, expand * d_model
        self.dt_rank = math.ceil(d_model / 16)
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner, bias=False)
        self.conv1d = nn.Conv1d(self.d_inner, self.d_inner, d_conv, groups=self.d_inner, padding=d_conv - 1)
        self.x_proj = nn.Linear(self.d_inner, self.dt_rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, self.d_inner)
        self.A_log = initialised(self._first_decays, self.d_inner, d_state)
        self.D = nn.Parameter(torch.ones(self.d_inner))
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=False)
        self._initialise_steps()

    def _first_decays(self) -> Tensor:
        """Logarithms of 1, 2, … N for every channel (S4D-Real)."""
        return torch.log(torch.arange(1, self.d_state + 1).float()).repeat(self.d_inner, 1)

    def _initialise_steps(self) -> None:
        """Step sizes start log-uniform between .001 and .1; the bias is their inverse softplus."""
        scale = self.dt_rank**-0.5
        nn.init.uniform_(self.dt_proj.weight, -scale, scale)
        if self.dt_proj.weight.is_meta:
            return  # as in ``initialised``
        step = 1e-3 * 100 ** torch.rand(self.d_inner)
        with torch.no_grad():
            self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) → (B, L, D)."""
        u, z = self.in_proj(x).transpose(1, 2).chunk(2, dim=1)
        u = F.silu(self.conv1d(u)[..., : u.shape[-1]])
        delta, B, C = self._gates(u.transpose(1, 2))
        y, _ = selective_scan(
            u,
            delta.transpose(1, 2),
            -torch.exp(self.A_log.float()),
            B.transpose(1, 2),
            C.transpose(1, 2),
            self.D.float(),
            z,
        )
        return self.out_proj(y.transpose(1, 2))

    def step(self, x: Tensor, valid: Tensor, past: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The next frames of a stream; the scan is written out frame by frame, so a graph of it has no loop.

        Args:
            x: (B, L, D).
            valid: (B, L) 1, or 0 for frames that change no state.
            past: (B, E, d_conv - 1) the last inputs of the convolution; zeros before the first frame.
            state: (B, E, N) of the scan; zeros before the first frame.

        Returns:
            (B, L, D), and both states after these frames.
        """
        u, z = self.in_proj(x).chunk(2, dim=-1)
        joined = torch.cat([past.transpose(1, 2), u * valid[..., None]], dim=1)
        kernel = self.conv1d.weight[:, 0].unbind(-1)
        u = F.silu(
            sum((joined[:, k : k + x.shape[1]] * w for k, w in enumerate(kernel)), cast(Tensor, self.conv1d.bias))
        )
        delta, B, C = self._gates(u)
        delta = delta * valid[..., None]
        decay = torch.exp(delta[:, :, None] * -torch.exp(self.A_log.float()).T)
        drive = (delta * u)[:, :, None] * B[..., None]
        states = _in_turn(decay, drive, state.transpose(1, 2)[:, None])
        y = (C[:, :, None] @ states)[:, :, 0] + self.D.float() * u
        after = joined[:, -past.shape[-1] :].transpose(1, 2)
        return self.out_proj(y * F.silu(z)), after, states[:, -1].transpose(1, 2)

    def _gates(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Step sizes (…, E) and gates (…, N) twice of the convolved inputs (…, E)."""
        low_rank, B, C = self.x_proj(u).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        steps = self.dt_proj(low_rank)
        if torch.compiler.is_exporting():  # engines have a slow softplus
            return torch.relu(steps) + torch.log(1.0 + torch.exp(-steps.abs())), B, C
        return F.softplus(steps), B, C
