"""Pictures: what filters, pools and resamplings do to an axis whose entries have neighbors.

All of them act on one axis after the other. Filters have independent weights at each tap: two
places of the result have in common what the places at the same distance had. Pools and
resamplings are fixed: each is a matrix.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from gradmedic.theory.signals.axes import Axis, diagonal, over, pairs
from gradmedic.theory.signals.signal import Atom, Signal

WIDEST = 3
"""Distance up to which neighbors are told apart after a fixed resampling."""


@dataclass(frozen=True)
class Taps:
    """How a filter of several taps goes along an axis, from `large` places to `small`."""

    large: int
    small: int
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def visits(self) -> Tensor:
        """For each place of the small side and each tap the place of the large side, -1 for padding."""
        return _visits(self)


@lru_cache(256)
def _visits(taps: Taps) -> Tensor:
    starts = torch.arange(taps.small) * taps.stride - taps.padding
    places = starts[:, None] + torch.arange(taps.kernel) * taps.dilation
    return torch.where((places >= 0) & (places < taps.large), places, -1)


def _profile(axis: Axis) -> Tensor:
    return axis.profile if axis.profile is not None else torch.ones(axis.size, dtype=torch.float64)


def gathered(x: Signal, position: int, taps: Taps, onto: Axis | None = None) -> tuple[Signal, float]:
    """What a filter sees of the large side, by places of the small side; and how many taps it has there on average."""
    axis, visits = x.axes[position], taps.visits()
    seen = torch.where(visits >= 0, _profile(axis)[visits], 0.0)
    radius = min(axis.radius // taps.stride, taps.small - 1) if onto is None else onto.radius
    lags = torch.arange(-radius, radius + 1) * taps.stride
    return _through(x, position, seen, radius, lags)


def scattered(x: Signal, position: int, taps: Taps, onto: Axis | None = None) -> tuple[Signal, float]:
    """What a filter sends to the large side, of one entry per place; and how many times on average."""
    axis, visits = x.axes[position], taps.visits()
    sent = torch.zeros(taps.large + 1, taps.kernel, dtype=torch.float64)
    which = torch.arange(taps.kernel).expand_as(visits)
    sent.index_put_((visits, which), _profile(axis)[:, None].expand_as(visits).contiguous(), accumulate=True)
    radius = min(WIDEST, taps.large - 1) if onto is None else onto.radius
    lags = torch.div(torch.arange(-radius, radius + 1), taps.stride, rounding_mode="trunc")
    return _through(x, position, sent[:-1], radius, lags)


def _through(x: Signal, position: int, weights: Tensor, radius: int, lags: Tensor) -> tuple[Signal, float]:
    """The kernels behind a filter, of which `weights` tells what each tap brings to each place (rows).

    Two places have in common what they get by the same tap: of a pair at the distance `lags` tells
    for its class, and never more taps than the edge leaves to both.
    """
    axis, dim = x.axes[position], position + 1
    index = torch.where(lags.abs() <= axis.radius, lags + axis.radius, axis.classes - 1)
    index = torch.cat([index, torch.tensor([axis.classes - 1])])
    total = weights.sum(1)
    count = float(total.mean())
    own = Axis(len(weights), radius, profile=total / max(count, 1e-300))
    common = _common(weights.sqrt(), own).reshape(-1, *[1] * (x.k.dim() - dim - 1)) / max(count, 1e-300)
    k, m = (t.index_select(dim, index) * common for t in (x.k, x.m))
    return with_axis(replace(x, k=k, m=m, mean=x.mean.index_select(dim, index)), position, own), count


def _common(roots: Tensor, axis: Axis) -> Tensor:
    """For each class of pairs of places the taps that reach both, on average."""
    n = len(roots)
    near = [
        (roots[: n - lag] * roots[lag:]).sum() / (n - lag) if lag < n else roots.new_zeros(())
        for lag in range(axis.radius + 1)
    ]
    both = torch.stack([*near[:0:-1], *near])
    share = pairs(axis)
    rest = roots.mean(0).square().sum() - both @ share[:-1]
    far = rest / share[-1] if share[-1] > 0 else torch.zeros_like(rest)
    return torch.cat([both, far[None]])


def with_axis(x: Signal, position: int, axis: Axis) -> Signal:
    """With another axis in the place of one."""
    axes = (*x.axes[:position], axis, *x.axes[position + 1 :])
    dims = tuple(tuple(Atom(axis.size, a.axis) if a.axis == position else a for a in dim) for dim in x.dims)
    return replace(x, axes=axes, dims=dims)


def inserted(x: Signal, position: int, dim: int) -> Signal:
    """With an axis of one entry, which is dimension `dim` of the tensor."""
    k, m, mean = (torch.stack([t, t], position + 1) for t in (x.k, x.m, x.mean))
    axes = (*x.axes[:position], Axis(1), *x.axes[position:])
    dims = tuple(tuple(Atom(a.size, a.axis + (a.axis >= position)) for a in d) for d in x.dims)
    return replace(x, axes=axes, dims=(*dims[:dim], (Atom(1, position),), *dims[dim + 1 :]), k=k, m=m, mean=mean)


def _classes(size: int, radius: int) -> Tensor:
    """For each pair of entries the class of their distance."""
    lag = torch.arange(size)[None] - torch.arange(size)[:, None]
    return torch.where(lag.abs() <= radius, lag + radius, 2 * radius + 1)


def sandwiched(t: Tensor, dim: int, axis: Axis, left: Tensor, right: Tensor, radius: int) -> Tensor:
    """What two linear maps along an axis make of a kernel, one of the first entry of each pair, one of the second."""
    size, root = len(left), _profile(axis).sqrt()
    index = _classes(size, radius).flatten()
    counts = torch.zeros(2 * radius + 2, dtype=torch.float64).index_add_(
        0, index, torch.ones(size * size, dtype=torch.float64)
    )
    full = t.movedim(dim, -1)[..., _classes(axis.size, axis.radius)] * root[:, None] * root
    made = left @ full @ right.T
    sums = torch.zeros(*made.shape[:-2], 2 * radius + 2, dtype=torch.float64)
    sums.index_add_(-1, index, made.flatten(-2))
    return (sums / counts.clamp(min=1)).movedim(-1, dim)


def resampled(x: Signal, position: int, matrix: Tensor, onto: Axis | None = None) -> Signal:
    """A fixed linear map along an axis, given as a matrix (results, entries)."""
    axis, dim = x.axes[position], position + 1
    size = matrix.shape[0]
    radius = min(WIDEST, size - 1) if onto is None else onto.radius
    index, root = _classes(axis.size, axis.radius), _profile(axis).sqrt()
    k, m = (sandwiched(t, dim, axis, matrix, matrix, radius) for t in (x.k, x.m))
    weight = float(matrix.sum() / size)
    mean = x.mean.index_select(dim, torch.zeros(2 * radius + 2, dtype=torch.long)) * weight
    own = x.k
    for other in reversed(range(len(x.axes))):
        own = own if other == position else over(own, other + 1, diagonal(x.axes[other]))
    full = (x.share @ own)[index] * root[:, None] * root
    squares = ((matrix @ full) * matrix).sum(1).clamp(min=0)
    profile = squares / squares.mean().clamp(min=1e-300)
    return with_axis(replace(x, k=k, m=m, mean=mean), position, Axis(size, radius, profile=profile))


def restored(grad: Signal, whole: Signal, gone: Iterable[int]) -> Signal:
    """A gradient with the axes of one entry again that a result has lost."""
    kernels = [grad.k, grad.m, grad.mean]
    for position in sorted(gone):
        dim, classes = position + 1, whole.axes[position].classes
        kernels = [t.unsqueeze(dim).expand(*t.shape[:dim], classes, *t.shape[dim:]) for t in kernels]
    k, m, mean = kernels
    return replace(grad, axes=whole.axes, dims=whole.dims, k=k, m=m, mean=mean)
