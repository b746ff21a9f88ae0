"""Find normalization that is written out by hand, x * rsqrt(mean(x^2) + eps) for example.

What divides is made of the very signal that it divides: what comes out has always one size, and
the gradient has nothing along the signal. Rules that take the two as independent would miss both.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf

import torch

from gradmedic.theory.activations import Activation
from gradmedic.theory.activations.hardtanh import Hardtanh
from gradmedic.theory.plan.plan import PARAMETER, Edge, Plan, Step

_DEGREES = {"sqrt": 0.5, "rsqrt": -0.5, "reciprocal": -1.0, "abs": 1.0, "var": 2.0, "std": 1.0, "norm": 1.0}
"""How the result grows with its operand: x^degree."""

_NORMS = {"batch_norm", "layer_norm", "group_norm", "rms_norm"}
_REDUCES = {"mean", "sum", "var", "std", "norm"}
_KEEPS_MASK = {
    "add",
    "mul",
    "div",
    "masked_fill",
    "where",
    "view",
    "unsafe_view",
    "reshape",
    "clone",
    "to_copy",
    "expand",
}
_PASSES = {
    "view",
    "reshape",
    "unsqueeze",
    "squeeze",
    "expand",
    "clone",
    "to_copy",
    "clamp",
    "reshape_alias",
    "unsafe_view",
}


@dataclass(frozen=True)
class _Size:
    """A power of a signal's size, taken over some dimensions."""

    degree: float
    dims: tuple[int, ...] | None = None


def recognized(plan: Plan) -> Plan:
    """The plan with every normalization that is written out as a step "own_norm" of the signal itself."""
    steps, alone = list(plan.steps), _of_parameters(plan)
    for i, step in enumerate(plan.steps):
        for source, dims, center in () if i in alone else _found(plan, step):
            attributes = {"dims": dims, "center": center, "divides": step.op == "div"}
            steps[i] = replace(step, op="own_norm", inputs=(*step.inputs, source), attributes=attributes)
            break
    return replace(plan, steps=tuple(steps))


def _of_parameters(plan: Plan) -> set[int]:
    """The steps that make something of parameters alone, as weights that are standardized: no signals go through."""
    found = set[int]()
    for i, step in enumerate(plan.steps):
        below = [edge[0] for edge in step.inputs if edge is not None]
        if step.op == PARAMETER or (below and found.issuperset(below)):
            found.add(i)
    return found


def _found(plan: Plan, step: Step) -> Iterator[tuple[Edge, tuple[int, ...], bool]]:
    if step.op not in ("mul", "div") or len(step.inputs) != 2:
        return
    first, second = step.inputs
    for over, under in [(first, second), (second, first)][: 2 if step.op == "mul" else 1]:
        if over is None or under is None or over == under:
            continue
        middle = _centered(plan, over)
        for source in dict.fromkeys([over] if middle is None else [over, middle]):
            size = _size(plan, under, source, {})
            if size is not None and size.dims and size.degree == (1.0 if step.op == "div" else -1.0):
                yield middle or over, size.dims, middle is not None


def _centered(plan: Plan, edge: Edge) -> Edge | None:
    """What x - mean(x) is made of."""
    step = plan.steps[edge[0]]
    if step.op != "sub" or None in step.inputs or len(step.inputs) != 2:
        return None
    x, taken = step.inputs
    assert x is not None
    assert taken is not None
    mean = plan.steps[taken[0]]
    return x if mean.op == "mean" and mean.inputs[0] == x else None


def _size(plan: Plan, edge: Edge, source: Edge, known: dict[Edge, _Size | None]) -> _Size | None:
    """What power of the size of `source` a signal is, if it is that and nothing else."""
    if edge == source:
        return _Size(1.0)
    if edge not in known:
        known[edge] = None
        known[edge] = _derived(plan, plan.steps[edge[0]], source, known)
    return known[edge]


def _derived(plan: Plan, step: Step, source: Edge, known: dict[Edge, _Size | None]) -> _Size | None:
    operands = [edge for edge in step.inputs if edge is not None]
    known_op = step.op in _DEGREES.keys() | _REDUCES | _PASSES | {"pow", "add", "mul"} or _guards(step)
    if not operands or len(set(operands)) > 1 or not known_op:
        return None
    below = _size(plan, operands[0], source, known)
    if below is None or (len(operands) > 1 and step.op != "mul"):
        return None
    degree = float(step.attributes.get("exponent", 1.0)) if step.op == "pow" else _DEGREES.get(step.op, 1.0)
    dims = below.dims
    if step.op in _REDUCES:
        if dims is not None:
            return None
        told = step.attributes.get("dim")
        rank = len(plan.steps[operands[0][0]].shapes[operands[0][1]])
        dims = tuple(d % rank for d in ((told,) if isinstance(told, int) else told or range(rank)))
    return _Size(below.degree * degree * len(operands), dims)


def _guards(step: Step) -> bool:
    """True for a bound from below alone, as F.normalize has one against a division by zero."""
    phi = step.attributes.get("phi") if step.op == "activation" else None
    return isinstance(phi, Hardtanh) and 0 < phi.min_val < phi.max_val == inf


_MAPS = {"avg_pool", "mean"}
"""Fixed linear maps that leave a tensor its shape, or one that spreads to it."""


def contrasts_seen(plan: Plan) -> Plan:
    """The plan with sums of a signal and of a linear map of the same signal as one step of that signal."""
    steps, alone = list(plan.steps), _of_parameters(plan)
    for i, step in enumerate(plan.steps):
        if (
            i in alone
            or step.op not in ("add", "sub")
            or len(step.inputs) != 2
            or None in step.inputs
            or len(step.attributes) > 1
        ):
            continue
        if step.attributes.get("alpha", 1) != 1:
            continue
        for slot, edge in enumerate(step.inputs):
            other = step.inputs[1 - slot]
            assert edge is not None
            assert other is not None
            mapping = plan.steps[edge[0]]
            if not _maps(plan, mapping, other, step):
                continue
            second = -1.0 if step.op == "sub" else 1.0
            signs = {"of_map": second if slot else 1.0, "of_x": 1.0 if slot else second}
            attributes = {**signs, "mapping": mapping, "op": step.op, "plain": step.attributes}
            steps[i] = replace(step, op="contrast", inputs=(*step.inputs, other), attributes=attributes)
            break
    return replace(plan, steps=tuple(steps))


def _maps(plan: Plan, mapping: Step, source: Edge, step: Step) -> bool:
    """Whether a step is a linear map over places of `source`, that fits the sum of both."""
    if mapping.op not in _MAPS or not mapping.inputs or mapping.inputs[0] != source:
        return False
    shape = plan.steps[source[0]].shapes[source[1]]
    spread = len(mapping.shape) == len(shape) if mapping.op == "mean" else mapping.shape == shape
    return spread and step.shape == shape


def maxima_seen(plan: Plan) -> Plan:
    """The plan with maxima over what a function has made told of the function and of its operand."""
    steps = list(plan.steps)
    for i, step in enumerate(plan.steps):
        edge = step.inputs[0] if step.op in ("max_pool", "adaptive_max_pool") and step.inputs else None
        below = plan.steps[edge[0]] if edge is not None else None
        if below is not None and below.op == "activation" and _rises(below.attributes["phi"]):
            attributes = {**step.attributes, "phi": below.attributes["phi"]}
            steps[i] = replace(step, inputs=(*step.inputs, below.inputs[0]), attributes=attributes)
    return replace(plan, steps=tuple(steps))


def masks_seen(plan: Plan) -> Plan:
    """The plan with softmaxes told what share of their operand a mask hides."""
    steps, hidden = list(plan.steps), [0.0] * len(plan.steps)
    for i, step in enumerate(plan.steps):
        below = [edge[0] for edge in step.inputs if edge is not None]
        own = max((constant.hidden for constant in step.attributes.get("constants", {}).values()), default=0.0)
        if step.op in _KEEPS_MASK:
            hidden[i] = max(own, *(hidden[j] for j in below), 0.0)
        elif step.op in ("softmax", "safe_softmax") and below:
            steps[i] = replace(step, attributes={**step.attributes, "hidden": hidden[below[0]]})
    return replace(plan, steps=tuple(steps))


def norms_seen(plan: Plan) -> Plan:
    """The plan with activations told that what they get was normalized, perhaps with something added since."""
    steps, normal = list(plan.steps), [False] * len(plan.steps)
    for i, step in enumerate(plan.steps):
        below = [edge[0] for edge in step.inputs if edge is not None]
        normal[i] = step.op in _NORMS or (step.op in ("add", "clone") and any(normal[j] for j in below))
        if step.op == "activation" and any(normal[j] for j in below):
            steps[i] = replace(step, attributes={**step.attributes, "normalized": True})
    return replace(plan, steps=tuple(steps))


def _rises(phi: Activation) -> bool:
    x = torch.linspace(-8, 8, 1001, dtype=torch.float64)
    return bool((phi.f(x).diff() >= 0).all())
