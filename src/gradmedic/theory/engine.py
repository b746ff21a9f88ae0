"""Signals through a plan: forward from the data, and back from where gradients start."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

import torch

from gradmedic.base.interruption import let_through
from gradmedic.theory.fallback import handed_on
from gradmedic.theory.invariants import checked, fitting
from gradmedic.theory.plan.fuse_elementwise import fused
from gradmedic.theory.plan.plan import DATA, PARAMETER, Edge, Plan, Step
from gradmedic.theory.plan.recognize_norms import contrasts_seen, masks_seen, maxima_seen, norms_seen, recognized
from gradmedic.theory.plan.residual_streams import streams_seen
from gradmedic.theory.plan.zero_branches import silences_seen
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, WeightOperand, rule_of
from gradmedic.theory.propagation.input_signal import entering
from gradmedic.theory.propagation.parameters import among_parameters
from gradmedic.theory.signals.elementwise_pair import of_sum
from gradmedic.theory.signals.signal import Signal, own
from gradmedic.theory.signals.views import TangledError


@dataclass(frozen=True)
class Gradient:
    """A gradient: a signal (or a weight's squared norm) and the logarithm of a factor on its squares.

    The factor keeps numbers in range: through a thousand sigmoid layers nothing else would.
    """

    grad: Signal | float
    log: float = 0.0

    @cached_property
    def log_square(self) -> float:
        """The logarithm of the squared norm."""
        square = self.grad if isinstance(self.grad, float) else _norm_square(self.grad)
        return self.log + math.log(square) if square > 0 else -math.inf

    @property
    def log_mean_square(self) -> float:
        """The logarithm of the mean square of the entries of a signal's gradient."""
        if isinstance(self.grad, float):
            return math.nan
        return self.log_square - math.log(self.grad.count * self.grad.instances)


def _norm_square(grad: Signal) -> float:
    return grad.square * grad.count * grad.instances


@dataclass
class Flow:
    """What went through a plan: the value of every output, the gradient of every value, and what had no rule."""

    plan: Plan
    values: list[tuple[Value, ...]] = field(default_factory=list)
    passages: list[Propagation] = field(default_factory=list)
    arrivals: dict[Edge, Gradient] = field(default_factory=dict)
    sent: dict[tuple[int, int], Gradient] = field(default_factory=dict)
    """By step and operand, what a step sends back."""
    unknown: dict[int, str] = field(default_factory=dict)
    """Steps without a rule, and why."""
    failures: list[Exception] = field(default_factory=list)
    """What rules have raised, or made, that no rule should: each is a fault of ours, and its step has no rule."""


REWRITES = (recognized, contrasts_seen, fused, masks_seen, maxima_seen, norms_seen, silences_seen, streams_seen)
"""What is seen in a plan before anything goes through it, in this order."""


def propagate(plan: Plan) -> Flow:
    """Send signals through all steps, and gradients back to all values and parameters."""
    flow = _rewritten(plan)
    with torch.no_grad():
        for i, step in enumerate(flow.plan.steps):
            passage = _passage(flow, i, step)
            flow.values.append(_named(passage, i))
            flow.passages.append(passage)
        _seed(flow)
        for i in reversed(range(len(flow.plan.steps))):
            _return(flow, i)
    return flow


def _rewritten(plan: Plan) -> Flow:
    flow = Flow(plan)
    for rewrite in REWRITES:
        try:
            flow.plan = rewrite(flow.plan)
        except Exception as error:
            let_through(error)
            flow.failures.append(error)
    return flow


def _named(passage: Propagation, i: int) -> tuple[Value, ...]:
    """The outputs, with new units called after the step that has drawn them."""
    return tuple(_of_step(value, passage, i) for value in passage.outputs)


def _of_step(value: Value, passage: Propagation, i: int) -> Value:
    if not isinstance(value, Signal) or (passage.mixes is None and value.origin >= 0):
        return value
    origin = (value.origin, value.taps) if value.origin >= 0 else (i, 0.0)
    return replace(value, layer=i if passage.mixes is not None else value.layer, origin=origin[0], taps=origin[1])


def _passage(flow: Flow, i: int, step: Step) -> Propagation:
    if step.op == PARAMETER:
        assert step.law is not None, step.name
        return Propagation((WeightOperand(step.law, step.shape),), lambda grads: ())
    if not all(map(prod, step.shapes)):  # nothing goes through what is empty
        return Propagation(tuple(None for _ in step.shapes), lambda grads: [None] * len(step.inputs))
    try:
        return checked(step, _ruled(flow, i, step))
    except NoRuleError as reason:
        return _unruled(flow, i, str(reason))
    except Exception as error:
        let_through(error)
        return _unruled(flow, i, _failed(flow, step, error))


def _ruled(flow: Flow, i: int, step: Step) -> Propagation:
    if step.op == DATA:
        return Propagation((entering(flow.plan, i),), lambda grads: ())
    rule, inputs = rule_of(step.op), _inputs(flow, step)
    if not any(isinstance(value, Signal) for value in inputs):
        passage = among_parameters(step, inputs)
        if passage is not None:
            return passage
    if rule is None:
        raise NoRuleError(f"no rule for {step.op}")
    return rule(step, inputs)


def _failed(flow: Flow, step: Step, error: Exception) -> str:
    """Why a step has no rule whose rule has failed."""
    if not isinstance(error, TangledError):
        flow.failures.append(error)
    return f"the rule for {step.op} does not fit it: {error}"


def _inputs(flow: Flow, step: Step) -> list[Value]:
    return [None if edge is None else flow.values[edge[0]][edge[1]] for edge in step.inputs]


def _unruled(flow: Flow, i: int, reason: str) -> Propagation:
    """Note that a step has no rule, and why; its sizes are handed on, or were measured."""
    step = flow.plan.steps[i]
    measured = "; measured instead" if step.gauge is not None and any(step.gauge.gains) else ""
    flow.unknown[i] = f"{reason}{measured}"
    return handed_on(step, _inputs(flow, step))


def _seed(flow: Flow) -> None:
    """A scalar starts with the gradient one; of a tensor all entries start alike and independently, with norm one."""
    for edge in flow.plan.roots:
        value = flow.values[edge[0]][edge[1]]
        if not isinstance(value, Signal):
            continue
        zero, size = torch.zeros_like(value.k), value.count * value.instances
        grad = replace(value, k=own(value) / size, m=zero, mean=zero, kurtosis=torch.ones_like(value.kurtosis))
        flow.arrivals[edge] = Gradient(grad)


def _return(flow: Flow, i: int) -> None:
    """Send the gradients that have arrived at a step back to its inputs."""
    step = flow.plan.steps[i]
    arrived = [flow.arrivals.get((i, output)) for output in range(len(flow.values[i]))]
    logs = [
        arrival.log + _size(arrival) for arrival in arrived if arrival is not None and arrival.log_square > -math.inf
    ]
    if not logs or not step.inputs:
        return
    log = max(logs)
    grads = _sent_back(flow, i, [_rescaled(arrival, log) for arrival in arrived])
    for slot, (edge, grad) in enumerate(zip(step.inputs, grads, strict=False)):
        if edge is not None and grad is not None:
            sent = flow.sent[i, slot] = Gradient(_fresh(grad, arrived), log)
            if slot < flow.passages[i].told:
                continue
            before = flow.arrivals.get(edge)
            flow.arrivals[edge] = sent if before is None else _added(before, sent)


def _sent_back(flow: Flow, i: int, arrived: Sequence[Grad]) -> Sequence[Grad]:
    """What a step sends back; what has no mean square, as the slope of a logarithm near zero, has no rule."""
    step, passage = flow.plan.steps[i], flow.passages[i]
    try:
        grads = fitting(_inputs(flow, step), passage.back(arrived))
        if all(math.isfinite(_square(grad)) for grad in grads) or not all(map(math.isfinite, map(_square, arrived))):
            return grads
        reason = f"{step.op} has no slope of finite mean square here"
    except Exception as error:
        let_through(error)
        reason = _failed(flow, step, error)
    flow.passages[i] = _unruled(flow, i, reason)
    return flow.passages[i].back(arrived)


def _square(grad: Grad) -> float:
    if grad is None:
        return 0.0
    return grad if isinstance(grad, float) else grad.square


def _fresh(grad: Signal | float, arrived: Sequence[Gradient | None]) -> Signal | float:
    """A gradient without what was only true of the gradient that it comes from."""
    old = [arrival.grad for arrival in arrived if arrival is not None and isinstance(arrival.grad, Signal)]
    if isinstance(grad, float) or not old:
        return grad
    tilt = None if any(grad.tilt is before.tilt for before in old) else grad.tilt
    focus = 1.0 if any(grad.focus == before.focus for before in old) else grad.focus
    return replace(grad, tilt=tilt, focus=focus)


def _size(arrival: Gradient) -> float:
    square = _square(arrival.grad)
    return math.log(square) if square > 0 else -math.inf


def _rescaled(arrival: Gradient | None, log: float) -> Grad:
    if arrival is None:
        return None
    factor = math.exp(min(arrival.log - log, 700.0))
    return _times(arrival.grad, factor)


def _times(grad: Signal | float, factor: float) -> Signal | float:
    if isinstance(grad, float):
        return grad * factor
    tilt = None if grad.tilt is None else grad.tilt * factor
    return replace(grad, k=grad.k * factor, m=grad.m * factor, tilt=tilt)


def _added(a: Gradient, b: Gradient) -> Gradient:
    """Two gradients of one value; those of independent branches add their squares."""
    log = max(a.log, b.log)
    first, second = _times(a.grad, math.exp(a.log - log)), _times(b.grad, math.exp(b.log - log))
    if isinstance(first, float) or isinstance(second, float):
        assert isinstance(first, float)
        assert isinstance(second, float)
        return Gradient(first + second, log)
    share = (first.squares / (first.squares + second.squares).clamp(min=1e-300)).clamp(0, 1)
    joint = replace(first, k=first.k + second.k, m=first.m + second.m, tilt=None)
    weight = float(share @ first.share)
    focus = weight * first.focus + (1 - weight) * second.focus
    return Gradient(
        replace(
            joint,
            kurtosis=of_sum(joint, first, second),
            focus=focus,
            age=round(weight * first.age + (1 - weight) * second.age),
        ),
        log,
    )
