"""Products of two signals: which of their units and axes are the same, and sums over those that vanish."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from math import prod

import torch
from torch import Tensor

from gradmedic.theory.signals.axes import Axis, diagonal, over, pairs
from gradmedic.theory.signals.signal import UNITS, Atom, Dims, Signal
from gradmedic.theory.signals.unit_instance import (
    Changed,
    Pullback,
    chained,
    coarsely,
    grouped,
    narrowed,
    parted,
    to_instances,
)
from gradmedic.theory.signals.views import refined

Names = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Labeled:
    """A signal whose factors have labels: equal ones run together. `restore` leads its gradient back."""

    signal: Signal
    names: Names
    """A label for every atom of the signal's dims."""
    restore: Pullback

    def _atoms(self) -> Iterable[tuple[int, Atom]]:
        for labels, dim in zip(self.names, self.signal.dims, strict=True):
            yield from zip(labels, dim, strict=True)

    @cached_property
    def units(self) -> dict[int, int]:
        """Sizes of its units, by label."""
        return {label: atom.size for label, atom in self._atoms() if atom.is_units}

    @cached_property
    def axes(self) -> dict[int, Axis]:
        """Its axes, by label and in the order of its kernels."""
        labels = {atom.axis: label for label, atom in self._atoms() if not atom.is_units}
        return {labels[i]: axis for i, axis in enumerate(self.signal.axes)}

    @property
    def across(self) -> Tensor:
        """What two different units of a larger whole have in common; without units of its own it is one for all."""
        return self.signal.m if self.units else self.signal.k

    @property
    def is_certain(self) -> bool:
        """True for a constant that is no matter of chance."""
        x = self.signal
        return bool(((x.k - x.mean * x.second(x.mean)).abs() <= 1e-9 * x.k.abs()).all())

    def spread(self, k: Tensor, onto: Sequence[tuple[int, Axis]]) -> Tensor:
        """One of its kernels over a list of axes, constant along those that it does not have."""
        return _spread(k, list(self.axes), onto)


def _spread(k: Tensor, labels: Sequence[int], onto: Sequence[tuple[int, Axis]]) -> Tensor:
    k = k.permute(0, *(labels.index(label) + 1 for label, _ in onto if label in labels))
    for dim, (label, axis) in enumerate(onto, 1):
        if label not in labels:
            k = k.unsqueeze(dim).expand(*k.shape[:dim], axis.classes, *k.shape[dim:])
    return k


def together(a: Signal, b: Signal, matches: Iterable[tuple[int, int]]) -> tuple[Labeled, Labeled]:
    """Label two signals, of which some dimensions (of `a`, of `b`) are the same."""
    matches = [(here, there) for here, there in matches if a.dims[here] and b.dims[there]]
    if min(len(a.units), len(b.units)) > 1 and a.units != b.units:
        a, b = a.blended(), b.blended()
    (a, back_a), (b, back_b) = _agreeing(a, b, matches)
    fresh = count()
    names_a = tuple(tuple(next(fresh) for _ in dim) for dim in a.dims)
    twin = {there: names_a[here] for here, there in matches}
    names_b = tuple(twin.get(d) or tuple(next(fresh) for _ in dim) for d, dim in enumerate(b.dims))
    return Labeled(a, names_a, back_a), Labeled(b, names_b, back_b)


def _agreeing(a: Signal, b: Signal, matches: list[tuple[int, int]]) -> tuple[Changed, Changed]:
    """The signals with factors that agree in size, role and classes, wherever they have something in common."""
    backs_a, backs_b = list[Pullback](), list[Pullback]()
    start_a, start_b = a.dims, b.dims
    for here, there in matches:
        (a, back_a), (b, back_b) = refined(a, here, b, there)
        backs_a.append(back_a)
        backs_b.append(back_b)
        for at in range(len(a.dims[here])):
            first, second = a.dims[here][at], b.dims[there][at]
            a = _changed(a, _adapted(a, here, at, b, second), backs_a)
            b = _changed(b, _adapted(b, there, at, a, first), backs_b)
    return (a, chained(backs_a, start_a)), (b, chained(backs_b, start_b))


def _changed(x: Signal, change: Changed | None, backs: list[Pullback]) -> Signal:
    if change is None:
        return x
    backs.append(change[1])
    return change[0]


def _adapted(x: Signal, dim: int, at: int, other: Signal, twin: Atom) -> Changed | None:
    """What has to be done to one factor for the sake of its twin in the other signal."""
    own = x.dims[dim][at]
    if own.is_units:
        return None if twin.is_units else to_instances(x, dim, at)
    if twin.is_units:
        return coarsely(x, own.axis)
    axis = other.axes[twin.axis]
    if axis == x.axes[own.axis]:
        return None
    if axis.groups:
        return grouped(x, own.axis, axis)
    if x.axes[own.axis].groups and not axis.shown:
        return None  # the other one will be told the same groups
    if axis.shown:
        return coarsely(x, own.axis)
    return narrowed(x, own.axis, min(axis.radius, x.axes[own.axis].radius))


def framed(a: Labeled, b: Labeled, dims: Sequence[tuple[Labeled, int]]) -> Labeled:
    """The layout of a result whose dimensions are some of `a` and `b`; its kernels are still missing."""
    axes, atoms_of = list[Axis](), list[tuple[Atom, ...]]()
    for side, dim in dims:
        atoms = list[Atom]()
        for atom in side.signal.dims[dim]:
            atoms.append(Atom(atom.size, UNITS if atom.is_units else len(axes)))
            if not atom.is_units:
                axes.append(side.signal.axes[atom.axis])
        atoms_of.append(tuple(atoms))
    names = tuple(side.names[dim] for side, dim in dims)
    units = prod(atom.size for atoms in atoms_of for atom in atoms if atom.is_units)
    nothing = torch.zeros(1, dtype=torch.float64)
    blank = Signal(tuple(atoms_of), tuple(axes), _parts(a, b, units), nothing, nothing, nothing, nothing)
    return Labeled(blank, names, lambda grad: grad)


def _like(x: Signal, of: Signal) -> Signal:
    """What a constant that is no matter of chance leaves as it was."""
    return replace(x, skew=of.skew, exact=of.exact, fan=of.fan, origin=of.origin, taps=of.taps)


def _apart(m: Tensor, x: Labeled, y: Labeled, onto: Sequence[tuple[int, Axis]]) -> Tensor:
    """What two different units of a product have in common, where each operand has units that the other one lacks."""
    mine, yours = (prod(a.units[label] for label in a.units.keys() - b.units) for a, b in ((x, y), (y, x)))
    if min(mine, yours) == 1:
        return m
    others = prod({**x.units, **y.units}.values()) - 1
    same_x = x.spread(x.signal.k, onto) * y.spread(y.across, onto)
    same_y = x.spread(x.across, onto) * y.spread(y.signal.k, onto)
    return m + (yours - 1) / others * (same_x - m) + (mine - 1) / others * (same_y - m)


def _parts(a: Labeled, b: Labeled, units: int) -> tuple[int, ...]:
    """The units of each part of a product: as in the operand that has parts, if it keeps its units."""
    for side in (a, b):
        if len(side.signal.units) > 1 and units % side.signal.count == 0:
            return tuple(part * units // side.signal.count for part in side.signal.units)
    return (units,)


def joined(x: Labeled, y: Labeled, keep: Labeled) -> Signal:
    """The product of two independent signals, laid out as `keep` and summed over all labels that it does not have.

    The second moment of a product is the product of the second moments; a sum over n units counts
    n of these, and n(n-1) pairs of different units; a sum over instances counts all pairs.
    """
    units = {**x.units, **y.units}
    n = prod(size for label, size in units.items() if label not in keep.units)
    if n > 1 or len(keep.signal.units) == 1:
        x, y = (replace(side, signal=side.signal.blended()) for side in (x, y))
    onto = sorted({**x.axes, **y.axes}.items(), key=lambda item: item[0] not in keep.axes)
    k = x.spread(x.signal.k, onto) * y.spread(y.signal.k, onto)
    m = x.spread(x.across, onto) * y.spread(y.across, onto)
    mean, kurtosis = (
        x.spread(x.signal.mean, onto) * y.spread(y.signal.mean, onto),
        x.signal.kurtosis * y.signal.kurtosis,
    )
    if n == 1:
        m = _apart(m, x, y, onto)
    gone = [axis for label, axis in onto if label not in keep.axes]
    for axis in reversed(gone):
        k, m = (axis.size**2 * over(t, t.dim() - 1, pairs(axis)) for t in (k, m))
        mean = axis.size * over(mean, mean.dim() - 1, diagonal(axis))
    if n > 1:
        k, m, mean = n * k + n * (n - 1) * m, n * n * m, mean * n
    labels, target = [label for label, _ in onto[: len(onto) - len(gone)]], list(keep.axes.items())
    k, m, mean = (_spread(t, labels, target) for t in (k, m, mean))
    units_of = keep.signal.units if len(k) > 1 else (keep.signal.count,)
    layer = next((side.signal.layer for side in (x, y) if side.units), -1)
    found = replace(keep.signal, units=units_of, k=k, m=m, mean=mean, kurtosis=kurtosis, layer=layer)
    if n > 1 or gone:
        found = replace(found, kurtosis=found.gaussian(), layer=-1)
    else:
        like = [s.signal for s, other in ((x, y), (y, x)) if other.is_certain and len(s.signal.units) == len(k)]
        found = _like(found, like[0]) if like else found
    return parted(found, keep.signal.units)


def broadcast(a: Dims, b: Dims) -> list[tuple[int, int]]:
    """Which dimensions of two tensors meet where they are combined element by element."""
    return [(len(a) - i, len(b) - i) for i in range(1, min(len(a), len(b)) + 1)]
