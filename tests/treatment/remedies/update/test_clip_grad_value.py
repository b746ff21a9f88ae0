"""Clipping by value bounds every entry."""

import torch
from support.treating import given
from torch import nn

from gradmedic.treatment.remedies.update.clip_grad_value import ClipGradValue


def test_no_entry_is_beyond_the_limit_and_the_others_stay() -> None:
    weight = nn.Parameter(torch.zeros(4))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    weight.grad = torch.tensor([100.0, -100.0, 0.1, 0.0])
    with given(ClipGradValue(0.5)):
        optimizer.step()
    assert torch.allclose(weight, torch.tensor([-0.5, 0.5, -0.1, 0.0]))
