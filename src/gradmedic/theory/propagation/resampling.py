"""Mean pooling, upsampling and padding: fixed linear maps over places."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, Propagation, Value, one, rule, signal
from gradmedic.theory.propagation.convolution import lined, on_grid
from gradmedic.theory.signals.signal import Signal, dropped
from gradmedic.theory.signals.spatial_axis import resampled, restored
from gradmedic.theory.signals.unit_instance import same


@rule("avg_pool", "adaptive_avg_pool", "upsample_nearest", "upsample_linear", "pad")
def resample(step: Step, inputs: Sequence[Value]) -> Propagation:
    """M A M^T along each axis, for the matrix M that the operation is; neighbors go together as they do."""
    start = signal(inputs[0])
    rank = len(step.attributes["pad"]) // 2 if step.op == "pad" else len(step.shape) - 2
    changes = list(matrices(step, start, rank))
    x, unsettled = (start, same) if step.op == "pad" else on_grid(start, rank)
    x, unlined = lined(x, [dim for dim, _ in changes])
    whole = x
    for dim, matrix in changes:
        whole = resampled(whole, x.dims[dim][0].axis, matrix)
    gone = sorted((x.dims[dim][0].axis for dim, matrix in changes if len(matrix) == 1), reverse=True)
    out = whole
    for position in gone:
        out = dropped(out, position)

    def back(grad: Signal) -> Sequence[Grad]:
        grad = restored(grad, whole, gone)
        for dim, matrix in reversed(changes):
            position = x.dims[dim][0].axis
            grad = resampled(replace(grad, dims=x.dims), position, matrix.T, x.axes[position])
        return [unsettled(unlined(replace(grad, dims=x.dims, mean=torch.zeros_like(grad.k))))]

    return one(out, back)


def matrices(step: Step, x: Signal, rank: int) -> list[tuple[int, Tensor]]:
    """For each dimension that changes, the map along it as a matrix (results, entries)."""
    found = []
    for i in range(rank):
        dim = len(x.dims) - rank + i
        matrix = _matrix(step, i, x.shape[dim], step.shape[dim])
        if matrix.shape[0] != matrix.shape[1] or not torch.equal(matrix, torch.eye(len(matrix), dtype=matrix.dtype)):
            found.append((dim, matrix))
    return found


def _matrix(step: Step, i: int, before: int, after: int) -> Tensor:
    if step.op == "pad":
        pad = step.attributes["pad"]
        return _padding(before, int(pad[len(pad) - 2 * i - 2]), after)
    if step.op == "upsample_nearest":
        return _rows((torch.arange(after) * before) // after, before)
    if step.op == "upsample_linear":
        return _between(before, after, bool(step.attributes.get("align_corners")))
    if step.attributes.get("kernel_size") is None:
        return _adaptive(before, after)
    return _windows(step, i, before, after)


def _windows(step: Step, i: int, before: int, after: int) -> Tensor:
    size = at(step.attributes["kernel_size"], i)
    stride, padding = at(step.attributes.get("stride") or size, i), at(step.attributes.get("padding") or 0, i)
    places = torch.arange(after)[:, None] * stride - padding + torch.arange(size)
    inside = (places >= 0) & (places < before)
    matrix = (_rows(places.clamp(0, before - 1), before) * inside[..., None]).sum(1)
    counted = size if step.attributes.get("count_include_pad", True) else inside.sum(1, keepdim=True)
    return matrix / counted


def at(value: Any, i: int) -> int:
    """The i-th of several numbers, or the one for all."""
    if isinstance(value, tuple | list):
        return int(value[i] if len(value) > 1 else value[0])
    return int(value)


def _rows(places: Tensor, size: int) -> Tensor:
    return torch.nn.functional.one_hot(places, size).double()


def _padding(before: int, left: int, after: int) -> Tensor:
    places = torch.arange(after) - left
    inside = (places >= 0) & (places < before)
    return _rows(places.clamp(0, before - 1), before) * inside[:, None]


def _adaptive(before: int, after: int) -> Tensor:
    start = (torch.arange(after) * before) // after
    end = -((-(torch.arange(after) + 1) * before) // after)
    place = torch.arange(before)
    inside = ((place >= start[:, None]) & (place < end[:, None])).double()
    return inside / inside.sum(1, keepdim=True)


def _between(before: int, after: int, corners: bool) -> Tensor:
    """Linear interpolation between the two nearest entries."""
    places = torch.arange(after, dtype=torch.float64)
    if corners:
        where = places * (before - 1) / max(after - 1, 1)
    else:
        where = ((places + 0.5) * before / after - 0.5).clamp(0, before - 1)
    low = where.floor().long().clamp(max=before - 1)
    share = (where - low)[:, None]
    return _rows(low, before) * (1 - share) + _rows((low + 1).clamp(max=before - 1), before) * share
