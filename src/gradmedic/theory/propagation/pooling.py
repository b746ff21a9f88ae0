"""Maxima over windows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import torch
from torch import Tensor

from gradmedic.base.own_gradients import unheard
from gradmedic.theory.activations import Activation
from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, Propagation, Value, one, rule, signal
from gradmedic.theory.propagation.convolution import lined, on_grid
from gradmedic.theory.propagation.resampling import at
from gradmedic.theory.signals.axes import Axis, diagonal, over, pairs
from gradmedic.theory.signals.signal import Signal, dropped
from gradmedic.theory.signals.spatial_axis import restored, with_axis
from gradmedic.theory.signals.unit_instance import Changed, chained

DRAWS = 8192


@rule("max_pool", "adaptive_max_pool")
def max_pool(step: Step, inputs: Sequence[Value]) -> Propagation:
    """The moments of the largest of a window's Gaussian values, by draws that respect how neighbors go together.

    A monotone function commutes with the maximum: behind one, what is Gaussian is its operand, and
    the slope where the maximum picks is another than on average.
    """
    rank = len(signal(inputs[0]).dims) - 2
    x, unsettled = _gridded(signal(inputs[0]), rank)
    gaussian, _ = _gridded(signal(inputs[-1]), rank)
    sizes = [_window(step, i, x.shape[i - rank], step.shape[i - rank]) for i in range(rank)]
    tops = [_top(gaussian, p, sizes, step.attributes.get("phi")) for p in range(len(x.units))]
    walks = [(x.dims[i - rank][0].axis, sizes[i], step.shape[i - rank]) for i in range(rank)]
    whole = x
    for position, window, after in walks:
        whole = _coarser(whole, position, after, window)
    whole = _risen(whole, tops)
    whole = replace(whole, k=_overlapping(whole.k, whole, gaussian, sizes, step))
    out = whole
    gone = sorted((position for position, _, after in walks if after == 1), reverse=True)
    for position in gone:
        out = dropped(out, position)
    focus = sum(top.focus for top in tops) / len(tops)

    def back(grad: Signal) -> Sequence[Grad]:
        grad = restored(grad, whole, gone)
        for position, window, _ in walks:
            grad = _finer(grad, position, x.axes[position], window)
        grad = unsettled(replace(grad, dims=x.dims, mean=torch.zeros_like(grad.k), focus=focus))
        return [grad, *(None for _ in inputs[1:])]

    return one(out, back)


def _gridded(x: Signal, rank: int) -> Changed:
    """With an axis of neighbors for each dimension of the picture, be it of one entry."""
    start = x.dims
    x, unsettled = on_grid(x, rank)
    x, unlined = lined(x, range(len(x.dims) - rank, len(x.dims)))
    return x, chained([unsettled, unlined], start)


def _window(step: Step, i: int, before: int, after: int) -> int:
    kernel = step.attributes.get("kernel_size")
    return min(at(kernel, i) if kernel is not None else max(before // after, 1), before)


@dataclass(frozen=True)
class _Top:
    """The largest of a window: its moments, and how much steeper the function before it is there."""

    mean: float
    square: float
    skew: float
    fourth: float
    focus: float


def _top(x: Signal, part: int, sizes: Sequence[int], phi: Activation | None) -> _Top:
    mean = float(x.diagonal(x.mean)[part])
    root = _root(_covariance(x, part, _window_of(sizes)) - mean**2)
    z = mean + _draws(len(root)) @ root.T
    both = torch.stack([z.max(1).values, z[:, 0]])
    squares = torch.ones(2, dtype=torch.float64)
    if phi is not None:
        with torch.enable_grad(), unheard():
            both = both.requires_grad_()
            value = phi.f(both)
            (slope,) = torch.autograd.grad(value.sum(), both)
        both, squares = value.detach(), (slope**2).mean(1)
    first, second, fourth = (float((both[0] ** n).mean()) for n in (1, 2, 4))
    skew = float(((both[0] - first) ** 3).mean()) / max(second - first**2, 1e-200) ** 1.5
    return _Top(first, second, skew, fourth, float(squares[0] / squares[1].clamp(min=1e-300)))


def _overlapping(k: Tensor, whole: Signal, x: Signal, sizes: Sequence[int], step: Step) -> Tensor:
    """The kernel with what windows that overlap have in common: often the same value is the largest of both."""
    rank, k = len(sizes), k.clone()
    strides = [max(x.shape[i - rank] // step.shape[i - rank], 1) for i in range(rank)]
    for lag in product(*(range(min((size - 1) // s, 1) + 1) for size, s in zip(sizes, strides, strict=True))):
        away = [n * s for n, s in zip(lag, strides, strict=True)]
        for p in range(len(x.units) if any(lag) else 0):
            found = _both(x, p, sizes, away, step.attributes.get("phi"))
            for signs in product((1, -1), repeat=rank):
                k[(p, *_class(whole, [n * sign for n, sign in zip(lag, signs, strict=True)]))] = found
    return k


def _both(x: Signal, part: int, sizes: Sequence[int], away: Sequence[int], phi: Activation | None) -> float:
    """The second moment of the largest of two windows that lie so far from each other."""
    here = _window_of(sizes)
    there = [tuple(at + n for at, n in zip(place, away, strict=True)) for place in here]
    places = sorted({*here, *there})
    mean = float(x.diagonal(x.mean)[part])
    root = _root(_covariance(x, part, places) - mean**2)
    z = mean + _draws(len(root)) @ root.T
    tops = torch.stack([z[:, [places.index(place) for place in window]].max(1).values for window in (here, there)])
    first, second = tops if phi is None else phi.f(tops)
    return float((first * second).mean())


def _class(x: Signal, lag: Sequence[int]) -> list[int]:
    """The class of pairs of one sample that lie so far from each other."""
    index = [axis.radius for axis in x.axes]
    for i, n in enumerate(lag):
        for atom in x.dims[len(x.dims) - len(lag) + i]:
            axis = x.axes[atom.axis]
            index[atom.axis] = axis.radius + n if abs(n) <= axis.radius else axis.classes - 1
    return index


def _window_of(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    return list(product(*(range(size) for size in sizes)))


def _covariance(x: Signal, part: int, places: Sequence[Sequence[int]]) -> Tensor:
    """The second moments between some places."""

    def moment(first: Sequence[int], second: Sequence[int]) -> float:
        return float(x.k[(part, *_class(x, [b - a for a, b in zip(first, second, strict=True)]))])

    return torch.tensor([[moment(first, second) for second in places] for first in places], dtype=torch.float64)


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    return torch.mul(vectors, values.clamp(min=0).sqrt())


@lru_cache(16)
def _draws(size: int) -> Tensor:
    generator = torch.Generator(device="cpu").manual_seed(0)
    half = torch.randn(DRAWS // 2, size, generator=generator, dtype=torch.float64)
    return torch.cat([half, -half])


def _coarser(x: Signal, position: int, size: int, window: int) -> Signal:
    """The pairs of entries that stand for pairs of windows; windows that overlap are told from others."""
    axis, dim = x.axes[position], position + 1
    stride = max(axis.size // size, 1)
    radius = min(max(axis.radius // stride, min((window - 1) // stride, 1)), size - 1)
    lags = torch.arange(-radius, radius + 1) * stride
    index = torch.where(lags.abs() <= axis.radius, lags + axis.radius, axis.classes - 1)
    index = torch.cat([index, torch.tensor([axis.classes - 1])])
    k, m, mean = (t.index_select(dim, index) for t in (x.k, x.m, x.mean))
    return with_axis(replace(x, k=k, m=m, mean=mean), position, Axis(size, radius))


def _risen(x: Signal, tops: Sequence[_Top]) -> Signal:
    """With the moments of the largest; two windows go together as much as two entries do."""
    wide = (-1, *[1] * (x.k.dim() - 1))
    mean, square, skew, fourth = (
        torch.tensor([getattr(top, name) for top in tops], dtype=torch.float64)
        for name in ("mean", "square", "skew", "fourth")
    )
    variance = (x.squares.reshape(wide) - x.mean**2).clamp(min=1e-300)
    middle, spread = mean.reshape(wide) ** 2, (square - mean**2).reshape(wide)
    k, m = (middle + spread * ((t - x.mean * x.second(x.mean)) / variance).clamp(-1, 1) for t in (x.k, x.m))
    kurtosis = torch.stack([fourth / square.clamp(min=1e-150) ** 2, torch.ones_like(fourth)], 1)
    return replace(x, k=k, m=m, mean=mean.reshape(wide).expand_as(k), kurtosis=kurtosis, skew=skew)


def _finer(grad: Signal, position: int, axis: Axis, window: int) -> Signal:
    """Of the entries of a window one gets the gradient, and all of several windows that it is the largest of."""
    own, dim = grad.axes[position], position + 1
    stride = max(axis.size // own.size, 1)
    lags = torch.arange(-axis.radius, axis.radius + 1)
    apart = torch.div(lags, stride, rounding_mode="trunc")
    index = torch.where(apart.abs() <= own.radius, apart + own.radius, own.classes - 1)
    index = torch.cat([index, torch.tensor([own.classes - 1])])
    here = (diagonal(axis) > 0).reshape(-1, *[1] * (grad.k.dim() - dim - 1))

    def sent(t: Tensor) -> Tensor:
        same = sum((share * t.select(dim, at) for share, at in _sharing(own, window, stride)), torch.zeros(()))
        same = same * own.size / axis.size
        other = t.index_select(dim, index)
        every = over(t, dim, pairs(own)) * own.size**2 - same * axis.size
        loose = over(torch.where(here, 0.0, other), dim, pairs(axis)) * axis.size**2
        fit = every / torch.where(loose == 0, 1.0, loose)
        return torch.where(here, same.unsqueeze(dim), other * fit.unsqueeze(dim))

    k, m = sent(grad.k), sent(grad.m)
    return with_axis(replace(grad, k=k, m=m, mean=torch.zeros_like(k)), position, axis)


def _sharing(axis: Axis, window: int, stride: int) -> Iterator[tuple[float, int]]:
    """How often two windows have the same largest entry, with the class of their distance."""
    for lag in range(-(window // stride), window // stride + 1):
        common = window - abs(lag) * stride
        if common > 0 and abs(lag) < axis.size:
            yield common / (2 * window - common), axis.radius + lag if abs(lag) <= axis.radius else axis.classes - 1
