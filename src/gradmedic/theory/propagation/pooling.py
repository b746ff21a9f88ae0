"""Pooling and resampling: fixed maps over places, and maxima."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import torch
from torch import Tensor

from gradmedic.activations import Activation
from gradmedic.theory.axes import Axis, diagonal, over, pairs
from gradmedic.theory.grids import resampled, with_axis
from gradmedic.theory.plan import Step
from gradmedic.theory.propagation import Grad, NoRule, Passage, Value, one, rule, signal
from gradmedic.theory.propagation.convolution import on_grid
from gradmedic.theory.signal import Signal, dropped

DRAWS = 8192


@rule("avg_pool", "adaptive_avg_pool", "upsample_nearest", "upsample_linear", "pad")
def resample(step: Step, inputs: Sequence[Value]) -> Passage:
    """M A M^T along each axis, for the matrix M that the operation is; neighbors go together as they do."""
    x = signal(inputs[0])
    rank = len(x.dims) - 2 if step.op != "pad" else _padded(step)
    x, unsettled = on_grid(x, rank)
    matrices = [_matrix(step, i, x.shape[i - rank], step.shape[i - rank]) for i in range(rank)]
    out, changes = x, list[tuple[int, int, Tensor]]()
    for i, matrix in enumerate(matrices):
        dim = len(x.dims) - rank + i
        if out.dims[dim] and not _is_identity(matrix):
            position = out.dims[dim][0].axis
            out = resampled(out, position, matrix)
            changes.append((dim, position, matrix))
    whole, before = out, x
    for dim, position, _ in sorted(changes, key=lambda change: -change[1]):
        if whole.dims[dim] and whole.shape[dim] == 1:
            out = dropped(out, position)

    def back(grad: Signal) -> Sequence[Grad]:
        grad = _restored(grad, whole)
        for dim, position, matrix in reversed(changes):
            grad = resampled(replace(grad, dims=whole.dims), position, matrix.T, before.axes[position])
        return [unsettled(replace(grad, dims=before.dims, mean=torch.zeros_like(grad.k)))]

    return one(out, back)


def _restored(grad: Signal, whole: Signal) -> Signal:
    """With the axes of one entry again that the result has lost."""
    kernels = [grad.k, grad.m, grad.mean]
    for position, axis in enumerate(whole.axes):
        if axis.size == 1:
            kernels = [t.unsqueeze(position + 1).expand(*t.shape[: position + 1], axis.classes, *t.shape[position + 1 :]) for t in kernels]
    k, m, mean = kernels
    return replace(grad, axes=whole.axes, dims=whole.dims, k=k, m=m, mean=mean)


def _is_identity(matrix: Tensor) -> bool:
    return matrix.shape[0] == matrix.shape[1] and bool((matrix == torch.eye(len(matrix), dtype=matrix.dtype)).all())


def _padded(step: Step) -> int:
    return len(step.attributes["pad"]) // 2


def _matrix(step: Step, i: int, before: int, after: int) -> Tensor:
    """One dimension of the operation as a matrix (results, entries)."""
    if step.op == "pad":
        pad = step.attributes["pad"]
        return _pad(before, int(pad[len(pad) - 2 * i - 2]), after)
    if step.op == "upsample_nearest":
        return _rows((torch.arange(after) * before) // after, before)
    if step.op == "upsample_linear":
        return _linear(before, after, bool(step.attributes.get("align_corners")))
    kernel = step.attributes.get("kernel_size")
    if kernel is None:
        return _adaptive(before, after)
    size, padding = at(kernel, i), at(step.attributes.get("padding") or 0, i)
    stride = at(step.attributes.get("stride") or kernel, i)
    places = torch.arange(after)[:, None] * stride - padding + torch.arange(size)
    inside = (places >= 0) & (places < before)
    matrix = torch.zeros(after, before, dtype=torch.float64)
    rows = torch.arange(after)[:, None].expand_as(places)
    matrix.index_put_((rows[inside], places[inside]), torch.tensor(1.0, dtype=torch.float64), accumulate=True)
    counted = size if step.attributes.get("count_include_pad", True) else inside.sum(1, keepdim=True)
    return matrix / counted


def at(value: Any, i: int) -> int:
    """The i-th of several numbers, or the one for all."""
    if isinstance(value, tuple | list):
        return int(value[i] if len(value) > 1 else value[0])
    return int(value)


def _rows(places: Tensor, size: int) -> Tensor:
    return torch.nn.functional.one_hot(places, size).double()


def _pad(before: int, left: int, after: int) -> Tensor:
    places = torch.arange(after) - left
    matrix = _rows(places.clamp(0, before - 1), before)
    matrix[(places < 0) | (places >= before)] = 0.0
    return matrix


def _adaptive(before: int, after: int) -> Tensor:
    start = (torch.arange(after) * before) // after
    end = -((-(torch.arange(after) + 1) * before) // after)
    place = torch.arange(before)
    inside = ((place >= start[:, None]) & (place < end[:, None])).double()
    return inside / inside.sum(1, keepdim=True)


def _linear(before: int, after: int, corners: bool) -> Tensor:
    if corners:
        where = torch.arange(after, dtype=torch.float64) * (before - 1) / max(after - 1, 1)
    else:
        where = ((torch.arange(after, dtype=torch.float64) + 0.5) * before / after - 0.5).clamp(0, before - 1)
    low = where.floor().long().clamp(max=before - 1)
    share = (where - low)[:, None]
    return _rows(low, before) * (1 - share) + _rows((low + 1).clamp(max=before - 1), before) * share


@rule("max_pool", "adaptive_max_pool")
def max_pool(step: Step, inputs: Sequence[Value]) -> Passage:
    """The moments of the largest of a window's Gaussian values, by draws that respect how neighbors go together.

    A monotone function commutes with the maximum: behind one, what is Gaussian is its operand, and the
    slope where the maximum picks is another than on average.
    """
    x = signal(inputs[0])
    rank = len(x.dims) - 2
    phi, gaussian = step.attributes.get("phi"), x
    if phi is not None and len(inputs) > 1:
        gaussian = signal(inputs[1])
    x, unsettled = on_grid(x, rank)
    gaussian, _ = on_grid(gaussian, rank)
    sizes = [_window(step, i, x.shape[i - rank], step.shape[i - rank]) for i in range(rank)]
    found = [_largest(gaussian, p, sizes, rank, phi) for p in range(len(x.units))]
    mean, square, fourth, slope, usual = (torch.tensor([f[i] for f in found], dtype=torch.float64) for i in range(5))
    out, positions = x, list[tuple[int, int, int]]()
    for i in range(rank):
        dim = len(x.dims) - rank + i
        if x.dims[dim]:
            position, before, after = x.dims[dim][0].axis, x.shape[dim], step.shape[dim]
            stride = max(before // after, 1)
            out = _coarser(out, position, after, stride)
            positions.append((position, sizes[i], after))
    wide = (-1, *[1] * (out.k.dim() - 1))
    own, middle = square.reshape(wide), mean.reshape(wide) ** 2
    variance = (out.squares.reshape(wide) - out.mean**2).clamp(min=1e-300)
    k, m = (middle + (own - middle) * ((t - out.mean * out.second(out.mean)) / variance).clamp(-1, 1) for t in (out.k, out.m))
    out = replace(out, k=k, m=m, mean=mean.reshape(wide).expand_as(k).contiguous(), kurtosis=torch.stack([fourth / square**2, torch.ones_like(fourth)], 1))
    whole = out
    for position, _, after in sorted(positions, reverse=True):
        out = dropped(out, position) if after == 1 else out
    focus = float((slope / usual.clamp(min=1e-300)).mean())

    def back(grad: Signal) -> Sequence[Grad]:
        grad = _restored(grad, whole)
        for position, window, _ in positions:
            grad = _finer(grad, position, x.axes[position], window)
        grads = unsettled(replace(grad, dims=x.dims, mean=torch.zeros_like(grad.k), focus=focus))
        return [grads, None][: len(inputs)]

    return one(out, back)


def _window(step: Step, i: int, before: int, after: int) -> int:
    kernel = step.attributes.get("kernel_size")
    return min(at(kernel, i) if kernel is not None else max(before // after, 1), before)


def _coarser(x: Signal, position: int, size: int, stride: int) -> Signal:
    axis, dim = x.axes[position], position + 1
    radius = min(max(axis.radius // stride, 0), size - 1)
    lags = torch.arange(-radius, radius + 1) * stride
    index = torch.cat([lags + axis.radius, torch.tensor([axis.classes - 1])])
    k, m, mean = (t.index_select(dim, index) for t in (x.k, x.m, x.mean))
    return with_axis(replace(x, k=k, m=m, mean=mean), position, Axis(size, radius))


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


def _largest(x: Signal, part: int, sizes: Sequence[int], rank: int, phi: Activation | None) -> tuple[float, ...]:
    """Mean, second and fourth moment of a window's maximum, the squared slope there, and that on average."""
    covariance = _covariance(x, part, sizes, rank)
    mean = float(x.diagonal(x.mean)[part])
    root = _root(covariance - mean**2)
    z = mean + _draws(len(root)) @ root.T
    top = z.max(1).values
    if phi is None:
        return (*(float((top**n).mean()) for n in (1, 2, 4)), 1.0, 1.0)
    with torch.enable_grad():
        both = torch.stack([top, z[:, 0]]).requires_grad_()
        value = phi.f(both)
        (slope,) = torch.autograd.grad(value.sum(), both)
    best = value[0].detach()
    squares = (slope**2).mean(1)
    return (*(float((best**n).mean()) for n in (1, 2, 4)), float(squares[0]), float(squares[1]))


def _covariance(x: Signal, part: int, sizes: Sequence[int], rank: int) -> Tensor:
    """The second moments between the places of a window."""
    places = list(product(*(range(size) for size in sizes)))
    here = [axis.radius for axis in x.axes]
    rows = list[list[float]]()
    for first in places:
        row = list[float]()
        for second in places:
            index = list(here)
            for i in range(rank):
                dim = x.dims[len(x.dims) - rank + i]
                if dim:
                    axis, lag = x.axes[dim[0].axis], second[i] - first[i]
                    index[dim[0].axis] = axis.radius + lag if abs(lag) <= axis.radius else axis.classes - 1
            row.append(float(x.k[(part, *index)]))
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    return vectors * values.clamp(min=0).sqrt()


@cache
def _draws(size: int) -> Tensor:
    generator = torch.Generator(device="cpu").manual_seed(0)
    half = torch.randn(DRAWS // 2, size, generator=generator, dtype=torch.float64)
    return torch.cat([half, -half])
