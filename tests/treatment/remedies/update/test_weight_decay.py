"""Weights shrink by learning rate x rate, whatever the optimizer."""

from typing import Any

import pytest
import torch
from support.treating import given
from torch import nn

from gradmedic.treatment.remedies.update.weight_decay import WeightDecay


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW, torch.optim.Adam, torch.optim.RMSprop])
def test_a_weight_without_gradient_shrinks_by_the_rate(kind: Any) -> None:
    weight = nn.Parameter(torch.ones(2, 2))
    make: object = kind
    optimizer = make([weight], lr=0.1)  # type: ignore[operator]
    with given(WeightDecay(0.5)):
        weight.grad = torch.zeros(2, 2)
        optimizer.step()
    assert torch.allclose(weight, torch.full((2, 2), 0.95))
    assert optimizer.param_groups[0]["weight_decay"] in (0.0, 0.01)
