"""Gradients that float16 would round to zero arrive."""

import pytest
import torch
from support.treating import given
from torch import Tensor, nn

from gradmedic.base.errors import RemedyError
from gradmedic.treatment.remedies.update.scale_loss import ScaleLoss


def loss(weight: Tensor, size: float) -> Tensor:
    return (weight.to(torch.float16) * 1.0).float().sum() * size


def test_what_underflows_arrives_at_its_size() -> None:
    weight = nn.Parameter(torch.ones(2))
    loss(weight, 1e-9).backward()
    assert weight.grad is not None
    assert not weight.grad.any()
    weight.grad = torch.full((2,), 1e-9)  # of a pass before: they add up
    with given(ScaleLoss()):
        loss(weight, 1e-9).backward()
    assert torch.allclose(weight.grad, torch.full((2,), 2e-9), rtol=1e-2)


def test_what_overflows_adds_nothing_and_lowers_the_scale() -> None:
    weight = nn.Parameter(torch.ones(2))
    with given(ScaleLoss()):
        loss(weight, 1.5).backward()
        assert weight.grad is None
        loss(weight, 1.5).backward()
    assert weight.grad is not None
    assert torch.allclose(weight.grad, torch.full((2,), 1.5), rtol=1e-2)


def test_weights_in_float16_are_refused() -> None:
    weight = nn.Parameter(torch.ones(2, dtype=torch.float16))
    with given(ScaleLoss()), pytest.raises(RemedyError, match="float16 themselves"):
        weight.sum().backward()
