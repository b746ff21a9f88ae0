"""Weights start smaller by a factor."""

import torch
from support.treating import given, mlp

from gradmedic.treatment.remedies.weights.scale_down import ScaleDown


def test_only_the_named_weights_are_multiplied() -> None:
    model = mlp(4, 4, 4, 4)
    before = [model[at].weight.detach().clone() for at in (0, 2, 4)]
    with given(ScaleDown(("2.weight", "4.*"), 0.1), model):
        model(torch.ones(2, 4))
        assert torch.equal(model[0].weight, before[0])
        assert torch.allclose(model[2].weight, 0.1 * before[1])
        assert torch.allclose(model[4].weight, 0.1 * before[2])
