"""Logarithms of probabilities are the same numbers, without zeros and infinities in between."""

from collections.abc import Callable

import pytest
import torch
from support.treating import given
from torch import Tensor

from gradmedic.treatment.remedies.model.stable_logarithms import StableLogarithms

FORMS: list[Callable[[Tensor], Tensor]] = [
    lambda x: torch.log(torch.softmax(x, 1)),
    lambda x: torch.log(torch.softmax(x, 1).gather(1, torch.tensor([[0], [1]]))).expand(2, 3),
    lambda x: x.sigmoid().log(),
    lambda x: torch.log(1 - torch.sigmoid(x)),
    lambda x: torch.log(torch.exp(x).sum(1)),
    lambda x: torch.log(torch.exp(x).sum(1, keepdim=True)).expand(2, 3),
    lambda x: torch.exp(x) / torch.exp(x).sum(1, keepdim=True),
    lambda x: (e := x.exp()) / e.sum(1, keepdim=True),
    lambda x: torch.log((e := x.exp()) / e.sum(1, keepdim=True)),
]


@pytest.mark.parametrize("form", FORMS)
def test_numbers_of_usual_size_are_the_same(form: Callable[[Tensor], Tensor]) -> None:
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    expected = form(x)
    with given(StableLogarithms()):
        assert torch.allclose(form(x), expected, atol=1e-6)


@pytest.mark.parametrize("form", [form for at, form in enumerate(FORMS) if at != 6])
def test_huge_numbers_give_finite_values_and_gradients(form: Callable[[Tensor], Tensor]) -> None:
    x = torch.tensor([[500.0, -500.0, 0.0], [300.0, 0.0, -300.0]], requires_grad=True)
    with given(StableLogarithms()):
        out = form(x)
        out.sum().backward()
    assert torch.isfinite(out).all()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
