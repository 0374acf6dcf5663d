"""Sinkhorn's plan: its margins, its limit, and what it assigns."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from measures.curved_space import sinkhorn, soft_labels


@given(seed=st.integers(0, 500), classes=st.integers(2, 5), count=st.integers(2, 20))
@settings(max_examples=25)
def test_the_plan_has_its_margins(seed: int, classes: int, count: int) -> None:
    made = torch.Generator().manual_seed(seed)
    cost = torch.rand(classes, count, generator=made, dtype=torch.float64)
    rows = torch.rand(classes, generator=made, dtype=torch.float64) + 0.1
    rows = rows / rows.sum()
    columns = torch.full((count,), 1.0 / count, dtype=torch.float64)
    plan = sinkhorn(cost, rows, columns, smoothness=0.2, steps=500)
    assert torch.allclose(plan.sum(0), columns, atol=1e-9)
    assert torch.allclose(plan.sum(1), rows, atol=1e-4)
    assert (plan > 0).all()


def test_two_by_two_has_a_closed_form() -> None:
    """With cost [[0, 1], [1, 0]] and even margins the diagonal has 1 / (2 (1 + exp(-1 / ε)))."""
    even = torch.full((2,), 0.5, dtype=torch.float64)
    plan = sinkhorn(1.0 - torch.eye(2, dtype=torch.float64), even, even, smoothness=0.5)
    diagonal = 0.5 / (1 + torch.exp(torch.tensor(-2.0)).item())
    assert plan[0, 0].item() == pytest.approx(diagonal)


def test_a_shift_of_all_samples_is_undone_by_the_margins() -> None:
    """Samples of two groups, both nearer to the first prototype: each group still gets its own."""
    values = torch.tensor([0.0, 0.1, 0.2, 1.0, 1.1, 1.2], dtype=torch.float64) - 2.0
    prototypes = torch.tensor([0.0, 1.0], dtype=torch.float64)
    cost = (prototypes[:, None] - values).square()
    assert (cost.argmin(0) == 0).all()
    shares, moved = soft_labels(cost, torch.tensor([0.5, 0.5], dtype=torch.float64))
    assert shares.argmax(1).tolist() == [0, 0, 0, 1, 1, 1]
    assert torch.allclose(shares.sum(1), torch.ones(6, dtype=torch.float64), atol=1e-6)
    assert 0.0 < moved < 1.0
