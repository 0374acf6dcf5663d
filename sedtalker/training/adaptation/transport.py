"""Optimal transport with entropy: which unlabelled sample belongs to which prototype, all of them looked at together.

Sinkhorn's iteration in the log domain (Cuturi 2013, "Sinkhorn distances", arXiv 1306.0895; stable form: Peyré and
Cuturi 2019, section 4.4).
"""

from __future__ import annotations

import torch
from torch import Tensor

SMOOTHNESS = 0.05
"""Weight of the entropy, for costs between 0 and 1."""
STEPS = 50
"""Iterations."""


def sinkhorn(cost: Tensor, rows: Tensor, columns: Tensor, smoothness: float = SMOOTHNESS, steps: int = STEPS) -> Tensor:
    """The transport plan (C, N) of least cost plus negative entropy; its columns sum to ``columns`` exactly.

    Args:
        cost: (C, N).
        rows: (C,) mass of each row, positive, sums to 1.
        columns: (N,) mass of each column, positive, sums to 1.
        smoothness: of the plan; near 0 it becomes a hard assignment.
        steps: of the iteration.
    """
    kernel = -cost / smoothness
    left, right = torch.zeros_like(rows), torch.zeros_like(columns)
    for _ in range(steps):
        left = rows.log() - torch.logsumexp(kernel + right, 1)
        right = columns.log() - torch.logsumexp(kernel + left[:, None], 0)
    return (kernel + left[:, None] + right).exp()


def soft_labels(cost: Tensor, rows: Tensor, smoothness: float = SMOOTHNESS) -> tuple[Tensor, Tensor]:
    """Shares (N, C) of the prototypes in each sample, and the cost of the plan, from costs (C, N) of any scale.

    Args:
        cost: of each prototype and sample, not negative.
        rows: (C,) how much of the samples each prototype gets.
        smoothness: see ``sinkhorn``.
    """
    count = cost.shape[1]
    scaled = cost / cost.max().clamp_min(1e-12)
    plan = sinkhorn(scaled.detach(), rows, torch.full((count,), 1.0 / count, dtype=cost.dtype), smoothness)
    return (plan * count).T, (plan * scaled).sum()
