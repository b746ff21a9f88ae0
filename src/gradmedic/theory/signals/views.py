"""Views: the factors of dimensions are split, merged and grouped anew.

As in `roles`, each function returns the signal in its new form and the way back for its gradient.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from math import prod

import torch
from torch import Tensor

from gradmedic.theory.signals.axes import Axis, pairs
from gradmedic.theory.signals.signal import UNITS, Atom, Dims, Signal
from gradmedic.theory.signals.unit_instance import Changed, Pullback, arranged, chained, coarsely, to_instances


class TangledError(ValueError):
    """Factors that do not fit the sizes asked for."""


def viewed(x: Signal, shape: Sequence[int]) -> Changed:
    """The same entries in another shape, as `Tensor.view`."""
    if prod(shape) != prod(x.shape):
        raise TangledError(f"{list(x.shape)} as {list(shape)}")
    start, backs = x.dims, list[Pullback]()
    x = replace(x, dims=(tuple(chain(*x.dims)),))
    x = _fit(x, 0, [size for size in shape if size > 1], backs)
    atoms, dims = list(x.dims[0]), list[tuple[Atom, ...]]()
    for size in shape:
        taken = list[Atom]()
        while prod(atom.size for atom in taken) < size:
            taken.append(atoms.pop(0))
        dims.append(tuple(taken))
    return replace(x, dims=tuple(dims)), chained(backs, start)


def refined(a: Signal, here: int, b: Signal, there: int) -> tuple[Changed, Changed]:
    """Two signals of which one dimension is the same, with factors of the same sizes in it."""
    if a.dims[here] and b.dims[there] and a.shape[here] != b.shape[there]:
        raise TangledError(f"{a.shape[here]} entries beside {b.shape[there]}")
    backs_a, backs_b = list[Pullback](), list[Pullback]()
    start_a, start_b = a.dims, b.dims
    a = _fit(a, here, [atom.size for atom in b.dims[there]], backs_a)
    b = _fit(b, there, [atom.size for atom in a.dims[here]], backs_b)
    return (a, chained(backs_a, start_a)), (b, chained(backs_b, start_b))


def _fit(x: Signal, dim: int, sizes: Sequence[int], backs: list[Pullback]) -> Signal:
    """Split the factors of a dimension until every one of `sizes` is a product of neighbors."""
    at, left = 0, list(sizes)
    need = left.pop(0) if left else 1
    while at < len(x.dims[dim]):
        size = x.dims[dim][at].size
        if need > 1 and need % size == 0:
            need //= size
            at += 1
        elif need > 1 and size % need == 0:
            x, back = split(x, dim, at, need)
            backs.append(back)
        elif len(x.dims[dim]) > 1:
            x, back = merged(x, dim)
            backs.append(back)
            return _fit(x, dim, sizes, backs)
        else:
            raise TangledError(f"{[atom.size for atom in x.dims[dim]]} as {list(sizes)}")
        if need == 1 and left:
            need = left.pop(0)
    return x


def split(x: Signal, dim: int, at: int, outer: int) -> Changed:
    """One factor as two, the first of size `outer`."""
    atom = x.dims[dim][at]
    inner = atom.size // outer
    if atom.is_units:
        return replace(x, dims=_put(x.dims, dim, at, (Atom(outer, UNITS), Atom(inner, UNITS)))), lambda grad: grad
    position = atom.axis
    x, fine = coarsely(x, position)
    axes = (*x.axes[:position], Axis(outer), Axis(inner), *x.axes[position + 1 :])
    shifted = tuple(tuple(Atom(a.size, a.axis + (a.axis > position)) for a in d) for d in x.dims)
    dims = _put(shifted, dim, at, (Atom(outer, position), Atom(inner, position + 1)))
    k, m, mean = (_doubled(t, position + 1) for t in (x.k, x.m, x.mean))
    return replace(x, dims=dims, axes=axes, k=k, m=m, mean=mean), lambda grad: fine(_together(grad, position))


def merged(x: Signal, dim: int) -> Changed:
    """All factors of a dimension as one: units among instances become instances."""
    start, backs = x.dims, list[Pullback]()
    if all(atom.is_units for atom in x.dims[dim]):
        atoms = (Atom(prod(atom.size for atom in x.dims[dim]), UNITS),) if x.dims[dim] else ()
        return replace(x, dims=(*x.dims[:dim], atoms, *x.dims[dim + 1 :])), chained([], start)
    x, back = instances(x, dim)
    backs.append(back)
    while len(x.dims[dim]) > 1:
        x, back = _paired(x, dim)
        backs.append(back)
    return x, chained(backs, start)


def instances(x: Signal, dim: int) -> Changed:
    """A dimension without units: they become instances."""
    start, backs = x.dims, list[Pullback]()
    for at, atom in enumerate(x.dims[dim]):
        if atom.is_units:
            x, back = to_instances(x, dim, at)
            backs.append(back)
    return x, chained(backs, start)


def _paired(x: Signal, dim: int) -> Changed:
    """The first two factors of a dimension, which are instances, as one."""
    start = x.dims
    outer, inner = (atom.axis for atom in x.dims[dim][:2])
    x = beside(x, outer, inner)
    position = x.dims[dim][0].axis
    x, first = coarsely(x, position)
    x, second = coarsely(x, position + 1)
    two, after = x.axes, x.dims
    joint = _together(x, position)
    shifted = tuple(tuple(Atom(a.size, a.axis - (a.axis > position)) for a in d) for d in after)
    one = Atom(joint.axes[position].size, position)
    dims = (*shifted[:dim], (one, *shifted[dim][2:]), *shifted[dim + 1 :])

    def back(grad: Signal) -> Signal:
        k, m, mean = (_doubled(t, position + 1) for t in (grad.k, grad.m, grad.mean))
        fine = first(second(replace(grad, axes=two, dims=after, k=k, m=m, mean=mean)))
        return arranged(fine, start)

    return replace(joint, dims=dims), back


def beside(x: Signal, outer: int, inner: int) -> Signal:
    """The signal with one of its axes next to another, behind it."""
    order = [axis for axis in range(len(x.axes)) if axis != inner]
    order.insert(order.index(outer) + 1, inner)
    place = {axis: at for at, axis in enumerate(order)}
    return arranged(x, tuple(tuple(a if a.is_units else Atom(a.size, place[a.axis]) for a in dim) for dim in x.dims))


def _put(dims: Dims, dim: int, at: int, atoms: tuple[Atom, ...]) -> Dims:
    changed = (*dims[dim][:at], *atoms, *dims[dim][at + 1 :])
    return (*dims[:dim], tuple(atom for atom in changed if atom.size > 1), *dims[dim + 1 :])


def _doubled(k: Tensor, dim: int) -> Tensor:
    """An axis of two classes as two axes: a pair is the same only if it is so along both."""
    four = k.index_select(dim, torch.tensor([0, 1, 1, 1]))
    return four.reshape(*k.shape[:dim], 2, 2, *k.shape[dim + 1 :])


def _together(x: Signal, position: int) -> Signal:
    """Two neighboring axes of two classes as one."""
    dim, (outer, inner) = position + 1, x.axes[position : position + 2]
    share = torch.outer(pairs(outer), pairs(inner)).flatten()
    axis = Axis(outer.size * inner.size)
    other = share[1:] / share[1:].sum().clamp(min=1e-300)

    def joint(k: Tensor) -> Tensor:
        flat = k.flatten(dim, dim + 1).movedim(dim, -1)
        return torch.stack([flat[..., 0], flat[..., 1:] @ other], dim)

    axes = (*x.axes[:position], axis, *x.axes[position + 2 :])
    return replace(x, axes=axes, k=joint(x.k), m=joint(x.m), mean=joint(x.mean))
