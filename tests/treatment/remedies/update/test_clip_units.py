"""Each unit's gradient is bounded by its own weights."""

import torch
from support.treating import given
from torch import nn

from gradmedic.treatment.remedies.update.clip_units import ClipUnits


def test_only_the_unit_that_is_too_large_is_clipped() -> None:
    weight = nn.Parameter(torch.ones(2, 4))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    weight.grad = torch.stack([torch.full((4,), 50.0), torch.full((4,), 0.001)])
    with given(ClipUnits(0.01)):
        optimizer.step()
    assert torch.allclose(weight[0], torch.full((4,), 0.99))
    assert torch.allclose(weight[1], torch.full((4,), 0.999))


def test_what_starts_at_zero_can_move() -> None:
    weight = nn.Parameter(torch.zeros(1, 4))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    weight.grad = torch.ones(1, 4)
    with given(ClipUnits(0.01)):
        optimizer.step()
    assert float(weight.detach().norm()) > 0
