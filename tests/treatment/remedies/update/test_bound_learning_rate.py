"""A schedule can move the rate only so far."""

import torch
from support.treating import given
from torch import nn

from gradmedic.treatment.remedies.update.bound_learning_rate import BoundLearningRate


def test_the_rate_stays_between_the_bounds_and_the_schedule_goes_on() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 10.0)
    with given(BoundLearningRate(least=2.0, most=20.0)):
        places = []
        for _ in range(3):
            weight.grad = -torch.ones(1)
            optimizer.step()
            schedule.step()
            places.append(float(weight.detach()))
    assert places == [2.0, 12.0, 32.0]
    assert optimizer.param_groups[0]["lr"] == 1000.0
