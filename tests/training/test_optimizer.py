"""Muon and AdamW."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from sedtalker.training.task import Muon, TrainerConfig, hidden_matrices, learning_rate, make_optimizer, orthogonalize


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ModuleList([nn.Linear(8, 8), nn.Conv1d(8, 8, 3)]), nn.Linear(8, 2))


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (16, 16)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    matrix = torch.randn(shape) * 7
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalize(matrix)
    assert torch.linalg.svdvals(found)[: min(shape) - 2].sub(1).abs().max() < 0.6
    assert torch.nn.functional.cosine_similarity(found.flatten(), (u @ v).flatten(), dim=0) > 0.9


def test_only_matrices_inside_are_orthogonal() -> None:
    model = network()
    inside = model[1]
    assert {id(p) for p in hidden_matrices(model)} == {id(inside[0].weight), id(inside[1].weight)}


def test_the_rest_goes_as_adamw_would() -> None:
    model = network()
    other = copy.deepcopy(model)
    config = TrainerConfig(steps=1, run_dir="", optimizer="muon", lr=1e-2, weight_decay=0.1)
    muon, adam = Muon(model, config), make_optimizer(other, config.model_copy(update={"optimizer": "adamw"}))
    for step in range(3):
        for each in (model, other):
            torch.manual_seed(step)
            for p in each.parameters():
                p.grad = torch.randn_like(p)
        muon.step()
        adam.step()
    assert model[0].weight.detach().numpy() == pytest.approx(other[0].weight.detach().numpy(), abs=1e-5)
    assert not torch.allclose(model[1][0].weight, other[1][0].weight, atol=1e-3)


def test_a_run_goes_on_from_its_state() -> None:
    config = TrainerConfig(steps=1, run_dir="", optimizer="muon")
    model = network()
    optimizer = make_optimizer(model, config)

    def steps(model: nn.Module, optimizer: torch.optim.Optimizer, seeds: range) -> torch.Tensor:
        for seed in seeds:
            torch.manual_seed(seed)
            for p in model.parameters():
                p.grad = torch.randn_like(p)
            optimizer.step()
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    steps(model, optimizer, range(2))
    again = copy.deepcopy(model)
    resumed = make_optimizer(again, config)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert torch.equal(steps(model, optimizer, range(2, 4)), steps(again, resumed, range(2, 4)))


def test_a_linear_schedule_is_steady_at_first() -> None:
    config = TrainerConfig(steps=1000, run_dir="", warmup=10, schedule="linear", lr=1.0)
    rates = [learning_rate(step, config) for step in (0, 9, 500, 800, 1000)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[1] == rates[2] == 1.0
    assert 0 < rates[3] < 1
    assert rates[4] == pytest.approx(0.0)
