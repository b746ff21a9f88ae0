"""Residual streams with an activation in them: where a gradient has passed one, it passes the one before more easily.

A unit of x' = phi(x + branch) that was active is mostly active in the next block too. On the way
back along the identity the slopes of one block and the next are therefore no independent factors.
"""

import math
from dataclasses import replace

import torch

from gradmedic.activations import Activation
from gradmedic.theory.bending import part
from gradmedic.theory.lopsided import lopsided
from gradmedic.theory.plan import Edge, Plan
from gradmedic.theory.signal import Signal

_Z = torch.linspace(-6, 6, 241, dtype=torch.float64)
_WEIGHTS = torch.softmax(-(_Z**2) / 2, 0)


def streams_seen(plan: Plan) -> Plan:
    """The plan with sums told of the activations that they stand between: what made an operand, and what follows.

    Such a sum gets the operand of the first activation as an operand of its own.
    """
    steps, users = list(plan.steps), plan.consumers()
    for i, step in enumerate(plan.steps):
        after = [plan.steps[user].attributes["phi"] for user, _ in users.get((i, 0), ()) if _bends(plan, (user, 0))]
        if step.op != "add" or len(after) != 1 or len(step.inputs) != 2 or None in step.inputs:
            continue
        for slot, edge in enumerate(step.inputs):
            if edge is not None and _bends(plan, edge):
                before = plan.steps[edge[0]]
                told = {"stream": slot, "before": before.attributes["phi"], "after": after[0]}
                steps[i] = replace(
                    step, inputs=(*step.inputs, before.inputs[0]), attributes={**step.attributes, **told}
                )
                break
    return replace(plan, steps=tuple(steps))


def _bends(plan: Plan, edge: Edge) -> bool:
    return plan.steps[edge[0]].op == "activation"


def persistence(x: Signal, before: Activation, out: Signal, after: Activation) -> float:
    """E[f'^2 g'^2] / (E f'^2 E g'^2) for f = `before`(x) and g = `after`(f + branch), where `out` is that sum."""
    x, out = x.blended(), out.blended()
    mean = float(x.diagonal(x.mean)[0])
    own = part(x, 0, before)
    here = lopsided(before, mean, math.sqrt(own.q), float(x.lopsidedness[0]))
    value, slope, *_ = here.functions(_Z)
    middle, square = own.moments.m1, own.moments.m2 - own.moments.m1**2
    added = float(out.diagonal(out.mean)[0]) - middle
    rest = max(float(out.squares[0]) - float(out.diagonal(out.mean)[0]) ** 2 - square, 0.0)
    behind = value[:, None] + added + math.sqrt(rest) * _Z
    _, steep, *_ = lopsided(after, 0.0, 1.0, 0.0).functions(behind)
    kept = (steep**2) @ _WEIGHTS
    first, second = float(_WEIGHTS @ slope**2), float(_WEIGHTS @ kept)
    return float(_WEIGHTS @ (slope**2 * kept)) / max(first * second, 1e-300)
