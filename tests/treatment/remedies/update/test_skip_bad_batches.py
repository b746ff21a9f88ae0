"""A step whose gradient is not finite moves nothing."""

import torch
from support.treating import given
from torch import nn

from gradmedic.treatment.remedies.update.skip_bad_batches import SkipBadBatches


def test_weights_and_averages_stay_what_they_were() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weight], lr=0.1)
    with given(SkipBadBatches()):
        weight.grad = torch.tensor([float("nan"), 1.0])
        optimizer.step()
        assert torch.equal(weight, torch.ones(2))
        assert not optimizer.state
        weight.grad = torch.tensor([1.0, 1.0])
        optimizer.step()
    assert torch.allclose(weight, torch.full((2,), 0.9))
