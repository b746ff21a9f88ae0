"""Factors that wait for one another, and units that are all alike, are told apart."""

from typing import Any

import torch
from support.treating import given, sgd, train
from torch import Tensor, nn

from gradmedic.treatment.remedies.weights.break_symmetry import BreakSymmetry, _first_of_each


class Factors(nn.Module):
    """A product of two matrices that both start at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros(2, 6))
        self.b = nn.Parameter(torch.zeros(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.a.T @ self.b.T


def test_one_of_two_zero_factors_is_drawn_and_both_learn() -> None:
    torch.manual_seed(0)
    x = torch.randn(20, 6)
    y = x[:, :4]
    model: Any = Factors()
    assert train(model, sgd(model), x, y)[-1] == train(model, sgd(model), x, y)[0]
    with given(BreakSymmetry(("a",)), model):
        losses = train(model, sgd(model, 0.5), x, y, 200)
    assert losses[-1] < 0.8 * losses[0]


def test_units_that_are_all_alike_become_different() -> None:
    model: Any = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 1))
    nn.init.constant_(model[0].weight, 0.1)
    with given(BreakSymmetry(("0.weight",)), model):
        model(torch.ones(2, 6))
        assert len({round(float(row), 6) for row in model[0].weight.detach().sum(1)}) == 8


def test_of_each_module_only_the_first_zero_matrix_is_drawn() -> None:
    names = ("0.lora_A", "0.lora_B", "1.lora_A", "1.lora_B", "user.weight", "item.weight")
    assert _first_of_each(names) == ("0.lora_A", "1.lora_A", "user.weight", "item.weight")
