"""Two values element by element, with broadcasting; and parameters as signals of their own."""

import math
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor

from gradmedic.theory.signals.contraction import Labeled, broadcast, framed, joined, together
from gradmedic.theory.signals.parameter_law import ParameterLaw
from gradmedic.theory.signals.signal import UNITS, Atom, Signal, own

NOTHING = 1e-9
"""A share of a sum that makes no difference."""

_ONE = torch.ones(1, dtype=torch.float64)
ONE = Labeled(Signal((), (), (1,), _ONE, _ONE, _ONE, torch.ones(1, 2, dtype=torch.float64)), (), lambda grad: grad)
"""The constant one."""


@dataclass(frozen=True)
class Pair:
    """Two operands with labels, and the layout of what is made of them element by element."""

    a: Labeled
    b: Labeled
    frame: Labeled

    def product(self) -> Signal:
        """The product of two independent operands."""
        return joined(self.a, self.b, self.frame)

    def sum(self, sign: float = 1.0) -> Signal:
        """The sum (or difference) of two independent operands."""
        a, b = self.spread(self.a), self.spread(self.b)
        cross = sign * (a.mean * b.second(b.mean) + b.mean * a.second(a.mean))
        of_a, of_b = (x.square / max(a.square + b.square, 1e-300) for x in (a, b))
        exact = of_a**2 * a.exact + of_b**2 * b.exact
        out = replace(a, k=a.k + b.k + cross, m=a.m + b.m + cross, mean=a.mean + sign * b.mean)
        out = replace(out, layer=-1, cross=0.0, exact=exact, **_varying(a, b))
        return replace(out, kurtosis=of_sum(out, a, b), skew=_skew_of_sum(out, a, b, sign))

    def spread(self, side: Labeled) -> Signal:
        """One operand as it is when it is broadcast."""
        return joined(side, ONE, self.frame)

    def reduced(self, grad: Signal, side: Labeled) -> Signal:
        """The gradient of one operand of a sum: summed over where it was broadcast."""
        return side.restore(joined(replace(self.frame, signal=grad), ONE, side))

    def weighted(self, grad: Signal, side: Labeled) -> Signal:
        """The gradient of one operand of a product."""
        other = self.b if side is self.a else self.a
        return side.restore(joined(replace(self.frame, signal=grad), other, side))


def _varying(a: Signal, b: Signal) -> dict[str, Any]:
    """How sizes vary from unit to unit in a sum: two branches of one origin's unit happen to agree or not.

    The squared correlation of two filters' results of one unit is on average one over the terms that are independent.
    Of each part that counts which varies between instances.
    """
    first, second = (max(x.square - float(x.share @ x.everywhere(x.k)), 0.0) for x in (a, b))
    of_a = first / max(first + second, 1e-300)
    of_b = 1 - of_a
    for x, share in ((a, of_a), (b, of_b)):
        if share > 1 - NOTHING:
            return {"fan": x.fan, "origin": x.origin, "taps": x.taps}
    one, drawn = a.origin == b.origin and a.origin >= 0, max(a.taps, b.taps)
    agree = 1 / max(drawn, 1.0) if one and drawn else 0.0
    varies = of_a**2 * 2 / a.fan + of_b**2 * 2 / b.fan + 4 * of_a * of_b * agree
    fan = 2 / varies if varies > 0 else math.inf
    if not one:
        return {"fan": fan, "origin": -1, "taps": 0.0}
    terms = of_a**2 / max(a.taps, 1.0) + of_b**2 / max(b.taps, 1.0) + 2 * of_a * of_b * agree
    return {"fan": fan, "origin": a.origin, "taps": 1 / terms if drawn and terms > 0 else 0.0}


def of_sum(out: Signal, a: Signal, b: Signal) -> Tensor:
    """The kurtosis of a sum of two: cumulants add."""
    share = (a.squares / (a.squares + b.squares).clamp(min=1e-300)).clamp(0, 1)[:, None]
    excess = [x.kurtosis - x.gaussian() for x in (a, b)]
    return out.gaussian() + share**2 * excess[0] + (1 - share) ** 2 * excess[1]


def _skew_of_sum(out: Signal, a: Signal, b: Signal, sign: float) -> Tensor:
    """The skewness of a sum of two: third cumulants add."""
    third = sum(
        side * x.lopsidedness * (x.squares - x.diagonal(x.mean) ** 2).clamp(min=0) ** 1.5
        for side, x in ((1, a), (sign, b))
    )
    return third / (out.squares - out.diagonal(out.mean) ** 2).clamp(min=1e-200) ** 1.5


def paired(a: Signal, b: Signal) -> Pair:
    """Two signals as operands of one elementwise operation."""
    first, second = together(a, b, broadcast(a.dims, b.dims))
    dims = list[tuple[Labeled, int]]()
    rank = max(len(first.signal.dims), len(second.signal.dims))
    for i in range(-rank, 0):
        here, there = len(first.signal.dims) + i, len(second.signal.dims) + i
        use_first = here >= 0 and (there < 0 or bool(first.signal.dims[here]))
        dims.append((first, here) if use_first else (second, there))
    return Pair(first, second, framed(first, second, dims))


def placed(law: ParameterLaw, shape: tuple[int, ...], like: Signal) -> Signal:
    """A parameter that meets a signal element by element: its entries are drawn once and for all instances."""
    names, axes, dims = dict[int, int](), list[int](), list[tuple[Atom, ...]]()
    for i, size in enumerate(shape):
        at = len(like.dims) - len(shape) + i
        atoms = () if size == 1 else (like.dims[at] if at >= 0 else ()) or (Atom(size, UNITS),)
        for atom in atoms:
            if not atom.is_units:
                names[atom.axis] = len(axes)
                axes.append(atom.axis)
        dims.append(tuple(Atom(a.size, UNITS if a.is_units else names[a.axis]) for a in atoms))
    units = prod(atom.size for dim in dims for atom in dim if atom.is_units)
    kept = tuple(like.axes[axis] for axis in axes)
    k = torch.full((1, *(axis.classes for axis in kept)), law.mean**2, dtype=torch.float64)
    tails = torch.full((1, 2), law.kurtosis, dtype=torch.float64)
    blank = Signal(tuple(dims), kept, (units,), k, k, torch.full_like(k, law.mean), tails)
    return replace(blank, k=torch.where(own(blank) > 0, law.square, k))
