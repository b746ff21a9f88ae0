"""Where data enters: which of its dimensions are units, and how its samples resemble each other."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from gradmedic.theory.plan.plan import Plan, Step
from gradmedic.theory.signals.axes import Axis, diagonal
from gradmedic.theory.signals.signal import UNITS, Atom, Signal

SHOWN = 16
"""Samples whose pairs are all told apart."""

RADIUS = 2
"""Distance up to which neighboring pixels of an image are told apart."""

MOST = 400_000
"""Entries of the data that are looked at where neighbors are compared."""

_PASSES = {
    "clone",
    "to_copy",
    "alias",
    "contiguous",
    "add",
    "sub",
    "mul",
    "div",
    "neg",
    "dropout",
    "activation",
    "identity",
}
_PRODUCTS = {"linear", "addmm", "mm", "matmul", "mv", "bmm"}
_CHANNELS = {"conv", "batch_norm", "group_norm", "max_pool", "avg_pool"}


def entering(plan: Plan, i: int) -> Signal:
    """The signal of a data step."""
    units, grid = roles(plan, i)
    step = plan.steps[i]
    if step.sample is None or step.sample.is_meta or not step.sample.is_floating_point():
        return drawn(step.shape, units, grid)
    return observed(step.sample, units, grid)


def roles(plan: Plan, i: int) -> tuple[set[int], set[int]]:
    """Which dimensions of a data step are units, and which make up a grid, by the first layer that uses it."""
    rank = len(plan.steps[i].shape)
    users = plan.consumers()
    dims = [[(size, dim)] for dim, size in enumerate(plan.steps[i].shape)]
    edge = (i, 0)
    while len(users.get(edge, ())) >= 1:
        user, slot = users[edge][0]
        step = plan.steps[user]
        if step.op in _PRODUCTS:
            operands = 3 if step.op in ("linear", "addmm") else 2
            inner = len(dims) - 1 if slot == operands - 2 else max(len(dims) - 2, 0)
            return {dim for _, dim in dims[inner]}, set()
        if step.op in ("recurrent_cell", "recurrent_layer"):
            return {dim for _, dim in dims[-1]}, set()
        if step.op in _CHANNELS:
            return {dim for _, dim in dims[1]}, {dim for factors in dims[2:] for _, dim in factors}
        moved = _moved(step, dims)
        if moved is None:
            break
        dims, edge = moved, (user, 0)
    return guessed(rank)


def guessed(rank: int) -> tuple[set[int], set[int]]:
    """Where nothing tells: features last, or channels before a picture."""
    if rank < 2:
        return set(), set()
    return ({1}, set(range(2, rank))) if rank > 3 else ({rank - 1}, set())


Factors = list[list[tuple[int, int]]]


def _moved(step: Step, dims: Factors) -> Factors | None:
    """Where dimensions go in a step that only arranges, each factor with its size and where it came from."""
    from gradmedic.theory.propagation.shape import order

    if step.op in _PASSES:
        return dims
    if step.op in ("permute", "transpose", "t", "movedim"):
        return [dims[dim] for dim in order(step, len(dims))]
    if step.op in ("view", "unsafe_view", "reshape", "reshape_alias", "flatten", "squeeze", "unsqueeze"):
        return list(_regrouped([factor for factors in dims for factor in factors], step.shape))
    return None


def _regrouped(factors: list[tuple[int, int]], shape: Sequence[int]) -> Iterator[list[tuple[int, int]]]:
    left = [factor for factor in factors if factor[0] > 1]
    for size in shape:
        taken = list[tuple[int, int]]()
        while left and (have := prod(n for n, _ in taken)) < size:
            n, dim = left.pop(0)
            need = size // have
            if n > need > 0 and n % need == 0:
                left.insert(0, (n // need, dim))
                n = need
            taken.append((n, dim))
        yield taken


def drawn(shape: Sequence[int], units: set[int], grid: set[int]) -> Signal:
    """Independent entries from a standard normal distribution."""
    signal = _blank(shape, units, grid, 0)
    k = torch.zeros_like(signal.k)
    k[(0, *(axis.radius for axis in signal.axes))] = 1.0
    return replace(signal, k=k)


def observed(x: Tensor, units: set[int], grid: set[int]) -> Signal:
    """The second moments that data has."""
    instances = [d for d in range(x.dim()) if d not in units and x.shape[d] > 1]
    shown = min(x.shape[instances[0]], SHOWN) if len(instances) == 1 and not grid else 0
    blank = _blank(x.shape, units, grid, shown)
    x = x.detach().double().cpu()
    if grid:
        x = x[: max(1, MOST // max(x[0].numel(), 1))]
    flat = x.permute(*instances, *(d for d in range(x.dim()) if d not in instances))
    flat = flat.reshape(*(flat.shape[: len(instances)]), -1)
    middle = flat.mean(-1, keepdim=True)
    k, total = moments_between(flat, blank.axes), moments_between(middle, blank.axes)
    # Of single samples the mean is known, else that of all.
    mean = middle[picked(blank.axes[0], len(flat))].expand(-1, shown).flatten() if shown else flat.mean().expand_as(k)
    n = flat.shape[-1]
    m = (total * n - k) / (n - 1) if n > 1 else total
    # What is given is no matter of chance.
    return replace(blank, k=k[None], m=m[None], mean=mean[None])


def picked(axis: Axis, size: int) -> Tensor:
    """The samples that are shown, evenly spread over all."""
    return torch.linspace(0, size - 1, axis.shown).round().long()


def moments_between(x: Tensor, axes: Sequence[Axis]) -> Tensor:
    """The mean of x x' over units, which come last, and all pairs of a class; the other dimensions are the axes."""
    if len(axes) == 1 and axes[0].shown:
        return _standing_for(x, x[picked(axes[0], len(x))]).flatten()
    found = _pairwise(x, x, [axis.coarse if axis.groups else axis for axis in axes])
    for dim, axis in enumerate(axes):
        if axis.groups:  # which entries are in which group makes no difference here
            found = found.index_select(dim, (diagonal(axis) == 0).long())
    return found


def _standing_for(x: Tensor, some: Tensor) -> Tensor:
    """The second moments of some samples, moved so that their means are those of all samples and of all pairs."""
    k, n, shown = some @ some.T / x.shape[1], len(x), len(some)
    if n == shown:
        return k
    own, together = float((x * x).mean()), float(x.mean(0).square().mean())
    k = k * (own / max(float(k.trace()) / shown, 1e-300))
    apart = (n * together - own) / (n - 1)
    rest = (float(k.sum()) - float(k.trace())) / (shown * (shown - 1))
    return k + (apart - rest) * (1 - torch.eye(shown, dtype=k.dtype))


def _pairwise(a: Tensor, b: Tensor, axes: Sequence[Axis]) -> Tensor:
    if not axes:
        return (a * b).mean()
    axis, n = axes[0], a.shape[0]
    radius = min(axis.radius, n - 1)
    near = {0: _along(a, b, axes[1:])}
    for lag in range(1, radius + 1):
        near[lag] = _along(a[: n - lag], b[lag:], axes[1:])
        near[-lag] = _along(a[lag:], b[: n - lag], axes[1:])
    every = _pairwise(a.mean(0), b.mean(0), axes[1:])
    pairs = n * n - sum(n - abs(lag) for lag in near)
    rest = every * n * n - sum((n - abs(lag)) * k for lag, k in near.items())
    far = rest / pairs if pairs else near[0]
    return torch.stack([*(near.get(lag, far) for lag in range(-axis.radius, axis.radius + 1)), far])


def _along(a: Tensor, b: Tensor, axes: Sequence[Axis]) -> Tensor:
    """The same for pairs of which the entries along the first dimension are given: their mean."""
    if not axes:
        return (a * b).mean()
    return _pairwise(a.movedim(0, -2), b.movedim(0, -2), axes)


def _blank(shape: Sequence[int], units: set[int], grid: set[int], shown: int) -> Signal:
    axes, dims = list[Axis](), list[tuple[Atom, ...]]()
    for dim, size in enumerate(shape):
        if size <= 1:
            dims.append(())
        elif dim in units:
            dims.append((Atom(size, UNITS),))
        else:
            dims.append((Atom(size, len(axes)),))
            axes.append(Axis(size, min(RADIUS, size - 1) if dim in grid else 0, shown))
    k = torch.zeros((1, *(axis.classes for axis in axes)), dtype=torch.float64)
    count = prod(shape[dim] for dim in units)
    return Signal(tuple(dims), tuple(axes), (count,), k, k.clone(), k.clone(), k.new_ones((1, 2)))
