"""Weights start at a size between those that keep signals and gradients."""

from typing import Any

import pytest
import torch
from support.treating import given
from torch import nn

from gradmedic.treatment.remedies.weights.init_xavier import InitXavier


def test_the_variance_is_two_over_both_fans() -> None:
    model: Any = nn.Sequential(nn.Linear(300, 100), nn.Tanh(), nn.Conv1d(1, 50, 5))
    with given(InitXavier()):
        model[0](torch.ones(2, 300))
        model[2](torch.ones(2, 1, 20))
        assert float(model[0].weight.detach().std()) == pytest.approx((2 / 400) ** 0.5, rel=0.05)
        assert float(model[2].weight.detach().std()) == pytest.approx((2 / (5 + 250)) ** 0.5, rel=0.2)


def test_saturated_layers_are_brought_back_into_their_range() -> None:
    torch.manual_seed(0)
    model: Any = nn.Sequential(nn.Linear(64, 64), nn.Tanh())
    nn.init.normal_(model[0].weight)
    x = torch.randn(100, 64)
    assert (model(x).abs() > 0.97).float().mean() > 0.5
    with given(InitXavier()):
        assert (model(x).abs() > 0.97).float().mean() < 0.1
