"""Units that their biases hold down are let go."""

from typing import Any

import torch
from support.treating import given
from torch import nn

from gradmedic.treatment.remedies.weights.zero_biases import ZeroBiases


def test_biases_and_shifts_become_zero_and_nothing_else() -> None:
    model: Any = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 8))
    for layer in (0, 1, 3, 4):
        nn.init.constant_(model[layer].bias, -20.0)
    scales = model[1].weight.detach().clone(), model[0].weight.detach().clone()
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    assert not model[:3](x).any()
    with given(ZeroBiases()):
        assert model(x).abs().max() < 10
        assert model[:3](x).any()
        assert not any(model[layer].bias.any() for layer in (0, 1, 3, 4))
        assert torch.equal(model[1].weight, scales[0])
        assert torch.equal(model[0].weight, scales[1])


def test_a_raw_bias_is_known_by_what_is_done_with_it() -> None:
    weight, bias, scale = (torch.full(shape, 3.0, requires_grad=True) for shape in ((4, 4), (4,), (4,)))
    with given(ZeroBiases()):
        scale * (torch.ones(2, 4) @ weight + bias)
        assert not bias.any()
        assert scale.all()
        assert weight.all()
