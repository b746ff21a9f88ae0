"""Branches that give nothing yet, as those that are initialized with zeros: the stream beside them goes on as it is.

An activation of what another one has made and nothing was added to is a function of what went into the first:
relu(relu(x) + 0) is relu(x), of which half is zero, not of something like a Gaussian with a positive mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from gradmedic.theory.activations import Activation
from gradmedic.theory.activations.panels import value_and_slope
from gradmedic.theory.plan.expression_activation import ExpressionProgram, Instruction
from gradmedic.theory.plan.plan import PARAMETER, Edge, Plan, Step

_ARRANGED = {"view", "unsafe_view", "reshape", "clone", "permute", "transpose", "t", "dropout", "mean", "avg_pool"}
_NORMS = {"batch_norm", "layer_norm", "group_norm", "rms_norm"}
_PRODUCTS = {"mul", "mm", "matmul", "bmm"}

Chain = tuple[Activation, ...]
"""Activations one after the other, with nothing between them."""


def silences_seen(plan: Plan) -> Plan:
    """The plan with sums told which operand is all there is, and activations which others they stand behind.

    Such an activation gets the operand of the first one as an operand of its own.
    """
    silent, steps = _silent(plan), list(plan.steps)
    made: dict[Edge, tuple[Edge, Chain]] = {}
    for i, step in enumerate(plan.steps):
        first = step.inputs[0] if step.inputs else None
        if step.op == "add" and (slot := _all_there_is(plan, step, silent)) is not None:
            steps[i] = replace(step, attributes={**step.attributes, "silent": slot})
            first = step.inputs[slot]
        elif step.op == "activation" and first is not None:
            source, chain = made.get(first, (first, ()))
            made[i, 0] = source, (*chain, step.attributes["phi"])
            if chain:
                attributes = {**step.attributes, "behind": chain}
                steps[i] = replace(step, inputs=(first, source), attributes=attributes)
            continue
        elif step.op != "clone":
            continue
        if first in made:
            made[i, 0] = made[first]
    return replace(plan, steps=tuple(steps))


def _all_there_is(plan: Plan, step: Step, silent: set[Edge]) -> int | None:
    """The only operand of a sum that is not zero, if it is as large as the sum."""
    loud = [slot for slot, edge in enumerate(step.inputs) if edge is None or edge not in silent]
    if len(loud) != 1 or len(step.inputs) != 2 or (loud[0] == 1 and step.attributes.get("alpha", 1) != 1):
        return None
    edge = step.inputs[loud[0]]
    return loud[0] if edge is not None and plan.steps[edge[0]].shapes[edge[1]] == step.shape else None


def _silent(plan: Plan) -> set[Edge]:
    """All values that are zero whatever the network is fed with."""
    found = set[Edge]()
    for i, step in enumerate(plan.steps):
        if _is_silent(step, [edge is not None and edge in found for edge in step.inputs]):
            found.add((i, 0))
    return found


def _is_silent(step: Step, zero: Sequence[bool]) -> bool:
    """Whether a step gives zero if these of its operands are."""
    if step.op == PARAMETER:
        return step.law is not None and step.law.square == 0
    if step.op in _PRODUCTS:
        return any(zero)
    absent = [edge is None for edge in step.inputs]
    given = [a or b for a, b in zip(zero, absent, strict=True)]
    if step.op in _NORMS:
        return len(zero) > 1 and zero[1] and all(given[2:3])
    if step.op == "conv":
        return any(zero[:2]) and all(given[2:])
    if step.op in ("addmm", "linear"):
        return any(zero[1:]) and given[0]
    if step.op == "activation":
        return zero[0] and float(step.attributes["phi"].expected.f(torch.zeros(1))) == 0
    return bool(zero) and zero[0] and (step.op in _ARRANGED or (step.op == "add" and all(zero)))


def chained(chain: Chain) -> ExpressionProgram:
    """Several activations as one."""
    return ExpressionProgram(
        tuple(Instruction("activation", (at - 1,), (("phi", phi.expected),)) for at, phi in enumerate(chain))
    )


@dataclass(frozen=True)
class Steepness(Activation):
    """The slope of an activation as a function of what goes into those that it stands behind."""

    name: ClassVar[str] = "steepness"

    behind: Chain
    phi: Activation

    def f(self, x: Tensor) -> Tensor:
        return through((*self.behind, self.phi), x)[1].to(x.dtype)

    @property
    def kinks(self) -> tuple[float, ...]:
        return chained((*self.behind, self.phi)).kinks


def through(chain: Chain, x: Tensor) -> tuple[Tensor, Tensor]:
    """What several activations make of a value, and the slope of the last one there."""
    slope = torch.ones_like(x)
    for phi in chain:
        x, slope = value_and_slope(phi.expected.f, x)
    return x, slope
