"""Functions and their slopes stay finite at the ends of their domain."""

import pytest
import torch
from support.treating import given
from torch import Tensor

from gradmedic.base.errors import RemedyError
from gradmedic.treatment.remedies.model.add_epsilon import GUARDS, AddEpsilon

ENDS = {
    "log": [0.0, -1.0],
    "log2": [0.0],
    "log10": [0.0],
    "log1p": [-1.0, -2.0],
    "sqrt": [0.0, -1e-9],
    "rsqrt": [0.0],
    "acos": [1.0, -1.0, 1.1],
    "asin": [1.0, -1.0],
    "atanh": [1.0, -1.0],
    "exp": [1000.0],
    "expm1": [1000.0],
    "reciprocal": [0.0],
}


@pytest.mark.parametrize("op", ENDS)
def test_the_ends_of_a_function_are_finite_and_its_middle_is_the_same(op: str) -> None:
    ends = torch.tensor(ENDS[op], requires_grad=True)
    middle = torch.tensor([0.3, 0.5])
    call = getattr(torch, op)
    expected = call(middle)
    with given(AddEpsilon((f"*/{op}",))):
        out = call(ends)
        out.sum().backward()
        assert torch.equal(call(middle), expected)
    assert torch.isfinite(out).all()
    assert ends.grad is not None
    assert torch.isfinite(ends.grad).all()


def finite(op: str, out: Tensor, x: Tensor) -> None:
    out.sum().backward()
    assert torch.isfinite(out).all(), op
    assert x.grad is not None
    assert torch.isfinite(x.grad).all(), op


def test_divisors_of_either_sign_keep_away_from_zero() -> None:
    x = torch.tensor([0.0, 1e-9, -1e-9, 2.0], requires_grad=True)
    with given(AddEpsilon(("*/div", "*/reciprocal"))):
        finite("1 / x", 1 / x, x)
        out = torch.ones(4) / x
    finite("div", out, x)
    assert out[2] < 0 < out[1]
    assert out[3] == 0.5


def test_fractional_and_negative_powers_are_guarded_and_whole_ones_stay() -> None:
    x = torch.tensor([0.0, -1.0], requires_grad=True)
    with given(AddEpsilon(("*/pow",))):
        finite("root", x**0.5, x)
        finite("inverse", x**-1, x)
        assert torch.equal((x**2).detach(), torch.tensor([0.0, 1.0]))


def test_a_spread_of_nothing_has_a_slope() -> None:
    x = torch.ones(4, requires_grad=True)
    with given(AddEpsilon(("*/std", "*/norm"))):
        finite("std", x.std(), x)
        finite("norm", (x - 1).norm(), x)


def test_operations_that_an_epsilon_does_not_help_are_refused() -> None:
    assert "matmul" not in GUARDS
    with (
        pytest.raises(RemedyError, match="is not an operation that an epsilon helps"),
        given(AddEpsilon(("*/matmul",))),
    ):
        pass
