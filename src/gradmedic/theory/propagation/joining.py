"""Several tensors as one: parts of the units, or of the instances."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from gradmedic.theory.axes import Axis
from gradmedic.theory.combining import ONE, placed
from gradmedic.theory.grids import inserted
from gradmedic.theory.labels import Labeled, framed, joined, together
from gradmedic.theory.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Passage, Value, Weight, came, rule
from gradmedic.theory.propagation.arithmetic import total
from gradmedic.theory.roles import parted
from gradmedic.theory.signal import UNITS, Atom, Signal, dropped


@rule("cat", "stack")
def cat(step: Step, inputs: Sequence[Value]) -> Passage:
    """Side by side: units of several kinds are parts of one signal, instances of several kinds one axis on average."""
    dim = step.attributes.get("dim", 0) % len(step.shape)
    known = step.attributes.get("constants", {})
    inputs = [Weight(*known[i]) if value is None and i in known else value for i, value in enumerate(inputs)]
    like = next((value for value in inputs if isinstance(value, Signal)), None)
    if like is None:
        raise NoRuleError("parameters side by side")
    xs = [value if isinstance(value, Signal) else _own(value, like, dim) for value in inputs]
    if step.op == "stack":
        xs = [replace(x, dims=(*x.dims[:dim], (), *x.dims[dim:])) for x in xs]
        like = replace(like, dims=(*like.dims[:dim], (), *like.dims[dim:]))
    frames = [_framed(x, like, dim) for x in xs]
    by_units = all(atom.is_units for x in xs for atom in x.dims[dim]) and (
        step.op == "cat" or dim == len(step.shape) - 1
    )
    passage = _units(frames, dim) if by_units else _instances(frames, dim, step.shape[dim])

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        found = passage.back(grads)
        plain = [
            g if step.op == "cat" or not isinstance(g, Signal) else replace(g, dims=(*g.dims[:dim], *g.dims[dim + 1 :]))
            for g in found
        ]
        return [
            total(g) if isinstance(v, Weight) and isinstance(g, Signal) else g
            for v, g in zip(inputs, plain, strict=True)
        ]

    sizes = [x.square * x.count * x.instances for x in xs]
    return Passage(passage.outputs, back, elastic=tuple(size / max(sum(sizes), 1e-300) for size in sizes))


def _own(value: Value, like: Signal, dim: int) -> Signal:
    """A parameter beside a signal."""
    if not isinstance(value, Weight):
        raise NoRuleError("a tensor of which nothing is known, beside others")
    shape = tuple(1 if i == dim and size != like.shape[i] else size for i, size in enumerate(value.shape))
    return placed(value.law, shape, like)


def _framed(x: Signal, like: Signal, dim: int) -> tuple[Labeled, Labeled]:
    """A signal with the axes of another one in all dimensions but one: as it is, and as it is laid out there."""
    a, b = together(x, like, [(i, i) for i in range(len(x.dims)) if i != dim])
    dims = [(b, i) if i != dim and b.signal.dims[i] else (a, i) for i in range(len(x.dims))]
    return a, framed(a, b, dims)


def _units(frames: Sequence[tuple[Labeled, Labeled]], dim: int) -> Passage:
    laid = [joined(a, ONE, frame) for a, frame in frames]
    if len({x.axes for x in laid}) > 1:
        raise NoRuleError("tensors of different layout side by side")
    units = tuple(part for x in laid for part in x.units)
    size = sum(prod(atom.size for atom in x.dims[dim]) for x in laid)
    k, m, mean, kurtosis = (torch.cat([getattr(x, name) for x in laid]) for name in ("k", "m", "mean", "kurtosis"))
    dims = (*laid[0].dims[:dim], (Atom(size, UNITS),), *laid[0].dims[dim + 1 :])
    out = replace(laid[0], dims=dims, units=units, k=k, m=m, mean=mean, kurtosis=kurtosis)

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        grad, found, at = parted(came(grads[0]), units), list[Grad](), 0
        for x, (a, frame) in zip(laid, frames, strict=True):
            rows = slice(at, at + len(x.units))
            k, m, mean, kurtosis = (getattr(grad, name)[rows] for name in ("k", "m", "mean", "kurtosis"))
            own = replace(x, k=k, m=m, mean=mean, kurtosis=kurtosis, focus=grad.focus)
            found.append(a.restore(joined(replace(frame, signal=own), ONE, a)))
            at += len(x.units)
        return found

    return Passage((out,), back)


def _instances(frames: Sequence[tuple[Labeled, Labeled]], dim: int, size: int) -> Passage:
    """Averages over the entries; two entries from different tensors have their means in common."""
    laid = [_with_axis(joined(a, ONE, frame).blended(), dim) for a, frame in frames]
    axis = Axis(size)
    at = laid[0].dims[dim][0].axis + 1
    shares = [x.axes[at - 1].size / size for x in laid]
    weights = [_pairs_within(share * size, size) for share in shares]

    def mixed(name: str) -> Tensor:
        same = sum((s * getattr(x, name).select(at, 0) for s, x in zip(shares, laid, strict=True)), torch.zeros(()))
        other = sum((w * getattr(x, name).select(at, 1) for w, x in zip(weights, laid, strict=True)), torch.zeros(()))
        return torch.stack([same, other + (_across(laid, shares, at) if name != "mean" else same - other)], at)

    k, m, mean = mixed("k"), mixed("m"), mixed("mean")
    dims = (*laid[0].dims[:dim], (Atom(size, at - 1),), *laid[0].dims[dim + 1 :])
    axes = (*laid[0].axes[: at - 1], axis, *laid[0].axes[at:])
    out = replace(laid[0], dims=dims, axes=axes, k=k, m=m, mean=mean)

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        grad, found = came(grads[0]).blended(), list[Grad]()
        for x, (a, frame) in zip(laid, frames, strict=True):
            own = replace(x, k=grad.k, m=grad.m, mean=grad.mean, kurtosis=grad.kurtosis)
            own = own if frame.signal.dims[dim] else dropped(own, at - 1)
            own = replace(parted(own, frame.signal.units), dims=frame.signal.dims)
            found.append(a.restore(joined(replace(frame, signal=own), ONE, a)))
        return found

    return Passage((out,), back)


def _pairs_within(n: float, size: int) -> float:
    return n * (n - 1) / max(size * (size - 1), 1)


def _across(laid: Sequence[Signal], shares: Sequence[float], at: int) -> Tensor:
    """What entries of different tensors have in common: the product of their means."""
    means = [x.mean.select(at, 0) for x in laid]
    middle = sum((s * mean for s, mean in zip(shares, means, strict=True)), torch.zeros(()))
    within = sum((s**2 * mean**2 for s, mean in zip(shares, means, strict=True)), torch.zeros(()))
    return middle**2 - within


def _with_axis(x: Signal, dim: int) -> Signal:
    """With two classes along the dimension, of one entry if it has no axis yet."""
    if x.dims[dim]:
        return x.coarse(x.dims[dim][0].axis)
    before = sum(not atom.is_units for atoms in x.dims[:dim] for atom in atoms)
    return inserted(x, before, dim)
