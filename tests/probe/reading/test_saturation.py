import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gradmedic.probe.reading.saturation import LEAST, saturation

FUNCTIONS = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softsign": functional.softsign,
    "hardsigmoid": functional.hardsigmoid,
    "relu6": functional.relu6,
    "hardtanh": functional.hardtanh,
}


def share_of_small_slopes(op: str, x: Tensor) -> float:
    x = x.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(FUNCTIONS[op](x).sum(), x)
    return float((slopes < LEAST * slopes.max()).double().mean())


def share(op: str, result: Tensor, **options: float | None) -> float:
    found = saturation(op, result, options)
    assert found is not None
    assert not isinstance(found, Tensor) or found.dim() == 0
    return float(found)


@pytest.mark.parametrize("op", FUNCTIONS)
def test_the_share_is_that_of_small_slopes(op: str) -> None:
    x = torch.linspace(-20, 20, 10007, dtype=torch.float64)
    assert share(op, FUNCTIONS[op](x)) == pytest.approx(share_of_small_slopes(op, x), abs=1e-9)
    assert 0 < share_of_small_slopes(op, x) < 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("op", FUNCTIONS)
def test_low_precision_changes_little(op: str, dtype: torch.dtype) -> None:
    x = torch.linspace(-20, 20, 10007, dtype=torch.float64)
    assert share(op, FUNCTIONS[op](x).to(dtype)) == pytest.approx(share_of_small_slopes(op, x), abs=0.02)


def test_a_clamp_saturates_at_both_bounds_and_with_one_bound_never() -> None:
    x = torch.linspace(0, 1, 101)
    assert share("clamp", x.clamp(0.1, 0.8), min=0.1, max=0.8) == pytest.approx(32 / 101)
    assert saturation("clamp", x.clamp(min=0.5), {"min": 0.5}) is None


def test_bounds_that_low_precision_rounds_are_met() -> None:
    x = torch.linspace(-1, 1, 100).bfloat16().clamp(-0.1, 0.1)
    assert share("hardtanh", x, min=-0.1, max=0.1) > 0.85


def test_softmax_rows_count_as_a_whole() -> None:
    logits = torch.tensor([[9.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 7.0], [0.0, 0.0, 0.0]])
    assert share("softmax", logits.softmax(1), dim=1) == 0.5
    assert share("log_softmax", logits.t().log_softmax(0), dim=0) == 0.5


def test_nan_is_not_saturated_and_large_results_are_sampled() -> None:
    assert share("tanh", torch.tensor([float("nan"), 1.0])) == 0.5
    x = torch.linspace(-20, 20, 1 << 21)
    assert share("tanh", x.tanh()) == pytest.approx(share_of_small_slopes("tanh", x), abs=0.01)


def test_what_cannot_saturate_has_no_share() -> None:
    assert saturation("relu", torch.ones(3)) is None
    assert saturation("tanh", torch.empty(0)) is None
    assert saturation("tanh", torch.empty(3, device="meta")) is None
