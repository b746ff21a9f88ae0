"""Convolutions: filters whose taps mix units, place by place."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from gradmedic.theory.grids import Taps, gathered, inserted, scattered
from gradmedic.theory.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Passage, Value, Weight, one, rule, signal
from gradmedic.theory.propagation.linear import NONE, bias_square, mixed, signal_share, weight_square
from gradmedic.theory.regroup import instances, merged
from gradmedic.theory.roles import Changed, Pullback, arranged, chained, coarsely, parted, same, settled
from gradmedic.theory.signal import UNITS, Atom, Signal, dropped


@rule("conv")
def conv(step: Step, inputs: Sequence[Value]) -> Passage:
    """K'(lag) = v n k A(stride lag) + b^2 (Xiao+ 2018); taps that fall on padding are counted place by place."""
    weight, bias = inputs[1], inputs[2] if len(inputs) > 2 else None
    if not isinstance(weight, Weight):
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
    out = mixed(seen, weight.law, width, bias.law if isinstance(bias, Weight) else NONE, fan)
    units = (Atom(width, UNITS),) if width > 1 else ()
    out = replace(out, dims=(*out.dims[: -rank - 1], units, *out.dims[-rank:]))

    def back(grad: Signal) -> Sequence[Grad]:
        sent, times = walked(grad, walks, scatter=not turned, like=x)
        to_x = mixed(sent, replace(weight.law, balanced=False), x.count, NONE, width // groups * times)
        to_x = replace(parted(arranged(to_x, x.dims), x.units), dims=x.dims)
        to_weight = weight_square(grad, seen, fan)
        to_bias = bias_square(grad) if isinstance(bias, Weight) else None
        grads: list[Grad] = [unsettled(to_x), to_weight, to_bias]
        return grads[: len(inputs)]

    share = signal_share(out, bias if isinstance(bias, Weight) else None)
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
