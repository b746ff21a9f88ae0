"""Parameters among themselves: what is made of them before they meet a signal.

Weights plus one, weights that are standardized, gates of parameters: the result is a parameter too, of another law.
Gradients are squared norms, of entries that are as good as independent.
"""

import math
from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor

from gradmedic.theory.activations.panels import value_and_slope
from gradmedic.theory.kernels.normal_nodes import hermite
from gradmedic.theory.kernels.softmax_overlap import overlap
from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, WeightOperand
from gradmedic.theory.propagation.arithmetic import operands
from gradmedic.theory.propagation.elementwise import written
from gradmedic.theory.signals.parameter_law import ParameterLaw

Made = Callable[[Step, Sequence[WeightOperand]], tuple[ParameterLaw, Sequence[float]]]
"""The law of the result, and for each operand the squared norm that comes back relative to that of the result."""

NODES = 64
"""Values of a parameter's entry that a function of it is averaged over."""

_MADE: dict[str, Made] = {}


def among_parameters(step: Step, inputs: Sequence[Value]) -> Propagation | None:
    """The passage of a step that has parameters for operands, and no signal; none where its own rule knows it."""
    made = _MADE.get(step.op)
    known = operands(step, inputs)
    given = [value for value in known if isinstance(value, WeightOperand)]
    if (
        made is None
        or not any(isinstance(value, WeightOperand) for value in inputs)
        or len(given) < len(step.inputs[:1])
    ):
        return None
    if step.op in _BINARY and len(given) < 2 and not isinstance(step.attributes.get("other"), int | float):
        raise NoRuleError("a parameter beside what is unknown")
    law, shares = made(step, given)
    slots = [i for i, value in enumerate(known) if isinstance(value, WeightOperand)]

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        came = sum(grad for grad in grads if isinstance(grad, float))
        found: list[Grad] = [None] * len(inputs)
        for slot, share in zip(slots, shares, strict=False):
            if isinstance(inputs[slot], WeightOperand):
                found[slot] = came * share
        return found

    return Propagation((WeightOperand(law, step.shape), *(None for _ in step.shapes[1:])), back)


def _made(*ops: str) -> Callable[[Made], Made]:
    def register(function: Made) -> Made:
        _MADE.update(dict.fromkeys(ops, function))
        return function

    return register


_BINARY = {"add", "sub", "rsub", "mul", "div"}


@_made("add", "sub", "rsub")
def _sum(step: Step, given: Sequence[WeightOperand]) -> tuple[ParameterLaw, Sequence[float]]:
    a, b = given[0].law, given[1].law
    factor = float(step.attributes.get("alpha", 1.0))
    first, second = (-factor, 1.0) if step.op == "rsub" else (1.0, -factor if step.op == "sub" else factor)
    mean = first * a.mean + second * b.mean
    return ParameterLaw(mean, first**2 * a.variance + second**2 * b.variance + mean**2), (first**2, second**2)


@_made("mul", "div")
def _product(step: Step, given: Sequence[WeightOperand]) -> tuple[ParameterLaw, Sequence[float]]:
    a = given[0].law
    if len(given) == 1:
        factor = float(step.attributes["other"]) ** (-1 if step.op == "div" else 1)
        return a.scaled(factor), (factor**2,)
    if step.op == "mul" or step.inputs[-1] is None:  # of a divisor that is a constant the plan has the reciprocal
        b = given[1].law
        return ParameterLaw(a.mean * b.mean, a.square * b.square), (b.square, a.square)
    b = _function(lambda x: 1 / x, given[1].law)[0]
    return ParameterLaw(a.mean * b.mean, a.square * b.square), (b.square, a.square * b.square**2)


@_made("activation", "pow", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "abs", "sin", "cos")
def _elementwise(step: Step, given: Sequence[WeightOperand]) -> tuple[ParameterLaw, Sequence[float]]:
    phi = step.attributes["phi"] if step.op == "activation" else written(step)
    law, steep = _function(phi.f, given[0].law)
    return law, (steep,)


def _function(f: Callable[[Tensor], Tensor], law: ParameterLaw) -> tuple[ParameterLaw, float]:
    """The law of a function of entries that are normal, and the mean square of its slope."""
    nodes, weights = hermite(NODES)
    value, slope = value_and_slope(f, law.mean + math.sqrt(law.variance) * nodes)
    if not bool((value.isfinite() & slope.isfinite()).all()):
        raise NoRuleError("a function of parameters that is not finite")
    return ParameterLaw(float(weights @ value), float(weights @ value**2)), float(weights @ slope**2)


@_made("neg")
def _negative(step: Step, given: Sequence[WeightOperand]) -> tuple[ParameterLaw, Sequence[float]]:
    return given[0].law.scaled(-1.0), (1.0,)


@_made("sum", "mean")
def _reduced(step: Step, given: Sequence[WeightOperand]) -> tuple[ParameterLaw, Sequence[float]]:
    a, n = given[0].law, prod(given[0].shape) / prod(step.shape)
    scale = 1 / n if step.op == "mean" else 1.0
    return ParameterLaw(n * a.mean * scale, (n * a.variance + (n * a.mean) ** 2) * scale**2), (n * scale**2,)


@_made("norm")
def _length(step: Step, given: Sequence[WeightOperand]) -> tuple[ParameterLaw, Sequence[float]]:
    square = prod(given[0].shape) / prod(step.shape) * given[0].law.square
    return ParameterLaw(math.sqrt(square), square), (1.0,)


@_made("var", "std")
def _variance(step: Step, given: Sequence[WeightOperand]) -> tuple[ParameterLaw, Sequence[float]]:
    a, n = given[0].law, prod(given[0].shape) / prod(step.shape)
    if step.op == "std":
        return ParameterLaw(math.sqrt(a.variance), a.variance), (1 / n,)
    return ParameterLaw(a.variance, a.variance**2), (4 * a.variance / n,)


@_made("batch_norm", "layer_norm", "rms_norm", "group_norm")
def _standardized(step: Step, given: Sequence[WeightOperand]) -> tuple[ParameterLaw, Sequence[float]]:
    """Weights of each unit with mean zero and variance one (Qiao+ 2019; Brock+ 2021), times a gain."""
    a, gain = given[0].law, given[1].law if len(given) > 1 else ParameterLaw(1.0, 1.0)
    centered = step.op != "rms_norm"
    size = a.variance if centered else a.square
    shape = given[0].shape
    fan = prod(shape) / (prod(given[1].shape) if len(given) > 1 else max(shape[:2]))
    kept = max(1 - (1 + centered) / max(fan, 2), 0.0)
    law = ParameterLaw(0.0 if centered else a.mean * math.sqrt(gain.square / size), gain.square, balanced=centered)
    return law, (gain.square / max(size, 1e-300) * kept, 1.0)


@_made("softmax", "safe_softmax")
def _softmax(step: Step, given: Sequence[WeightOperand]) -> tuple[ParameterLaw, Sequence[float]]:
    a, n = given[0].law, max(given[0].shape[int(step.attributes.get("dim", -1))], 1)
    square = float(overlap(n, a.variance, torch.ones(1, dtype=torch.float64))) / n
    return ParameterLaw(1 / n, square), (square * (1 - 1 / n),)


@_made("mm", "bmm", "matmul", "mv")
def _matrices(step: Step, given: Sequence[WeightOperand]) -> tuple[ParameterLaw, Sequence[float]]:
    if len(given) < 2:
        raise NoRuleError("a parameter beside what is unknown")
    a, b, n = given[0].law, given[1].law, given[0].shape[-1]
    mean = n * a.mean * b.mean
    square = n * (a.square * b.square - (a.mean * b.mean) ** 2) + mean**2
    return ParameterLaw(mean, square), (b.square * prod(step.shape[-1:]), a.square * prod(step.shape[-2:-1]))


@_made("index", "index_select", "gather", "roll", "flip", "cumsum", "repeat_interleave", "pad")
def _arranged(step: Step, given: Sequence[WeightOperand]) -> tuple[ParameterLaw, Sequence[float]]:
    if step.op in ("cumsum", "pad"):
        raise NoRuleError(f"{step.op} of parameters")
    return given[0].law, (1.0,)
