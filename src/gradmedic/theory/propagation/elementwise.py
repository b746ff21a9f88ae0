"""Functions of one element: activations, and whatever was written out by hand."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gradmedic.theory.kernels.moments import moments
from gradmedic.theory.plan.expression_activation import ExpressionProgram, Instruction
from gradmedic.theory.plan.plan import Step
from gradmedic.theory.plan.zero_branches import Steepness, chained
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, came, one, rule, signal
from gradmedic.theory.signals.activation_response import bent, near, spread, tilt, typical, varies
from gradmedic.theory.signals.signal import Signal


@rule("activation")
def activation(step: Step, inputs: Sequence[Value]) -> Propagation:
    """A = T_phi(K) and G = G' o T_phi'(K) (Poole+ 2016, Schoenholz+ 2017, Daniely+ 2016): the dual kernels of phi."""
    x, phi = signal(inputs[0]), step.attributes["phi"]
    out, slope = _behind(step, inputs) or bent(x, phi)

    def back(grad: Signal) -> Sequence[Grad]:
        focus = grad.focus ** _times_picked(slope)
        k, m = grad.k * slope.k * focus, grad.m * slope.m * grad.focus**2
        leans = grad.k * tilt(x, phi) * focus if step.attributes.get("normalized") else None
        return [replace(grad, k=k, m=m, kurtosis=grad.kurtosis * slope.kurtosis, focus=1.0, tilt=leans)]

    at = typical(x, phi)
    return one(out, back, elastic=(at.s,), bends=((0, 0, at.k),))


def _behind(step: Step, inputs: Sequence[Value]) -> tuple[Signal, Signal] | None:
    """Value and slope behind other activations with nothing between, of what goes into the first one (`silent`)."""
    x, source, chain = signal(inputs[0]), inputs[-1], step.attributes.get("behind")
    if not chain or not isinstance(source, Signal) or (source.dims, source.axes) != (x.dims, x.axes):
        return None
    out, _ = bent(source, chained((*chain, step.attributes["phi"])))
    slope, _ = bent(source, Steepness(chain, step.attributes["phi"]))
    return out, slope


def _times_picked(slope: Signal) -> Tensor:
    """How many times it counts that a maximum, or an activation behind, has picked where the function is steep.

    Of an instance with itself once, of two that are independent twice: both were picked. Between, as much as the
    kernel of the slopes tells: two ReLUs that are both picked are both active, whatever their correlation.
    """
    same = (slope.diagonal(slope.k).clamp(min=1e-300)).reshape(-1, *[1] * len(slope.axes))
    kept = (slope.k / same).clamp(1e-6, 1)
    apart = (slope.mean**2 / same).clamp(1e-6, 1 - 1e-6)
    return 1 + (kept.log() / apart.log()).clamp(0, 1)


@rule("fused")
def fused(step: Step, inputs: Sequence[Value]) -> Propagation:
    """A function that is written out: as `activation`; what lies within gets its share of the slope."""
    inside, phi = step.attributes["inside"], step.attributes["phi"]
    at = len(inputs) - 1 - inside
    x = signal(inputs[at])
    out, slope = bent(x, phi) if varies(x) else near(x, phi)
    squares, passed = phi.gains(*spread(x))

    def back(grad: Signal) -> Sequence[Grad]:
        whole = replace(grad, k=grad.k * slope.k, m=grad.m * slope.m, kurtosis=grad.kurtosis * slope.kurtosis)
        operands = [times(grad, passed.get((inside, slot), 0.0)) for slot in range(at)]
        return [*operands, whole, *(times(grad, square) for square in squares[:inside])]

    elastic, bends = _elastic(x, phi)
    elastics = (*(0.0 for _ in range(at)), elastic)
    return Propagation((out,), lambda grads: back(came(grads[0])), told=at, elastic=elastics, bends=((at, at, bends),))


def _elastic(x: Signal, phi: ExpressionProgram) -> tuple[float, float]:
    """How the size of the result, and of the slope, go with that of the operand."""
    if not varies(x):
        return 1.0, 0.0
    at = typical(x, phi)
    return at.s, at.k


@rule("inside")
def within(step: Step, inputs: Sequence[Value]) -> Propagation:
    """One operation within a function that is written out; its gradient is counted where that ends."""
    phi, line = step.attributes["phi"], step.attributes["line"]
    x = signal(inputs[-1])
    mean, q = spread(x)
    at = moments(phi.until(line), q, mean)
    k, m, middle = (torch.full_like(x.k, size) for size in (at.m2, at.m1**2, at.m1))
    squares, passed = phi.gains(mean, q)

    def back(grad: Signal) -> Sequence[Grad]:
        whole = max(squares[line], 1e-300)
        return [times(grad, passed.get((line, slot), 0.0) / whole) for slot in range(len(inputs) - 1)]

    out = replace(x, k=k, m=m, mean=middle, skew=None)
    return Propagation((out,), lambda grads: back(came(grads[0])), told=len(inputs))


def times(grad: Signal, factor: float) -> Signal:
    """A gradient with its squares multiplied."""
    return replace(grad, k=grad.k * factor, m=grad.m * factor)


@rule("pow", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "abs", "sin", "cos", "erf", "atan")
def function(step: Step, inputs: Sequence[Value]) -> Propagation:
    """One such function alone."""
    phi = written(step)
    x = signal(inputs[0])
    out, slope = bent(x, phi) if varies(x) else near(x, phi)
    if not bool(out.k.isfinite().all()):
        raise NoRuleError(f"{step.op} of what varies widely")

    def back(grad: Signal) -> Sequence[Grad]:
        return [replace(grad, k=grad.k * slope.k, m=grad.m * slope.m, kurtosis=grad.kurtosis * slope.kurtosis)]

    elastic, bends = _elastic(x, phi)
    return one(out, back, elastic=(elastic,), bends=((0, 0, bends),))


def written(step: Step) -> ExpressionProgram:
    """One such function as an activation."""
    kept = tuple((name, step.attributes[name]) for name in ("exponent",) if name in step.attributes)
    return ExpressionProgram((Instruction(step.op, (-1,), kept),))
