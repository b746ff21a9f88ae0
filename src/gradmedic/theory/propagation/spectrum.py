"""Fourier transforms: isometries up to a factor, which keep sums of squares (Parseval)."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, one, rule, signal
from gradmedic.theory.signals.axes import Axis, diagonal, over
from gradmedic.theory.signals.signal import Atom, Signal
from gradmedic.theory.signals.unit_instance import Changed, Pullback, chained, coarsely

BY_COUNT, BY_ROOT = 2, 1
"""How torch numbers what a transform is divided by."""


@rule("fft_c2_c")
def fft(step: Step, inputs: Sequence[Value]) -> Propagation:
    """sum |X|^2 = n sum |x|^2, for inner products of two samples too; frequencies have nothing in common.

    Of the gradient half is dropped, as what goes in is real.
    """
    x = signal(inputs[0])
    dims = {dim % len(x.dims) for dim in step.attributes.get("dim", ())}
    n = prod(x.shape[dim] for dim in dims)
    factor = n * {BY_COUNT: n**-2, BY_ROOT: 1.0 / n}.get(int(step.attributes.get("normalization", 0)), 1.0)
    out, back = _spread_out(x, dims)

    def returned(grad: Signal) -> Sequence[Grad]:
        grad, _ = _spread_out(grad, dims)
        return [back(replace(grad, k=grad.k * factor / 2, m=grad.m * factor / 2))]

    return one(replace(out, k=out.k * factor, m=out.m * factor), returned)


def _spread_out(x: Signal, dims: set[int]) -> Changed:
    """A signal whose entries along these dimensions are as large as they are on average, and independent."""
    start, backs = x.dims, list[Pullback]()
    atoms = [atom for dim in dims for atom in x.dims[dim]]
    positions = sorted({atom.axis for atom in atoms if not atom.is_units})
    for position in positions:
        x, back = coarsely(x, position)
        backs.append(back)
    k, m = x.k, x.m
    for position in positions:
        k, m = (_own(t, position + 1, x.axes[position]) for t in (k, m))
    if any(atom.is_units for atom in atoms):
        m = torch.zeros_like(m)
    flat = replace(x, k=k, m=m, mean=torch.zeros_like(k), skew=None, layer=-1, origin=-1, exact=0.0)
    return flat, chained(backs, start)


def _own(t: torch.Tensor, at: int, axis: Axis) -> torch.Tensor:
    own = over(t, at, diagonal(axis))
    return torch.stack([own, torch.zeros_like(own)], at)


@rule("view_as_real")
def view_as_real(step: Step, inputs: Sequence[Value]) -> Propagation:
    """A complex number as two, each with half of its square."""
    x = signal(inputs[0])
    at = len(x.axes)

    def split(t: torch.Tensor) -> torch.Tensor:
        return torch.stack([t / 2, torch.zeros_like(t)], -1)

    def back(grad: Signal) -> Sequence[Grad]:
        k, m = (2 * t.select(-1, 0) for t in (grad.k, grad.m))
        return [replace(grad, dims=x.dims, axes=x.axes, k=k, m=m, mean=torch.zeros_like(k))]

    dims = (*x.dims, (Atom(2, at),))
    k, m = split(x.k), split(x.m)
    return one(replace(x, dims=dims, axes=(*x.axes, Axis(2)), k=k, m=m, mean=torch.zeros_like(k)), back)


@rule("real", "view_as_complex")
def real(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Half of a complex number's square; and two numbers as one."""
    x = signal(inputs[0])
    if step.op == "real":
        return one(x.scaled(0.5**0.5), lambda grad: [grad])
    if not x.dims[-1] or x.dims[-1][0].is_units or len(x.dims[-1]) > 1:
        raise NoRuleError("units as parts of a complex number")
    x, fine = coarsely(x, x.dims[-1][0].axis)
    position = x.dims[-1][0].axis
    k, m = (2 * t.select(position + 1, 0) for t in (x.k, x.m))
    axes = (*x.axes[:position], *x.axes[position + 1 :])
    dims = tuple(tuple(Atom(a.size, a.axis - (a.axis > position)) for a in dim) for dim in x.dims[:-1])

    def back(grad: Signal) -> Sequence[Grad]:
        k, m = (torch.stack([t / 2, torch.zeros_like(t)], position + 1) for t in (grad.k, grad.m))
        return [fine(replace(grad, dims=x.dims, axes=x.axes, k=k, m=m, mean=torch.zeros_like(k)))]

    return one(replace(x, dims=dims, axes=axes, k=k, m=m, mean=torch.zeros_like(k)), back)
