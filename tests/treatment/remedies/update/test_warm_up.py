"""Learning rates begin low."""

from itertools import pairwise

import torch
from support.treating import given
from torch import nn

from gradmedic.treatment.remedies.update.decay_learning_rate import DecayLearningRate
from gradmedic.treatment.remedies.update.warm_up import WarmUp


def sizes(remedy: WarmUp | DecayLearningRate, steps: int) -> list[float]:
    """How far each of several equal steps goes."""
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    with given(remedy):
        places = [0.0]
        for _ in range(steps):
            weight.grad = -torch.ones(1)
            optimizer.step()
            places.append(float(weight.detach()))
    assert optimizer.param_groups[0]["lr"] == 1.0
    return [round(b - a, 5) for a, b in pairwise(places)]


def test_steps_grow_evenly_to_the_whole_rate() -> None:
    assert sizes(WarmUp(4), 6) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_steps_halve_with_the_half_life() -> None:
    assert sizes(DecayLearningRate(2), 5) == [1.0, 0.70711, 0.5, 0.35355, 0.25]
