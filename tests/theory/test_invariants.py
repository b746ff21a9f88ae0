"""No network makes a prediction fail, and every rule keeps the shapes and layouts of what it is a rule for."""

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from support.random_networks import RandomNetwork, random_input
from torch import Tensor, nn

import gradmedic as gm
from gradmedic.theory import engine
from gradmedic.theory.plan.plan import Plan, Step
from gradmedic.theory.propagation import Propagation, Value, rule


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What rules have raised that no rule should."""
    found: list[str] = []

    def failed(flow: engine.Flow, step: Step, error: Exception) -> str:
        found.append(f"{step.op} {step.shapes}: {error!r}")
        return str(error)

    monkeypatch.setattr(engine, "_failed", failed)
    return found


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_no_random_network_makes_a_prediction_or_a_rule_fail(seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        found: list[str] = []
        patch.setattr(engine, "_failed", lambda flow, step, error: found.append(f"{step.op} {step.shapes}: {error!r}"))
        x = random_input(seed)
        model = RandomNetwork(seed, length=6, x=x)
        if model.trains:
            gm.predict(model, x)
        assert found == [], model.trace


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_no_random_network_makes_a_part_of_an_examination_fail(seed: int) -> None:
    x = random_input(seed)
    model = RandomNetwork(seed, length=6, x=x)
    if model.trains:
        report = gm.examine(model, x, lambda model, x: model(x).square().mean())
        assert not [*report.recording.events_of("failure"), *report.recording.events_of("unforeseen")]


class Stacked(nn.Module):
    """Rotated halves as rotary embeddings write them: a new last dimension, flattened again."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        turned = torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2)
        out: Tensor = self.last(turned)
        return out


def test_a_stack_on_a_new_last_dimension_keeps_the_size(failures: list[str]) -> None:
    model = Stacked()
    found = gm.predict(model, torch.randn(16, 5, 8))
    assert not found.unknown
    assert failures == []
    first, last = (op.value for op in found.operations if op.site.op == "linear" and op.value)
    weight, bias = (float(p.detach().square().mean()) for p in model.last.parameters())
    assert last.middle == pytest.approx((8 * weight * first.middle**2 + bias) ** 0.5, rel=0.05)


class Outer(nn.Module):
    """One feature times a row of weights, as a state space model has them."""

    def __init__(self) -> None:
        super().__init__()
        self.row, self.last = nn.Parameter(torch.randn(6)), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(x[..., :1] * self.row)
        return out


def test_a_parameter_may_widen_what_it_is_multiplied_with(failures: list[str]) -> None:
    found = gm.predict(Outer(), torch.randn(16, 5))
    assert not found.unknown
    assert failures == []


class Biased(nn.Module):
    """A bias put together of parameters and zeros, as attention of BEiT and EVA has it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.q = nn.Parameter(torch.randn(12, 8)), nn.Parameter(torch.ones(4))
        self.v, self.last = nn.Parameter(torch.ones(4)), nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(F.linear(x, self.weight, torch.cat((self.q, torch.zeros(4), self.v))))
        return out


def test_a_bias_may_be_put_together_of_parameters(failures: list[str]) -> None:
    found = gm.predict(Biased(), torch.randn(16, 8))
    assert not found.unknown
    assert failures == []
    norms = {weight.name: weight.grad for weight in found.weights}
    assert norms["q"] is not None
    assert norms["v"] is not None
    assert norms["q"].middle == pytest.approx(norms["v"].middle)


def test_whatever_a_rule_raises_its_operation_is_one_without_a_rule() -> None:
    @rule("test_raises")
    def raises(step: Step, inputs: Sequence[Value]) -> Propagation:
        raise KeyError("nobody expects this")

    plan = Plan((Step("data", shapes=((4, 3),)), Step("test_raises", ((0, 0),), ((4, 3),))), ((1, 0),))
    flow = engine.propagate(plan)
    assert list(flow.unknown) == [1]
    assert "nobody expects this" in flow.unknown[1]
    assert (0, 0) in flow.arrivals


class Silent(nn.Module):
    """A branch behind a gain of zero, with an activation behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Linear(16, 3)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        out: Tensor = self.last(x + F.silu(self.norm(x)))
        return out


def test_ranges_stay_numbers_where_a_branch_is_zero() -> None:
    found = gm.predict(Silent(), torch.randn(16, 8))
    ranges = [r for op in found.operations for r in (op.value, op.grad) if r]
    assert all(r.low <= r.middle <= r.high for r in ranges)
