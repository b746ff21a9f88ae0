"""Entries that are picked by their place, their size, or a table of places."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import prod

import torch
from torch import Tensor

from gradmedic.theory.kernels.softmax_overlap import overlap
from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, one, rule, signal
from gradmedic.theory.propagation.shape import of_weight
from gradmedic.theory.signals.axes import Axis
from gradmedic.theory.signals.signal import UNITS, Atom, Signal
from gradmedic.theory.signals.unit_instance import Changed, Pullback, chained, coarsely, parted, same, settled
from gradmedic.theory.signals.views import merged

DRAWS = 20_000
"""Entries that the sizes of the largest are averaged over."""

HARD = 400.0
"""Variance of logits at which a softmax is as good as the choice of the largest."""


@rule("index", "index_select", "repeat_interleave", "unfold", "take_along_dim", "sort", "nonzero_static")
def index(step: Step, inputs: Sequence[Value]) -> Propagation:
    """As many entries as asked for, any of those along one dimension: each is picked as often as any other."""
    if (passage := of_weight(step, inputs)) is not None:
        return passage
    x = signal(inputs[0])
    if x.shape == step.shape:
        return one(x, lambda grad: [grad, *(None for _ in inputs[1:])])
    first, last, middle = _changed(x.shape, step.shape)
    out, back = _as_one(x, first, last)
    out, unpicked = _picked(out, first, prod(middle))
    atoms = out.dims[first]
    dims = (*out.dims[:first], *_shared(atoms, middle), *out.dims[first + 1 :])
    held = out.dims
    return one(
        replace(out, dims=dims),
        lambda grad: [back(unpicked(replace(grad, dims=held))), *(None for _ in inputs[1:])],
    )


def _changed(before: Sequence[int], after: Sequence[int]) -> tuple[int, int, Sequence[int]]:
    """Which dimensions have been replaced by others: the first, the one behind the last, and the new ones' sizes."""
    front = next((i for i, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), len(before))
    front = min(front, len(before) - 1, len(after))
    behind = 0
    while behind < min(len(before), len(after)) - front and before[-1 - behind] == after[-1 - behind]:
        behind += 1
    behind = min(behind, len(before) - front - 1)
    return front, len(before) - behind, after[front : len(after) - behind]


def _as_one(x: Signal, first: int, last: int) -> Changed:
    """Several dimensions as one."""
    start = x.dims
    atoms = tuple(atom for dim in x.dims[first:last] for atom in dim)
    return replace(x, dims=(*x.dims[:first], atoms, *x.dims[last:])), lambda grad: replace(grad, dims=start)


def _shared(atoms: tuple[Atom, ...], sizes: Sequence[int]) -> tuple[tuple[Atom, ...], ...]:
    """One factor as that of the only dimension that is larger than one; raises `NoRuleError` if there are several."""
    if sum(size > 1 for size in sizes) > 1:
        raise NoRuleError("a table of places in several dimensions")
    return tuple(atoms if size > 1 else () for size in sizes)


def _picked(x: Signal, dim: int, count: int) -> Changed:
    """So many entries along a dimension, in any order and perhaps several times."""
    start, backs = x.dims, list[Pullback]()
    x, back = merged(x, dim)
    backs.append(back)
    if not x.dims[dim]:
        x, back = _repeated(x, dim, count)
    elif x.dims[dim][0].is_units:
        x, back = _units(x, dim, count)
    else:
        x, back = coarsely(x, x.dims[dim][0].axis)
        backs.append(back)
        x, back = _instances(x, dim, count)
    backs.append(back)
    return x, chained(backs, start)


def _repeated(x: Signal, dim: int, count: int) -> Changed:
    """One entry several times."""
    if count == 1:
        return x, same
    at = len(x.axes)
    k, m, mean = (torch.stack([t, t], -1) for t in (x.k, x.m, x.mean))
    dims = (*x.dims[:dim], (Atom(count, at),), *x.dims[dim + 1 :])

    def back(grad: Signal) -> Signal:
        k, m = (count * (t.select(-1, 0) + (count - 1) * t.select(-1, 1)) for t in (grad.k, grad.m))
        return replace(grad, axes=grad.axes[:-1], dims=x.dims, k=k, m=m, mean=torch.zeros_like(k))

    return replace(x, dims=dims, axes=(*x.axes, Axis(count)), k=k, m=m, mean=mean), back


def _units(x: Signal, dim: int, count: int) -> Changed:
    parts, x = x.units, x.blended()
    whole, n = x.dims[dim][0].size, x.count
    units = n // whole * count
    atoms = (Atom(count, UNITS),) if count > 1 else ()
    # Two of the picked are the same entry as often as there are more of them than entries.
    copies = max(count / whole - 1, 0.0) / max(units - 1, 1)
    dims = (*x.dims[:dim], atoms, *x.dims[dim + 1 :])
    out = replace(x, dims=dims, units=(units,), m=copies * x.k + (1 - copies) * x.m)
    rate = count / whole

    def back(grad: Signal) -> Signal:
        grad = grad.blended()
        k = rate * (grad.k + max(rate - 1, 0.0) * grad.m)
        found = replace(grad, dims=x.dims, units=(n,), k=k, m=rate**2 * grad.m)
        return parted(found, parts)

    return out, back


def _instances(x: Signal, dim: int, count: int) -> Changed:
    position, at = x.dims[dim][0].axis, x.dims[dim][0].axis + 1
    axis = x.axes[position]
    rate = count / axis.size
    if count == 1:
        return _one_instance(x, dim, position)
    copies = max(rate - 1, 0.0) / max(count - 1, 1)

    def taken(t: Tensor) -> Tensor:
        same_, other = t.select(at, 0), t.select(at, 1)
        return torch.stack([same_, copies * same_ + (1 - copies) * other], at)

    def back(grad: Signal) -> Signal:
        def sent(t: Tensor) -> Tensor:
            own, other = t.select(at, 0), t.select(at, 1)
            return torch.stack([rate * (own + max(rate - 1, 0.0) * other), rate**2 * other], at)

        k, m = sent(grad.k), sent(grad.m)
        return replace(grad, dims=x.dims, axes=x.axes, k=k, m=m, mean=torch.zeros_like(k))

    axes = (*x.axes[:position], Axis(count), *x.axes[position + 1 :])
    dims = (*x.dims[:dim], (Atom(count, position),), *x.dims[dim + 1 :])
    return replace(x, dims=dims, axes=axes, k=taken(x.k), m=taken(x.m), mean=taken(x.mean)), back


def _one_instance(x: Signal, dim: int, position: int) -> Changed:
    at, size = position + 1, x.axes[position].size
    k, m, mean = (t.select(at, 0) for t in (x.k, x.m, x.mean))
    dims = tuple(tuple(Atom(a.size, a.axis - (a.axis > position)) for a in d) for d in x.dims)
    dims = (*dims[:dim], (), *dims[dim + 1 :])

    def back(grad: Signal) -> Signal:
        k, m = (torch.stack([t / size, torch.zeros_like(t)], at) for t in (grad.k, grad.m))
        return replace(grad, dims=x.dims, axes=x.axes, k=k, m=m, mean=torch.zeros_like(k))

    axes = (*x.axes[:position], *x.axes[position + 1 :])
    return replace(x, dims=dims, axes=axes, k=k, m=m, mean=mean), back


@rule("amax", "amin", "max", "min", "topk", "logsumexp")
def largest(step: Step, inputs: Sequence[Value]) -> Propagation:
    """The largest of independent normal entries: its mean and spread by draws; the gradient goes to it alone.

    Two instances have the same largest entry as often as two softmaxes of steep logits agree, which is also what
    logsumexp sends back, with the logits as they are.
    """
    x = signal(inputs[0])
    dims = _reduced(step, len(x.dims))
    if len(dims) != 1:
        raise NoRuleError(f"{step.op} over several dimensions")
    dim, count = dims[0], step.shape[dims[0]] if step.op == "topk" else 1
    if not x.dims[dim]:
        raise NoRuleError(f"{step.op} of one entry")
    x, back = settled(x, [dim])
    parts, x = x.units, x.blended()
    n = x.count
    spread = max(float(x.squares[0] - x.diagonal(x.m)[0]), 1e-300)
    alike = ((x.k - x.m) / spread).clamp(-1, 1)
    soft = step.op == "logsumexp"
    held = overlap(n, spread if soft else HARD, alike)
    middle, variance = (math.log(n) + spread / 2, spread * held.max().item()) if soft else _top(n, count, spread)
    middle = -middle if step.op in ("amin", "min") else middle
    mean = x.mean + middle
    k = mean * x.second(mean) + variance * held / held.max()
    units = (Atom(count, UNITS),) if count > 1 else ()
    rank_kept = len(step.shape) == len(x.dims)
    dims_out = (*x.dims[:dim], *([units] if rank_kept or count > 1 else []), *x.dims[dim + 1 :])
    out = replace(x, dims=dims_out, units=(count,), k=k, m=k, mean=mean, kurtosis=torch.ones_like(x.kurtosis), layer=-1)

    def sent(grad: Signal) -> Sequence[Grad]:
        grad = grad.blended()
        own = grad.k * (held if soft else held / held.max()) * count / n
        found = replace(x, k=own, m=torch.zeros_like(own), mean=torch.zeros_like(own))
        return [back(parted(found, parts)), *(None for _ in inputs[1:])]

    return one(out, sent)


def _reduced(step: Step, rank: int) -> list[int]:
    told = step.attributes.get("dim")
    if told is None or told == ():
        return list(range(rank))
    return [d % rank for d in ((told,) if isinstance(told, int) else told)]


def _top(n: int, count: int, spread: float) -> tuple[float, float]:
    mean, variance = _top_of_normal(n, count)
    return mean * math.sqrt(spread), variance * spread


@lru_cache(1024)
def _top_of_normal(n: int, count: int) -> tuple[float, float]:
    """Mean and variance of the largest of so many standard normal numbers."""
    generator = torch.Generator(device="cpu").manual_seed(0)
    z = torch.randn(max(DRAWS // n, 64), n, generator=generator, dtype=torch.float64).topk(min(count, n), -1).values
    return float(z.mean()), float(z.var())
