"""Operations that only arrange: views, transpositions, parts of a tensor, and several as one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from math import prod

import torch
from torch import Tensor

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, WeightOperand, one, rule, signal
from gradmedic.theory.signals.axes import Axis, diagonal, over, pairs
from gradmedic.theory.signals.signal import UNITS, Atom, Dims, Signal
from gradmedic.theory.signals.unit_instance import Changed, Pullback, chained, coarsely, parted
from gradmedic.theory.signals.views import merged, viewed


@rule("view", "unsafe_view", "reshape", "reshape_alias", "flatten", "as_strided")
def view(step: Step, inputs: Sequence[Value]) -> Propagation:
    """The same entries, grouped anew."""
    if (passage := of_weight(step, inputs)) is not None:
        return passage
    out, back = viewed(signal(inputs[0]), step.shape)
    return one(out, lambda grad: [back(grad)])


@rule("clone", "to_copy", "detach", "alias", "contiguous", "lift", "identity", "copy")
def same(step: Step, inputs: Sequence[Value]) -> Propagation:
    """The same entries in the same places."""
    return Propagation((inputs[0],), lambda grads: grads)


@rule("roll", "flip")
def turned(step: Step, inputs: Sequence[Value]) -> Propagation:
    """The same entries in other places: neighbors stay neighbors, and of groups no more is known than the mean."""
    if (passage := of_weight(step, inputs)) is not None:
        return passage
    x = signal(inputs[0])
    start, backs = x.dims, []
    for position, axis in enumerate(x.axes):
        if axis.groups or axis.shown:
            x, back = coarsely(x, position)
            backs.append(back)
    unturned = chained(backs, start)
    return one(x, lambda grad: [unturned(grad)])


@rule("permute", "transpose", "t", "movedim")
def permute(step: Step, inputs: Sequence[Value]) -> Propagation:
    """The same entries, dimensions in another order."""
    if (passage := of_weight(step, inputs)) is not None:
        return passage
    x = signal(inputs[0])
    out = replace(x, dims=tuple(x.dims[dim] for dim in order(step, len(x.dims))))
    return one(out, lambda grad: [replace(grad, dims=x.dims)])


def order(step: Step, rank: int) -> list[int]:
    if "dims" in step.attributes:
        return [dim % rank for dim in step.attributes["dims"]]
    order = list(range(rank))
    first, second = (step.attributes.get(name, default) % rank for name, default in (("dim0", 0), ("dim1", 1)))
    order[first], order[second] = order[second], order[first]
    return order


@rule("unsqueeze", "squeeze")
def squeeze(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Dimensions of size one come and go: factors stay where they are."""
    if (passage := of_weight(step, inputs)) is not None:
        return passage
    x = signal(inputs[0])
    filled = iter([dim for dim in x.dims if dim])
    dims = tuple(next(filled) if size > 1 else () for size in step.shape)
    return one(replace(x, dims=dims), lambda grad: [replace(grad, dims=x.dims)])


def of_weight(step: Step, inputs: Sequence[Value]) -> Propagation | None:
    """A parameter that is only arranged keeps its law, and its gradient its norm."""
    if not isinstance(inputs[0], WeightOperand):
        return None
    outputs = tuple(WeightOperand(inputs[0].law, shape) for shape in step.shapes)

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        return [sum(grad for grad in grads if isinstance(grad, float))]

    return Propagation(outputs, back)


@rule("select", "slice", "narrow", "split", "split_with_sizes", "unsafe_split", "chunk", "unbind")
def part(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Some of the entries along a dimension; what is left out has no gradient from here."""
    if (passage := of_weight(step, inputs)) is not None:
        return passage
    start = signal(inputs[0])
    dim = step.attributes.get("dim", 0) % len(start.dims)
    x, unmerged = merged(start, dim) if len(start.dims[dim]) > 1 else (start, _same)
    drops = step.op in ("select", "unbind")
    cut = [_cut(x, dim, places, drops) for places in _places(step, dim, x.shape[dim])]

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        came = [pull(grad) for (_, pull), grad in zip(cut, grads, strict=True) if isinstance(grad, Signal)]
        return [unmerged(_sum(came))]

    return Propagation(tuple(out for out, _ in cut), back)


def _sum(grads: Sequence[Signal]) -> Signal:
    first = grads[0]
    return replace(first, k=sum((g.k for g in grads), torch.zeros(())), m=sum((g.m for g in grads), torch.zeros(())))


def _places(step: Step, dim: int, size: int) -> Iterator[range]:
    """Which entries along the dimension each output has."""
    if step.op == "select":
        index = int(step.attributes.get("index", 0)) % size
        yield range(index, index + 1)
    elif step.op == "unbind":
        yield from (range(i, i + 1) for i in range(size))
    elif step.op in ("slice", "narrow"):
        start = int(step.attributes.get("start") or 0)
        start = max(start + size, 0) if start < 0 else start
        stride = int(step.attributes.get("step") or 1)
        yield range(start, start + step.shape[dim] * stride, stride)
    else:
        start = 0
        for shape in step.shapes:
            yield range(start, start + shape[dim])
            start += shape[dim]


def _cut(x: Signal, dim: int, places: range, drops: bool) -> Changed:
    """Some entries along a dimension, which vanishes if it `drops`."""
    whole, size = prod(atom.size for atom in x.dims[dim]), len(places)
    if whole == size and not drops:
        return x, _same
    back: Pullback = _same
    if not x.dims[dim]:
        out = x
    elif x.dims[dim][0].is_units:
        out, back = _some_units(x, dim, size)
    else:
        out, back = _some_instances(x, dim, places)
    dims = (*out.dims[:dim], *out.dims[dim + 1 :]) if drops else out.dims
    return replace(out, dims=dims), lambda grad: replace(back(grad), dims=x.dims)


def _same(grad: Signal) -> Signal:
    return grad


def _some_units(x: Signal, dim: int, size: int) -> Changed:
    whole = x.dims[dim][0].size
    out = x if all(units % whole == 0 for units in x.units) else x.blended()
    units = tuple(units // whole * size for units in out.units)
    dims = _with(x.dims, dim, (Atom(size, UNITS),) if size > 1 else ())
    share = size / whole

    def back(grad: Signal) -> Signal:
        parts = x.units if len(grad.units) == len(x.units) else (x.count,)
        n = torch.tensor(parts, dtype=torch.float64).reshape(-1, *[1] * (grad.m.dim() - 1))
        both = share * (share * n - 1) / (n - 1).clamp(min=1)
        return parted(replace(grad, units=parts, k=grad.k * share, m=grad.m * both), x.units)

    return replace(out, dims=dims, units=units), back


def _some_instances(x: Signal, dim: int, cut: range) -> Changed:
    position, at = x.dims[dim][0].axis, x.dims[dim][0].axis + 1
    axis, size = x.axes[position], len(cut)
    if axis.groups:
        return _of_groups(x, dim, cut)
    if size == 1:
        return _single(x, dim, diagonal(axis))
    fewer = replace(axis, size=size, profile=None)
    # Of all pairs of a class this share lies in the part.
    share_of = pairs(fewer) * size**2 / (pairs(axis) * axis.size**2).clamp(min=1e-300)

    def back(grad: Signal) -> Signal:
        k, m = (t * share_of.reshape(-1, *[1] * (t.dim() - at - 1)) for t in (grad.k, grad.m))
        return replace(grad, axes=x.axes, k=k, m=m)

    axes = (*x.axes[:position], fewer, *x.axes[position + 1 :])
    return replace(x, dims=_with(x.dims, dim, (Atom(size, position),)), axes=axes), back


def _single(x: Signal, dim: int, weights: Tensor) -> Changed:
    """One entry of an axis, of which `weights` pick the class."""
    position, at = x.dims[dim][0].axis, x.dims[dim][0].axis + 1
    k, m, mean = (over(t, at, weights) for t in (x.k, x.m, x.mean))
    shifted = tuple(tuple(Atom(a.size, a.axis - (a.axis > position)) for a in d) for d in x.dims)
    axes = (*x.axes[:position], *x.axes[position + 1 :])
    whole = x.axes[position]
    # What arrives at one entry is that share of what there is at all, or at those of its group.
    here = (weights > 0).double() / (whole.groups[int(weights.argmax())] if whole.groups else whole.size)

    def back(grad: Signal) -> Signal:
        k, m = (t.unsqueeze(at) * here.reshape(-1, *[1] * (t.dim() - at)) for t in (grad.k, grad.m))
        return replace(grad, axes=x.axes, k=k, m=m, mean=torch.zeros_like(k))

    return replace(x, dims=_with(shifted, dim, ()), axes=axes, k=k, m=m, mean=mean), back


def _of_groups(x: Signal, dim: int, cut: range) -> Changed:
    """A part of an axis with groups: of each group some entries, and of those of one group only a plain axis."""
    position, at = x.dims[dim][0].axis, x.dims[dim][0].axis + 1
    axis, n = x.axes[position], len(x.axes[position].groups)
    ends = list(accumulate(axis.groups, initial=0))
    left = [len(set(cut) & set(range(a, b))) for a, b in pairwise(ends)]
    kept = [g for g in range(n) if left[g]]
    if len(cut) == 1:
        weights = torch.zeros(axis.classes, dtype=torch.float64)
        weights[kept[0]] = 1.0
        return _single(x, dim, weights)
    index = torch.tensor([*kept, *(n + g * n + h for g in kept for h in kept)])
    fewer = Axis(len(cut), groups=tuple(left[g] for g in kept)) if len(kept) > 1 else Axis(len(cut))
    share = pairs(fewer) * len(cut) ** 2 / (pairs(axis)[index] * axis.size**2).clamp(min=1e-300)
    k, m, mean = (t.index_select(at, index) for t in (x.k, x.m, x.mean))

    def back(grad: Signal) -> Signal:
        wide = share.reshape(-1, *[1] * (grad.k.dim() - at - 1))
        k, m = (torch.zeros_like(x.k).index_copy(at, index, t * wide) for t in (grad.k, grad.m))
        return replace(grad, axes=x.axes, k=k, m=m, mean=torch.zeros_like(k))

    axes = (*x.axes[:position], fewer, *x.axes[position + 1 :])
    dims = _with(x.dims, dim, (Atom(len(cut), position),))
    return replace(x, dims=dims, axes=axes, k=k, m=m, mean=mean), back


def _with(dims: Dims, dim: int, atoms: tuple[Atom, ...]) -> Dims:
    return (*dims[:dim], atoms, *dims[dim + 1 :])


@rule("expand", "repeat")
def expand(step: Step, inputs: Sequence[Value]) -> Propagation:
    """The same entries again and again: instances that are all alike."""
    if (passage := of_weight(step, inputs)) is not None:
        return passage
    x = signal(inputs[0])
    lead = len(step.shape) - len(x.dims)
    out = replace(x, dims=(*(() for _ in range(lead)), *x.dims))
    new = list[int]()
    for dim, (size, before) in enumerate(zip(step.shape, out.shape, strict=True)):
        if size != before:
            if before != 1:
                raise NoRuleError("a repetition of more than one entry")
            out = _repeated(out, dim, size)
            new.append(size)

    def back(grad: Signal) -> Sequence[Grad]:
        for _ in new:
            axis, dim = grad.axes[-1], grad.k.dim() - 1
            k, m = (axis.size**2 * over(t, dim, pairs(axis)) for t in (grad.k, grad.m))
            grad = replace(grad, axes=grad.axes[:-1], dims=(), k=k, m=m, mean=torch.zeros_like(k))
        return [replace(grad, dims=x.dims)]

    return one(out, back)


def _repeated(x: Signal, dim: int, size: int) -> Signal:
    k, m, mean = (t.unsqueeze(-1).expand(*t.shape, 2) for t in (x.k, x.m, x.mean))
    dims = _with(x.dims, dim, (Atom(size, len(x.axes)),))
    return replace(x, dims=dims, axes=(*x.axes, Axis(size)), k=k, m=m, mean=mean)
