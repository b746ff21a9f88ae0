"""Convolutions: filters whose taps mix units, place by place."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import torch

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, WeightOperand, one, rule, signal
from gradmedic.theory.propagation.linear import NONE, bias_square, mixed, signal_share, weight_square
from gradmedic.theory.signals.axes import diagonal, over
from gradmedic.theory.signals.signal import UNITS, Atom, Signal, dropped
from gradmedic.theory.signals.spatial_axis import Taps, gathered, inserted, scattered
from gradmedic.theory.signals.unit_instance import Changed, Pullback, arranged, chained, coarsely, parted, same, settled
from gradmedic.theory.signals.views import instances, merged


@rule("conv")
def conv(step: Step, inputs: Sequence[Value]) -> Propagation:
    """K'(lag) = v n k A(stride lag) + b^2 (Xiao+ 2018); taps that fall on padding are counted place by place."""
    weight, bias = inputs[1], inputs[2] if len(inputs) > 2 else None
    if not isinstance(weight, WeightOperand):
        raise NoRuleError("a filter that is no parameter")
    rank = len(weight.shape) - 2
    x, unsettled = on_grid(signal(inputs[0]), rank)
    out_shape, turned = step.shape, bool(step.attributes.get("transposed"))
    walks = [
        _taps(step, i, x.shape[i - rank], out_shape[i - rank], weight.shape[i - rank], turned) for i in range(rank)
    ]
    groups, width = int(step.attributes.get("groups", 1)), out_shape[-rank - 1]
    seen, taps = walked(x, walks, scatter=turned)
    fan = x.count // groups * taps
    out = mixed(seen, weight.law, width, bias.law if isinstance(bias, WeightOperand) else NONE, fan)
    units = (Atom(width, UNITS),) if width > 1 else ()
    out = replace(out, dims=(*out.dims[: -rank - 1], units, *out.dims[-rank:]))
    terms = max(x.count // groups, 1) * _independent(x, walks)
    out = replace(out, fan=min(out.fan, terms))
    if groups == x.count == width:  # a filter for each unit
        out = replace(out, origin=x.origin, taps=max(terms, 1.0))

    def back(grad: Signal) -> Sequence[Grad]:
        sent, times = walked(grad, walks, scatter=not turned, like=x)
        to_x = mixed(sent, replace(weight.law, balanced=False), x.count, NONE, width // groups * times)
        to_x = replace(parted(arranged(to_x, x.dims), x.units), dims=x.dims)
        to_weight = weight_square(grad, seen, fan)
        to_bias = bias_square(grad) if isinstance(bias, WeightOperand) else None
        grads: list[Grad] = [unsettled(to_x), to_weight, to_bias]
        return grads[: len(inputs)]

    share = signal_share(out, bias if isinstance(bias, WeightOperand) else None)
    return one(out, back, mixes=0, weight=1, elastic=(share,))


def on_grid(x: Signal, rank: int) -> Changed:
    """Channels as units, and each of the last `rank` dimensions as one axis, or none if it has one entry."""
    start, backs = x.dims, list[Pullback]()
    x, back = settled(x, [len(x.dims) - rank - 1])
    backs.append(back)
    for dim in range(len(x.dims) - rank, len(x.dims)):
        if x.dims[dim]:
            x, back = lined(x, [dim])
            backs.append(back)
    return x, chained(backs, start)


def lined(x: Signal, dims: Iterable[int]) -> Changed:
    """With one axis of neighbors in each of these dimensions, be it of one entry."""
    start, backs = x.dims, list[Pullback]()
    for dim in dims:
        if not x.dims[dim]:
            at = len(x.axes)
            x = inserted(x, at, dim)
            backs.append(partial(dropped, position=at))
        for change in (instances, merged, _plain):
            x, back = change(x, dim)
            backs.append(back)
    return x, chained(backs, start)


def _plain(x: Signal, dim: int) -> Changed:
    """A dimension whose axis tells entries apart by their distance at most."""
    axis = x.axes[x.dims[dim][0].axis]
    return coarsely(x, x.dims[dim][0].axis) if axis.shown or axis.groups else (x, same)


def _taps(step: Step, i: int, before: int, after: int, kernel: int, turned: bool) -> Taps:
    large, small = (after, before) if turned else (before, after)
    stride, padding, dilation = (_at(step.attributes.get(name), i, default) for name, default in _DEFAULTS)
    return Taps(large, small, kernel, stride, padding, dilation)


def _independent(x: Signal, walks: Sequence[Taps]) -> float:
    """How many taps of a filter count, where neighbors go together: (tr C)^2 / tr C^2 of what they see, centered."""
    x = x.blended()
    k = (x.k - x.everywhere(x.k).reshape(-1, *[1] * len(x.axes)))[0]
    dims = [x.dims[len(x.dims) - len(walks) + i] for i in range(len(walks))]
    grid = [dim[0].axis if dim else None for dim in dims]
    for position in reversed(range(len(x.axes))):
        if position not in grid:
            k = over(k, position, diagonal(x.axes[position]))
    order = [sorted(axis for axis in grid if axis is not None).index(axis) for axis in grid if axis is not None]
    k = k.permute(order) if order else k
    weights = torch.ones((), dtype=torch.float64)
    for at, (walk, axis) in enumerate(zip(walks, grid, strict=True)):
        reach = walk.kernel if axis is not None else 1
        lags = torch.arange(1 - reach, reach)
        if axis is None:
            k = k.unsqueeze(at)
        else:
            radius, away = x.axes[axis].radius, lags * walk.dilation
            k = k.index_select(at, torch.where(away.abs() <= radius, away + radius, 2 * radius + 1))
        weights = weights[..., None] * (reach - lags.abs())
    taps = prod(walk.kernel for walk, axis in zip(walks, grid, strict=True) if axis is not None)
    own = k[tuple(size // 2 for size in k.shape)]
    whole = float((weights * k**2).sum())
    return float(own) ** 2 * taps**2 / whole if whole > 0 else float(taps)


_DEFAULTS = (("stride", 1), ("padding", 0), ("dilation", 1))


def _at(value: Any, i: int, default: int) -> int:
    if value is None or value == ():
        return default
    return int(
        value[i]
        if isinstance(value, tuple | list) and len(value) > 1
        else value[0]
        if isinstance(value, tuple | list)
        else value
    )


def walked(x: Signal, walks: Sequence[Taps], *, scatter: bool, like: Signal | None = None) -> tuple[Signal, float]:
    """The filter's way along all dimensions of the grid: what it meets, and how many taps it has on average.

    With `like`, the result gets the axes of that signal.
    """
    taps = 1.0
    for i, walk in enumerate(walks):
        dim = len(x.dims) - len(walks) + i
        if not x.dims[dim]:
            x = inserted(x, _place(x, dim, like), dim)
        position = x.dims[dim][0].axis
        onto = like.axes[like.dims[dim][0].axis] if like is not None and like.dims[dim] else None
        x, count = scattered(x, position, walk, onto) if scatter else gathered(x, position, walk, onto)
        taps *= count
        if x.axes[position].size == 1:
            x = dropped(x, position)
    return x, taps


def _place(x: Signal, dim: int, like: Signal | None) -> int:
    """Where the axis of a dimension belongs: as in the signal that the result is to be like."""
    if like is None or not like.dims[dim]:
        return len(x.axes)
    return min(like.dims[dim][0].axis, len(x.axes))
