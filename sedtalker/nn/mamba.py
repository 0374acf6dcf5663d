"""A Mamba block whose parameters have the names and shapes of ``mamba_ssm.Mamba``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.nn import initialised
from sedtalker.nn.scan import scan_step, selective_scan


@dataclass
class MambaState:
    """What a block remembers: the last inputs of its convolution (B, E, d_conv) and the scan's state (B, E, N)."""

    conv: Tensor
    ssm: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """What it holds, to be stacked with that of other streams."""
        return self.conv, self.ssm

    @classmethod
    def of(cls, conv: Tensor, ssm: Tensor) -> MambaState:
        """From its tensors."""
        return cls(conv, ssm)


class Mamba(nn.Module):
    """Selective state-space block, (B, L, D) → (B, L, D), causal.

    Gu and Dao 2023 (arXiv 2312.00752). ``forward`` may be given the state that an earlier stretch left behind, and
    ``step`` advances one frame: all three give the same numbers.
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

    def _initialise_steps(self, shortest: float = 1e-3, longest: float = 1e-1) -> None:
        """Step sizes start log-uniform; the bias is their inverse softplus."""
        scale = self.dt_rank**-0.5
        nn.init.uniform_(self.dt_proj.weight, -scale, scale)
        if self.dt_proj.weight.is_meta:
            return  # as in ``initialised``
        span = math.log(longest) - math.log(shortest)
        step = torch.exp(torch.rand(self.d_inner) * span + math.log(shortest)).clamp_min(1e-4)
        with torch.no_grad():
            self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))

    def start(self, batch: int) -> MambaState:
        """The state before the first frame."""
        like = self.D
        return MambaState(
            like.new_zeros(batch, self.d_inner, self.d_conv), like.new_zeros(batch, self.d_inner, self.d_state)
        )

    def forward(self, x: Tensor, state: MambaState | None = None) -> Tensor:
        """(B, L, D) → (B, L, D); a given ``state`` is read and updated in place."""
        u, z = self.in_proj(x).transpose(1, 2).chunk(2, dim=1)
        if state is None:
            convolved = self.conv1d(u)[..., : u.shape[-1]]
        else:
            joined = torch.cat([state.conv[..., 1:], u], dim=-1)
            convolved = F.conv1d(joined, self.conv1d.weight, self.conv1d.bias, groups=self.d_inner)
            state.conv = torch.cat([state.conv, u], dim=-1)[..., -self.d_conv :]
        u = F.silu(convolved)
        delta, B, C = self._gates(u.transpose(1, 2))
        y, last = selective_scan(
            u,
            delta.transpose(1, 2),
            -torch.exp(self.A_log.float()),
            B.transpose(1, 2),
            C.transpose(1, 2),
            self.D.float(),
            z,
            None if state is None else state.ssm,
        )
        if state is not None:
            state.ssm = last
        return self.out_proj(y.transpose(1, 2))

    def step(self, x: Tensor, state: MambaState) -> Tensor:
        """One frame (B, D) → (B, D); updates ``state``."""
        u, z = self.in_proj(x).chunk(2, dim=-1)
        state.conv = torch.cat([state.conv[..., 1:], u[..., None]], dim=-1)
        assert self.conv1d.bias is not None
        u = F.silu((state.conv * self.conv1d.weight[:, 0]).sum(-1) + self.conv1d.bias)
        delta, B, C = self._gates(u)
        A = -torch.exp(self.A_log.float())
        y, state.ssm = scan_step(u, delta, A, B, C, self.D.float(), z, state.ssm)
        return self.out_proj(y)

    def _gates(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Step sizes (…, E) and gates (…, N) twice of the convolved inputs (…, E)."""
        low_rank, B, C = self.x_proj(u).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        return F.softplus(self.dt_proj(low_rank)), B, C
