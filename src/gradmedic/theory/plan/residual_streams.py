"""Residual streams with an activation in them: where a gradient has passed one, it passes the one before more easily.

A unit of x' = phi(x + branch) that was active is mostly active in the next block too. On the way
back along the identity the slopes of one block and the next are therefore no independent factors.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from gradmedic.theory.activations import Activation
from gradmedic.theory.kernels.skewed_input import lopsided
from gradmedic.theory.plan.plan import Edge, Plan
from gradmedic.theory.plan.zero_branches import Chain, through
from gradmedic.theory.signals.activation_response import part
from gradmedic.theory.signals.signal import Signal

Users = Mapping[Edge, Sequence[tuple[int, int]]]

_Z = torch.linspace(-6, 6, 240, dtype=torch.float64)  # none of them zero, where ReLU has its kink
_WEIGHTS = torch.softmax(-(_Z**2) / 2, 0)


def streams_seen(plan: Plan) -> Plan:
    """The plan with sums told of the activations that they stand between: what made an operand, and what follows.

    Such a sum gets the operand of the first activation as an operand of its own.
    """
    steps, users = list(plan.steps), plan.consumers()
    for i, step in enumerate(plan.steps):
        after = _onward(plan, users, i)
        if step.op != "add" or not after or len(step.inputs) != 2 or None in step.inputs:
            continue
        for slot, edge in enumerate(step.inputs):
            if edge is not None and _bends(plan, edge):
                before = plan.steps[edge[0]]
                chain = (*before.attributes.get("behind", ()), before.attributes["phi"])
                told = {"stream": slot, "before": chain, "after": after}
                steps[i] = replace(
                    step, inputs=(*step.inputs, before.inputs[-1]), attributes={**step.attributes, **told}
                )
                break
    return replace(plan, steps=tuple(steps))


def _onward(plan: Plan, users: Users, i: int) -> Chain:
    """The activation that a step is the operand of, if of one, and those behind it with only silent branches between.

    What comes back through all of them comes where all of them are steep.
    """
    found = list[Activation]()
    while True:
        behind = [user for user, slot in users.get((i, 0), ()) if slot == 0 and _bends(plan, (user, 0))]
        if len(behind) != 1:
            return tuple(found)
        found.append(plan.steps[behind[0]].attributes["phi"])
        onward = [
            user for user, slot in users.get((behind[0], 0), ()) if plan.steps[user].attributes.get("silent") == slot
        ]
        if len(onward) != 1:
            return tuple(found)
        i = onward[0]


def _bends(plan: Plan, edge: Edge) -> bool:
    return plan.steps[edge[0]].op == "activation"


def persistence(x: Signal, before: Chain, out: Signal, after: Chain, *, silent: bool) -> float:
    """E[f'^2 g'^2] / (E f'^2 E g'^2) for f, the last of `before`, and g, all `after` the sum f + branch.

    `out` is that sum, and the branch may be `silent`. Activations of a chain stand one behind the other, the first of
    all behind `x`.
    """
    x, out = x.blended(), out.blended()
    mean = float(x.diagonal(x.mean)[0])
    size = math.sqrt(part(x, 0, before[0]).q)
    value, slope = through(before, lopsided(before[0], mean, size, float(x.lopsidedness[0])).x(_Z))
    middle = float(_WEIGHTS @ value)
    square = float(_WEIGHTS @ (value - middle) ** 2)
    added = 0.0 if silent else float(out.diagonal(out.mean)[0]) - middle
    rest = 0.0 if silent else max(float(out.squares[0]) - float(out.diagonal(out.mean)[0]) ** 2 - square, 0.0)
    behind = value[:, None] + added + math.sqrt(rest) * _Z
    steep = torch.ones_like(behind)
    for phi in after:
        behind, slope_there = through((phi,), behind)
        steep = steep * slope_there
    kept = (steep**2) @ _WEIGHTS
    first, second = float(_WEIGHTS @ slope**2), float(_WEIGHTS @ kept)
    return float(_WEIGHTS @ (slope**2 * kept)) / max(first * second, 1e-300)
