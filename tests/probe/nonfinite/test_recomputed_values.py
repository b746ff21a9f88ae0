"""An operation is run again with the options that it had."""

import pytest
import torch
from torch import Tensor

from gradmedic.probe.graph.graph import starts, walk
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.nonfinite.recomputed_values import Revival

A = torch.tensor([[7.0, 2.0], [3.0, 5.0]])


def operand() -> Tensor:
    """Saved by an operation before, so that its value is known."""
    return A.clone().requires_grad_()


@pytest.mark.parametrize("mode", [None, "floor", "trunc"])
def test_a_quotient_is_rounded_as_it_was(mode: str | None) -> None:
    result = torch.div(operand(), (A.t() + 0.5).requires_grad_(), rounding_mode=mode)
    assert_recomputed(result, "Div")


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (3.0, 0.5)])
def test_a_product_keeps_its_factors(alpha: float, beta: float) -> None:
    assert_recomputed(torch.addmm(operand(), operand(), operand(), alpha=alpha, beta=beta), "Addmm")


def assert_recomputed(result: Tensor, name: str) -> None:
    layout = Layout(walk(starts([result.sum()], scaled=False)))
    at = next(i for i, vertex in enumerate(layout.vertices) if vertex.name.startswith(name))
    again = Revival(layout).value(at)
    assert again is not None
    assert torch.equal(again, result.detach())
