"""Units and instances change roles: a convolution's positions become a linear layer's units.

Each function returns the signal in its new form, and the way back for its gradient.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gradmedic.theory.signals.axes import Axis, coarsened, diagonal, over, pairs
from gradmedic.theory.signals.signal import UNITS, Atom, Dims, Signal

Pullback = Callable[[Signal], Signal]
"""From the gradient of a result to the gradient of what it was made of."""

Changed = tuple[Signal, Pullback]


def settled(x: Signal, unit_dims: Iterable[int]) -> Changed:
    """All of some dimensions as units, and all others as instances."""
    wanted = {dim % len(x.dims) for dim in unit_dims}
    start, backs = x, list[Pullback]()
    while (found := _misplaced(x.dims, wanted)) is not None:
        dim, at = found
        x, back = to_units(x, x.dims[dim][at].axis) if dim in wanted else to_instances(x, dim, at)
        backs.append(back)
    return x, chained(backs, start.dims)


def chained(backs: Sequence[Pullback], dims: Dims) -> Pullback:
    """One way back after the other, the last first; the gradient ends with the given dimensions."""

    def pulled(grad: Signal) -> Signal:
        for back in reversed(backs):
            grad = back(grad)
        return replace(grad, dims=dims)

    return pulled


def _misplaced(dims: Dims, wanted: set[int]) -> tuple[int, int] | None:
    for i, dim in enumerate(dims):
        for at, atom in enumerate(dim):
            if atom.is_units != (i in wanted):
                return i, at
    return None


def same(grad: Signal) -> Signal:
    """The way back through a change that is none."""
    return grad


def arranged(x: Signal, like: Dims) -> Signal:
    """The signal with its axes in the order that they have in other dimensions; those of units do not matter."""
    atoms = [both for dims in zip(x.dims, like, strict=True) for both in zip(*dims, strict=False)]
    order = {there.axis: here.axis for here, there in atoms if not here.is_units}
    kernel = (0, *(order[position] + 1 for position in range(len(x.axes))))
    k, m, mean = (t.permute(kernel) for t in (x.k, x.m, x.mean))
    axes = tuple(x.axes[position - 1] for position in kernel[1:])
    return replace(x, dims=like, axes=axes, k=k, m=m, mean=mean)


def to_units(x: Signal, position: int) -> Changed:
    """All entries of an axis become units of their own."""
    axis = x.axes[position]

    def back(grad: Signal) -> Signal:
        return _onto(grad, position, axis)

    return as_units(x, position), back


def as_units(x: Signal, position: int) -> Signal:
    """The signal whose units are the pairs of a unit and an entry of the axis."""
    axis, dim = x.axes[position], position + 1
    same, all_k, all_m = over(x.k, dim, diagonal(axis)), over(x.k, dim, pairs(axis)), over(x.m, dim, pairs(axis))
    n = torch.tensor(x.units, dtype=torch.float64).reshape(-1, *[1] * (same.dim() - 1))
    total = n * axis.size
    squared = total * axis.size * (all_k + (n - 1) * all_m)
    m = (squared - total * same) / (total * (total - 1)).clamp(min=1)
    dims = tuple(tuple(_without(atom, position) for atom in dim) for dim in x.dims)
    axes = (*x.axes[:position], *x.axes[position + 1 :])
    mean = over(x.mean, dim, diagonal(axis))
    return replace(x, dims=dims, axes=axes, units=tuple(u * axis.size for u in x.units), k=same, m=m, mean=mean)


def _without(atom: Atom, position: int) -> Atom:
    if atom.axis == position:
        return Atom(atom.size, UNITS)
    return Atom(atom.size, atom.axis - (atom.axis > position))


def _onto(grad: Signal, position: int, axis: Axis) -> Signal:
    """The gradient of units that are the entries of an axis, as a gradient along that axis."""
    dim = position + 1
    k, m = _classed(grad.k, grad.m, dim, axis), _classed(grad.m, grad.m, dim, axis)
    axes = (*grad.axes[:position], axis, *grad.axes[position:])
    units = tuple(u // axis.size for u in grad.units)
    return replace(grad, axes=axes, units=units, k=k, m=m, mean=torch.zeros_like(k))


def _classed(same: Tensor, other: Tensor, dim: int, axis: Axis) -> Tensor:
    """A kernel with one more axis: what it is for an entry and itself, and for all other pairs."""
    here = (diagonal(axis) > 0).reshape(-1, *[1] * (same.dim() - dim))
    return torch.where(here, same.unsqueeze(dim), other.unsqueeze(dim))


def to_instances(x: Signal, dim: int, at: int) -> Changed:
    """A factor of the units becomes an axis."""
    size, parts, position = x.dims[dim][at].size, x.units, len(x.axes)
    if any(units % size for units in x.units):
        x = x.blended()

    def back(grad: Signal) -> Signal:
        return parted(as_units(grad, position), parts)

    k, m, mean = torch.stack([x.k, x.m], -1), torch.stack([x.m, x.m], -1), torch.stack([x.mean, x.mean], -1)
    atoms = list(x.dims[dim])
    atoms[at] = Atom(size, position)
    dims = (*x.dims[:dim], tuple(atoms), *x.dims[dim + 1 :])
    axes, units = (*x.axes, Axis(size)), tuple(u // size for u in x.units)
    return replace(x, dims=dims, axes=axes, units=units, k=k, m=m, mean=mean), back


def coarsely(x: Signal, position: int) -> Changed:
    """With only two classes along an axis: the same entry, different ones."""
    axis, dim = x.axes[position], position + 1
    if axis.classes == 2:
        return x, lambda grad: grad

    def back(grad: Signal) -> Signal:
        k, m = (_classed(t.select(dim, 0), t.select(dim, 1), dim, axis) for t in (grad.k, grad.m))
        axes = (*grad.axes[:position], axis, *grad.axes[position + 1 :])
        return replace(grad, axes=axes, k=k, m=m, mean=torch.zeros_like(k))

    return x.coarse(position), back


def grouped(x: Signal, position: int, axis: Axis) -> Changed:
    """With the groups of another axis: entries of all of them are alike."""
    dim, n = position + 1, len(axis.groups)
    x, fine = coarsely(x, position)
    coarse = x.axes[position]
    index = torch.tensor([0] * n + [1] * n**2)
    k, m, mean = (t.index_select(dim, index) for t in (x.k, x.m, x.mean))

    def back(grad: Signal) -> Signal:
        k, m, mean = (coarsened(t, dim, axis) for t in (grad.k, grad.m, grad.mean))
        axes = (*grad.axes[:position], coarse, *grad.axes[position + 1 :])
        return fine(replace(grad, axes=axes, k=k, m=m, mean=mean))

    return replace(x, axes=(*x.axes[:position], axis, *x.axes[position + 1 :]), k=k, m=m, mean=mean), back


def narrowed(x: Signal, position: int, radius: int) -> Changed:
    """With fewer distances told apart along an axis of neighbors."""
    axis, dim = x.axes[position], position + 1
    if axis.shown or axis.groups:
        return coarsely(x, position)
    if axis.radius <= radius:
        return x, lambda grad: grad
    fewer, off = replace(axis, radius=radius), axis.radius - radius
    kept = torch.arange(off, off + 2 * radius + 1)
    others = torch.tensor([i for i in range(axis.classes) if not off <= i <= off + 2 * radius])
    share = pairs(axis)[others] / pairs(axis)[others].sum().clamp(min=1e-300)
    k, m, mean = (
        torch.cat([t.index_select(dim, kept), over(t.index_select(dim, others), dim, share).unsqueeze(dim)], dim)
        for t in (x.k, x.m, x.mean)
    )

    def back(grad: Signal) -> Signal:
        index = torch.full((axis.classes,), 2 * radius + 1)
        index[kept] = torch.arange(2 * radius + 1)
        k, m, mean = (t.index_select(dim, index) for t in (grad.k, grad.m, grad.mean))
        axes = (*grad.axes[:position], axis, *grad.axes[position + 1 :])
        return replace(grad, axes=axes, k=k, m=m, mean=mean)

    axes = (*x.axes[:position], fewer, *x.axes[position + 1 :])
    return replace(x, axes=axes, k=k, m=m, mean=mean), back


def parted(grad: Signal, parts: tuple[int, ...]) -> Signal:
    """A gradient that is alike for all units, for each of several parts."""
    if len(grad.units) == len(parts):
        return replace(grad, units=parts)
    k, m, mean, kurtosis, skew = (
        t.expand(len(parts), *t.shape[1:]) for t in (grad.k, grad.m, grad.mean, grad.kurtosis, grad.lopsidedness)
    )
    return replace(grad, units=parts, k=k, m=m, mean=mean, kurtosis=kurtosis, skew=skew)
