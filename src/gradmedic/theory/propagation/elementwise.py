"""Functions of one element: activations, and whatever was written out by hand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradmedic.activations import Activation
from gradmedic.theory.moments import Moments, moments
from gradmedic.theory.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Passage, Value, came, one, rule, signal
from gradmedic.theory.signal import Signal
from gradmedic.theory.table import Table, shifted, table
from gradmedic.theory.written import Line, Written


@rule("activation")
def activation(step: Step, inputs: Sequence[Value]) -> Passage:
    """A = T_phi(K) and G = G' o T_phi'(K) (Poole+ 2016, Schoenholz+ 2017, Daniely+ 2016): the dual kernels of phi."""
    x = signal(inputs[0])
    out, slope = bent(x, step.attributes["phi"])

    def back(grad: Signal) -> Sequence[Grad]:
        # A maximum that has picked from the result has not picked at random places of the operand.
        k, m = grad.k * slope.k * grad.focus, grad.m * slope.m * grad.focus
        tilt = grad.k * _tilt(x, step.attributes["phi"]) * grad.focus if step.attributes.get("normalized") else None
        return [replace(grad, k=k, m=m, kurtosis=grad.kurtosis * slope.kurtosis, focus=1.0, tilt=tilt)]

    at = typical(x, step.attributes["phi"])
    return one(out, back, elastic=(at.s,), bends=((0, 0, at.k),))


def typical(x: Signal, phi: Activation) -> Moments:
    """The moments of a function at the size that a signal has on average."""
    x = x.blended()
    mean = float(x.diagonal(x.mean)[0])
    kernels = shifted(phi, mean) if mean else table(phi)
    return kernels.moments(max(float(x.squares[0]) - mean**2, 0.0))


def bent(x: Signal, phi: Activation) -> tuple[Signal, Signal]:
    """The function of a Gaussian signal, and its slope there, as signals."""
    parts = [_part(x, p, phi) for p in range(len(x.units))]
    out, slope = (_stacked(x, [part[side] for part in parts]) for side in (0, 1))
    at = typical(x, phi)
    same = at.x22 / max(at.m2 * at.d2, 1e-300) - 1
    kurtosis = out.blended().kurtosis[0] - 1
    apart = float((kurtosis[1] / kurtosis[0].clamp(min=1e-9)).clamp(0, 1)) if len(x.axes) else 1.0
    cross = same * (1 / x.instances + (1 - 1 / x.instances) * apart)
    return replace(out, cross=cross, exact=False), slope


_Fields = tuple[Tensor, Tensor, Tensor, Tensor]
"""Kernels of one part: of a unit, of two, the mean, and the kurtosis."""


def _stacked(x: Signal, parts: Sequence[_Fields]) -> Signal:
    k, m, mean, kurtosis = (torch.stack([part[i] for part in parts]) for i in range(4))
    return replace(x, k=k, m=m, mean=mean, kurtosis=kurtosis)


@dataclass(frozen=True)
class _Gauss:
    """One part of a signal as Gaussians: the sizes of each pair without their means, and the correlations."""

    kernels: Table
    q: float
    mean: float
    left: Tensor
    right: Tensor
    c: Tensor
    """Of a unit (first), and of two."""


def _gauss(x: Signal, p: int, phi: Activation) -> _Gauss:
    first, second = x.mean[p], x.second(x.mean)[p]
    left, right = ((t[p] - mean**2).clamp(min=0) for t, mean in zip(x.ends(x.k), (first, second), strict=True))
    size = (left * right).sqrt().clamp(min=1e-300)
    c = torch.stack([(t[p] - first * second) / size for t in (x.k, x.m)]).clamp(-1, 1)
    mean = float(x.diagonal(x.mean)[p])
    q = max(float(x.squares[p]) - mean**2, 0.0)
    # With a mean, all instances are taken to be of one size: for each one another function would be asked for.
    left, right = (torch.full_like(t, q) if mean else t for t in (left, right))
    return _Gauss(shifted(phi, mean) if mean else table(phi), q, mean, left, right, c)


def _tilt(x: Signal, phi: Activation) -> Tensor:
    """E[x f'(x) x' f'(x')] for all classes of pairs."""
    gauss = [_gauss(x, p, phi) for p in range(len(x.units))]
    return torch.stack([g.kernels.tilt(g.left, g.right, g.c[0]) for g in gauss])


def _part(x: Signal, p: int, phi: Activation) -> tuple[_Fields, _Fields]:
    g = _gauss(x, p, phi)
    kernels, q, left, c, first = g.kernels, g.q, g.left, g.c, x.mean[p]
    values, slopes = kernels.dual(g.left, g.right, c)
    at = kernels.moments(q)
    means = torch.full_like(first, at.m1)
    if not g.mean and any(axis.shown for axis in x.axes):
        means = math.copysign(1.0, at.m1) * kernels.dual(left, left, torch.zeros_like(left))[0].clamp(min=0).sqrt()
    between = float(x.apart(torch.stack([c[0]] * len(x.units)))[p])
    squares, steep, _ = kernels.squares(q, torch.tensor([1.0, between], dtype=torch.float64))
    kurtosis, steepness = squares / max(at.m2, 1e-150) ** 2, steep / max(at.d2, 1e-150) ** 2
    if x.exact:  # the sum of squares is given, and what depends on it alone does not vary
        given = torch.tensor([1.0, between**2], dtype=torch.float64)
        kurtosis, steepness = kurtosis - 2 * at.s**2 * given, steepness - 2 / 3 * at.k**2 * given
    return (values[0], values[1], means, kurtosis), (slopes[0], slopes[1], torch.full_like(first, at.d1), steepness)


@rule("fused")
def fused(step: Step, inputs: Sequence[Value]) -> Passage:
    """A function that is written out: as `activation`; what lies within gets its share of the slope."""
    inside, phi = step.attributes["inside"], step.attributes["phi"]
    own = len(inputs) - 1 - inside
    x = signal(inputs[own])
    out, slope = bent(x, phi) if varies(x) else near(x, phi)
    squares, passed = phi.gains(*spread(x))

    def back(grad: Signal) -> Sequence[Grad]:
        whole = replace(grad, k=grad.k * slope.k, m=grad.m * slope.m, kurtosis=grad.kurtosis * slope.kurtosis)
        operands = [times(grad, passed.get((inside, slot), 0.0)) for slot in range(own)]
        return [*operands, whole, *(times(grad, square) for square in squares[:inside])]

    return Passage((out,), lambda grads: back(came(grads[0])), told=own)


@rule("inside")
def within(step: Step, inputs: Sequence[Value]) -> Passage:
    """One operation within a function that is written out; its gradient is counted where that ends."""
    phi, line = step.attributes["phi"], step.attributes["line"]
    x = signal(inputs[-1]).blended()
    mean, q = spread(x)
    at = moments(phi.until(line), q, mean)
    out = replace(x, k=torch.full_like(x.k, at.m2), m=torch.full_like(x.m, at.m1**2), mean=torch.full_like(x.k, at.m1))
    squares, passed = phi.gains(mean, q)

    def back(grad: Signal) -> Sequence[Grad]:
        own = max(squares[line], 1e-300)
        return [times(grad, passed.get((line, slot), 0.0) / own) for slot in range(len(inputs) - 1)]

    return Passage((out,), lambda grads: back(came(grads[0])), told=len(inputs))


def times(grad: Signal, factor: float) -> Signal:
    """A gradient with its squares multiplied."""
    return replace(grad, k=grad.k * factor, m=grad.m * factor)


def spread(x: Signal) -> tuple[float, float]:
    """The mean of a signal, and its variance: none where it keeps close to its mean."""
    x = x.blended()
    mean = float(x.diagonal(x.mean)[0])
    return mean, max(float(x.squares[0]) - mean**2, 0.0) if varies(x) else 0.0


def varies(x: Signal) -> bool:
    """True unless a signal keeps close to its mean, as the variance over many units does."""
    return bool((x.squares > 1.2 * x.diagonal(x.mean**2)).any())


def near(x: Signal, phi: Activation) -> tuple[Signal, Signal]:
    """f(x) = f(mean) + f'(mean) (x - mean), for a signal that keeps close to its mean: the function, and its slope."""
    with torch.enable_grad():
        at = x.mean.clone().requires_grad_()
        value = phi.f(at)
        (slope,) = torch.autograd.grad(value.sum(), at)
    value = value.detach()
    both, steep, means = (t * x.second(t) for t in (value, slope, x.mean))
    k, m = (both + steep * (t - means) for t in (x.k, x.m))
    flat = torch.ones_like(x.kurtosis)
    return replace(x, k=k, m=m, mean=value, kurtosis=flat), replace(x, k=steep, m=steep, mean=slope, kurtosis=flat)


@rule("pow", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "abs", "sin", "cos", "erf", "atan")
def function(step: Step, inputs: Sequence[Value]) -> Passage:
    """One such function alone."""
    kept = tuple((name, step.attributes[name]) for name in ("exponent",) if name in step.attributes)
    phi = Written((Line(step.op, (-1,), kept),))
    x = signal(inputs[0])
    out, slope = bent(x, phi) if varies(x) else near(x, phi)
    if not bool(out.k.isfinite().all()):
        raise NoRuleError(f"{step.op} of what varies widely")

    def back(grad: Signal) -> Sequence[Grad]:
        return [replace(grad, k=grad.k * slope.k, m=grad.m * slope.m, kurtosis=grad.kurtosis * slope.kurtosis)]

    return one(out, back)
