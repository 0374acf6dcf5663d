"""The Poincaré ball against closed forms, and the laws that both spaces keep."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from measures.curved_space import GEOMETRIES, FlatSpace, PoincareBall
from torch import Tensor

BALL = PoincareBall()


def points(seed: int, count: int, reach: float) -> Tensor:
    """Points whose tangent vectors have lengths up to ``reach``."""
    made = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count, 5, generator=made, dtype=torch.float64)
    lengths = reach * torch.rand(count, 1, generator=made, dtype=torch.float64)
    return BALL.from_tangent(vectors / vectors.norm(dim=-1, keepdim=True) * lengths)


def test_distance_along_a_ray_is_twice_the_tangent_length() -> None:
    """d(0, x) = 2 artanh(‖x‖), and on one ray distances add."""
    ray = torch.tensor([[0.0, 0.0], [0.3, 0.4], [0.54, 0.72]], dtype=torch.float64)
    found = BALL.distances(ray, ray)
    assert found[0, 1].item() == pytest.approx(2 * math.atanh(0.5))
    assert found[0, 2].item() == pytest.approx(2 * math.atanh(0.9))
    assert found[1, 2].item() == pytest.approx(2 * math.atanh(0.9) - 2 * math.atanh(0.5))


@given(seed=st.integers(0, 1000), reach=st.floats(0.01, 2.5))
@settings(max_examples=30)
def test_laws_of_the_ball(seed: int, reach: float) -> None:
    first, second = points(seed, 6, reach), points(seed + 1, 6, reach)
    assert torch.allclose(BALL.from_tangent(BALL.to_tangent(first)), first, atol=1e-9)
    assert torch.allclose(BALL.add(torch.zeros_like(first), first), first, atol=1e-12)
    assert torch.allclose(BALL.add(-first, BALL.add(first, second)), second, atol=1e-6), "left cancellation"
    by_sum = 2 * torch.atanh(BALL.add(-first, second).norm(dim=-1))
    assert torch.allclose(BALL.distances(first, second).diagonal(), by_sum, atol=1e-6)
    vector = BALL.logarithm(first, second)
    assert torch.allclose(BALL.exponential(first, vector), second, atol=1e-6)
    length = 2.0 / (1.0 - first.square().sum(-1)) * vector.norm(dim=-1)
    assert torch.allclose(length, by_sum, atol=1e-6), "the tangent vector is as long as the way"


def test_the_mean_has_the_least_squared_distances() -> None:
    cloud = points(3, 12, 1.5)
    middle = BALL.mean(cloud, steps=60)
    least = BALL.distances(cloud, middle[None]).square().sum()
    assert BALL.logarithm(middle[None], cloud).mean(0).norm() < 1e-6, "no pull is left"
    for axis in range(5):
        for step in (-1e-2, 1e-2):
            moved = middle.clone()
            moved[axis] += step
            assert BALL.distances(cloud, moved[None]).square().sum() > least
    pair = torch.tensor([[0.5, 0.0], [-0.5, 0.0]], dtype=torch.float64)
    assert torch.allclose(BALL.mean(pair), torch.zeros(2, dtype=torch.float64), atol=1e-9)


def test_near_the_origin_the_ball_is_flat_up_to_its_scale() -> None:
    near = 1e-4 * torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.allclose(BALL.distances(near, near), 2 * FlatSpace().distances(near, near), rtol=1e-5, atol=1e-7)
    assert torch.allclose(BALL.add(near[:3], near[3:]), near[:3] + near[3:], atol=1e-9)


@pytest.mark.parametrize("name", ["ball", "flat"])
def test_values_and_gradients_stay_finite(name: str) -> None:
    space = GEOMETRIES[name]
    vectors = torch.tensor([[0.0, 0.0], [50.0, 0.0], [-50.0, 1e-9], [1e-9, 0.0]], requires_grad=True)
    at = space.from_tangent(vectors)
    total = space.distances(at, at).sum() + space.add(at[:2], at[2:]).sum() + space.to_tangent(at).sum()
    total.backward()
    assert torch.isfinite(total)
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()
