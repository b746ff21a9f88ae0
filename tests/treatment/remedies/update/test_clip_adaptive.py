"""Adaptive clipping knows what is usual, and lets that through."""

import pytest
import torch
from support.treating import given
from torch import nn

from gradmedic.base.errors import RemedyError
from gradmedic.treatment.remedies.update.clip_adaptive import ClipAdaptive


def steps(rule: str, norms: list[float]) -> list[float]:
    """The norms of the gradients that reach the optimizer."""
    weight = nn.Parameter(torch.zeros(9))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    seen = []
    with given(ClipAdaptive(rule)):
        for norm in norms:
            weight.grad = torch.full((9,), norm / 3)
            optimizer.step()
            seen.append(0.0 if weight.grad is None else float(weight.grad.norm()))
    return seen


USUAL = [1.0 + 0.1 * ((7 * i) % 5) for i in range(100)]


@pytest.mark.parametrize("rule", ["robust", "median", "zclip"])
def test_a_spike_is_brought_down_to_what_is_usual(rule: str) -> None:
    seen = steps(rule, [*USUAL, 50.0])
    assert seen[:100] == pytest.approx(USUAL, rel=1e-5)
    assert seen[100] < 3


def test_autoclip_normalizes_most_steps() -> None:
    seen = steps("autoclip", USUAL)
    assert sum(new < old * 0.999 for new, old in zip(seen[20:], USUAL[20:], strict=True)) > 60


def test_a_step_whose_gradient_is_not_finite_is_left_out() -> None:
    assert steps("robust", [*USUAL, float("nan"), 1.0])[100:] == pytest.approx([0.0, 1.0])


def test_a_rule_that_nobody_knows_is_refused() -> None:
    with pytest.raises(RemedyError, match="did you mean 'robust'"), given(ClipAdaptive("robus")):
        pass
