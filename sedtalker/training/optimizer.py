"""Optimisers of training: AdamW, or Muon for the matrices inside a network and AdamW for the rest.

Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks") takes the momentum of a weight
matrix to the nearest orthogonal matrix, so that all its directions are learned at one pace. ``torch.optim.Muon``
refuses kernels of convolutions, which are most of the matrices here; they are flattened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sedtalker.training.task import TrainerConfig

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration: they bring singular values near 1 fast, not exactly to it (Jordan et al. 2024)."""
ITERATIONS = 4
"""Newton–Schulz iterations per step."""
MOMENTUM = 0.95
"""Momentum of Muon."""
MUON_LR = 8.0
"""Muon's learning rate as a multiple of AdamW's: steps of a matrix have a spectral norm, not an element's size."""


def make_optimizer(model: nn.Module, config: TrainerConfig) -> torch.optim.Optimizer:
    """The optimiser that a trainer's settings ask for."""
    if config.optimizer == "muon":
        return Muon(model, config)
    return torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay, betas=config.betas)


def hidden_matrices(model: nn.Module) -> list[Tensor]:
    """Weights of matrices and convolutions inside ``nn.ModuleList`` blocks: neither the first nor the last layer."""
    found = []
    for blocks in model.modules():
        if isinstance(blocks, nn.ModuleList):
            found += [p for p in blocks.parameters() if p.ndim >= 2]
    return list({id(p): p for p in found}.values())


class Muon(torch.optim.Optimizer):
    """Muon for ``hidden_matrices``, AdamW for what is left; ``lr_scale`` of a group multiplies the trainer's rate."""

    def __init__(self, model: nn.Module, config: TrainerConfig):
        matrices = hidden_matrices(model)
        chosen = {id(p) for p in matrices}
        rest = [p for p in model.parameters() if id(p) not in chosen]
        groups = [{"params": matrices, "muon": True, "lr_scale": MUON_LR}, {"params": rest, "muon": False}]
        super().__init__([g for g in groups if g["params"]], {"lr": config.lr, "weight_decay": config.weight_decay})
        self.betas = config.betas

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of every weight that has a gradient."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                update = self._orthogonal(weight) if group["muon"] else self._adam(weight)
                weight.mul_(1.0 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"])
        return loss

    def _orthogonal(self, weight: Tensor) -> Tensor:
        momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
        momentum.mul_(MOMENTUM).add_(weight.grad)
        matrix = (weight.grad + MOMENTUM * momentum).flatten(1)
        return (orthogonalize(matrix) * max(1.0, len(matrix) / matrix.shape[1]) ** 0.5).view_as(weight)

    def _adam(self, weight: Tensor) -> Tensor:
        assert weight.grad is not None
        memory: dict[str, Any] = self.state[weight]
        if not memory:
            memory |= {"steps": torch.zeros(()), "mean": torch.zeros_like(weight), "square": torch.zeros_like(weight)}
        first, second = self.betas
        memory["steps"] += 1
        memory["mean"].lerp_(weight.grad, 1.0 - first)
        memory["square"].lerp_(weight.grad.square(), 1.0 - second)
        mean = memory["mean"] / (1.0 - first ** float(memory["steps"]))
        return mean / ((memory["square"] / (1.0 - second ** float(memory["steps"]))).sqrt() + 1e-8)


def orthogonalize(matrix: Tensor) -> Tensor:
    """A matrix (m, n) whose singular values are near 1 and whose singular vectors are those of ``matrix``.

    A quintic Newton-Schulz iteration in bfloat16; singular values end between about .7 and 1.2.
    """
    a, b, c = NEWTON_SCHULZ
    wide = matrix.shape[0] <= matrix.shape[1]
    x = (matrix if wide else matrix.T).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x if wide else x.T).to(matrix.dtype)
