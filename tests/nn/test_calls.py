"""Works that hand out their calls give the same alone and together."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sedtalker.nn.calls import Call, Steps, alone, together

torch.manual_seed(0)
NETWORK = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4))


class Counting:
    """A network that remembers how many items each call had."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    @torch.no_grad()
    def __call__(self, x: np.ndarray, scale: float) -> tuple[np.ndarray, ...]:
        self.sizes.append(len(x))
        return NETWORK(torch.from_numpy(x)).numpy() * np.float32(scale), x.sum(-1)


def work(run: Counting, seed: int, rounds: int, length: int, scale: float = 1.0) -> Steps[np.ndarray]:
    """Calls, each on what the last one gave."""
    x = np.random.default_rng(seed).standard_normal((1, length, 4)).astype(np.float32)
    for _ in range(rounds):
        x, total = yield Call(run, (x,), (scale,))
        assert total.shape == (1, length)
    return x


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3), st.sampled_from([0.5, 1.0])), max_size=9))
def test_together_equals_alone(works):
    run = Counting()
    expected = [alone(work(run, seed, *one)) for seed, one in enumerate(works)]
    found = together([work(run, seed, *one) for seed, one in enumerate(works)])
    assert len(found) == len(works)
    for one, other in zip(expected, found, strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other).max(initial=0.0) < 1e-5


def test_calls_of_one_kind_are_one_call():
    run = Counting()
    together([work(run, seed, 3, 5) for seed in range(6)])
    assert run.sizes == [6, 6, 6]
    run.sizes.clear()
    together([*(work(run, seed, 1, 5) for seed in range(3)), *(work(run, seed, 1, 7) for seed in range(2))])
    assert sorted(run.sizes) == [2, 3]


def test_one_that_fails_leaves_the_others():
    def failing() -> Steps[None]:
        yield Call(Counting(), (np.zeros((1, 2, 4), np.float32),), (1.0,))
        raise ValueError("broken")

    run = Counting()
    found = together([failing(), work(run, 0, 2, 3), failing()])
    assert [type(result).__name__ for result in found] == ["ValueError", "ndarray", "ValueError"]
    assert np.allclose(found[1], alone(work(run, 0, 2, 3)), atol=1e-6)


def test_a_network_that_fails_ends_those_who_called_it():
    def short_of_memory(x: np.ndarray, scale: float) -> tuple[np.ndarray, ...]:
        raise RuntimeError("bad allocation")

    run = Counting()
    found = together([work(short_of_memory, 0, 1, 3), work(run, 0, 2, 3), work(short_of_memory, 1, 1, 3)])
    assert [type(result).__name__ for result in found] == ["RuntimeError", "ndarray", "RuntimeError"]


def test_nothing_is_nothing():
    assert together([]) == []
