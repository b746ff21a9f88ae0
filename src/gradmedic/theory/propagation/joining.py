"""Several tensors as one: parts of the units, or of the instances."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, WeightOperand, came, rule, signal
from gradmedic.theory.propagation.arithmetic import total, weight_of
from gradmedic.theory.signals.axes import Axis, coarsened
from gradmedic.theory.signals.contraction import Labeled, framed, joined, together
from gradmedic.theory.signals.elementwise_pair import ONE, placed
from gradmedic.theory.signals.parameter_law import ParameterLaw
from gradmedic.theory.signals.signal import UNITS, Atom, Signal, dropped
from gradmedic.theory.signals.spatial_axis import inserted
from gradmedic.theory.signals.unit_instance import Changed, Pullback, chained, coarsely, parted
from gradmedic.theory.signals.views import merged

MOST_GROUPS = 3
"""Tensors side by side that are told apart; of more, such as the steps of a loop, the mean is taken."""


@rule("cat", "stack")
def cat(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Side by side: units of several kinds are parts of one signal, instances of several kinds one axis on average."""
    dim = step.attributes.get("dim", 0) % len(step.shape)
    known = step.attributes.get("constants", {})
    if (filled := _filled(step, inputs, dim)) is not None:
        return filled
    inputs = [weight_of(known[i]) if value is None and i in known else value for i, value in enumerate(inputs)]
    like = next((value for value in inputs if isinstance(value, Signal)), None)
    if like is None:
        return _of_weights(step, inputs)
    xs = [value if isinstance(value, Signal) else _own(value, like, dim) for value in inputs]
    if step.op == "stack":
        xs = [replace(x, dims=(*x.dims[:dim], (), *x.dims[dim:])) for x in xs]
        like = replace(like, dims=(*like.dims[:dim], (), *like.dims[dim:]))
    for x in xs:  # the layout that all of them can take
        like = together(like, x, [(i, i) for i in range(len(x.dims)) if i != dim])[0].signal
    if len(xs) == 1:
        return Propagation((xs[0],), lambda grads: [replace(came(grads[0]), dims=signal(inputs[0]).dims)])
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
            total(g) if isinstance(v, WeightOperand) and isinstance(g, Signal) else g
            for v, g in zip(inputs, plain, strict=True)
        ]

    sizes = [x.square * x.count * x.instances for x in xs]
    return Propagation(passage.outputs, back, elastic=tuple(size / max(sum(sizes), 1e-300) for size in sizes))


def _of_weights(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Parameters side by side are one of a mixed law; each gets its share of the gradient."""
    parts = [value for value in inputs if isinstance(value, WeightOperand)]
    if len(parts) < len(inputs):
        raise NoRuleError("a parameter beside what is unknown")
    share = [prod(part.shape) / prod(step.shape) for part in parts]
    mean, square = (
        sum(s * getattr(part.law, name) for s, part in zip(share, parts, strict=True)) for name in ("mean", "square")
    )

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        (grad,) = grads
        return [grad * s if isinstance(grad, float) else None for s in share]

    return Propagation((WeightOperand(ParameterLaw(mean, square), step.shape),), back)


def _filled(step: Step, inputs: Sequence[Value], dim: int) -> Propagation | None:
    """If one operand is all of the result, the others are empty, as a cache is at first."""
    whole = [isinstance(v, Signal) and v.shape == step.shape for v in inputs]
    if step.op != "cat" or True not in whole:
        return None
    at = whole.index(True)
    return Propagation((inputs[at],), lambda grads: [grads[0] if i == at else None for i in range(len(inputs))])


def _own(value: Value, like: Signal, dim: int) -> Signal:
    """A parameter beside a signal."""
    if not isinstance(value, WeightOperand):
        raise NoRuleError("a tensor of which nothing is known, beside others")
    if len(value.shape) != len(like.dims):
        raise NoRuleError("a parameter beside a signal of more dimensions")
    return placed(value.law, value.shape, _resized(like, dim, value.shape[dim]))


def _resized(like: Signal, dim: int, size: int) -> Signal:
    """The dimensions of a signal with one of them of another size; its kernels are not asked for."""
    dims, axes = list(like.dims), like.axes
    if like.shape[dim] != size:
        units = all(atom.is_units for atom in dims[dim])
        dims[dim] = () if size == 1 else (Atom(size, UNITS if units else len(axes)),)
        axes = axes if units else (*axes, Axis(size))
    return replace(like, dims=tuple(dims), axes=axes)


def _framed(x: Signal, like: Signal, dim: int) -> tuple[Labeled, Labeled]:
    """A signal with the axes of another one in all dimensions but one: as it is, and as it is laid out there."""
    start, backs = x.dims, list[Pullback]()
    if len(x.dims[dim]) > 1:
        x, back = merged(x, dim)
        backs.append(back)
    a, b = together(x, like, [(i, i) for i in range(len(x.dims)) if i != dim])
    a = replace(a, restore=chained([*backs, a.restore], start))
    dims = [(b, i) if i != dim and b.signal.dims[i] else (a, i) for i in range(len(x.dims))]
    return a, framed(a, b, dims)


def _units(frames: Sequence[tuple[Labeled, Labeled]], dim: int) -> Propagation:
    laid = [joined(a, ONE, frame) for a, frame in frames]
    if len({x.axes for x in laid}) > 1:
        raise NoRuleError("tensors of different layout side by side")
    units = tuple(part for x in laid for part in x.units)
    size = sum(prod(atom.size for atom in x.dims[dim]) for x in laid)
    k, m, mean, kurtosis = (torch.cat([getattr(x, name) for x in laid]) for name in ("k", "m", "mean", "kurtosis"))
    dims = (*laid[0].dims[:dim], (Atom(size, UNITS),), *laid[0].dims[dim + 1 :])
    skew = torch.cat([x.lopsidedness for x in laid])
    out = replace(laid[0], dims=dims, units=units, k=k, m=m, mean=mean, kurtosis=kurtosis, skew=skew)

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        grad, found, at = parted(came(grads[0]), units), list[Grad](), 0
        for x, (a, frame) in zip(laid, frames, strict=True):
            rows = slice(at, at + len(x.units))
            k, m, mean, kurtosis = (getattr(grad, name)[rows] for name in ("k", "m", "mean", "kurtosis"))
            own = replace(x, k=k, m=m, mean=mean, kurtosis=kurtosis, focus=grad.focus)
            found.append(a.restore(joined(replace(frame, signal=own), ONE, a)))
            at += len(x.units)
        return found

    return Propagation((out,), back)


def _instances(frames: Sequence[tuple[Labeled, Labeled]], dim: int, size: int) -> Propagation:
    """Groups of entries side by side along one axis; entries of different groups have their means in common."""
    laid, finer = zip(*(_with_axis(joined(a, ONE, frame).blended(), dim) for a, frame in frames), strict=True)
    position = laid[0].dims[dim][0].axis
    at, groups = position + 1, tuple(x.axes[position].size for x in laid)
    axis = Axis(size, groups=groups) if len(groups) <= MOST_GROUPS else Axis(size)
    full = Axis(size, groups=groups)

    def mixed(name: str) -> Tensor:
        own = [getattr(x, name) for x in laid]
        means = [x.mean.select(at, 0) for x in laid]
        same = [t.select(at, 0) for t in own]
        across = [
            means[g] if name == "mean" else means[g] * means[h] for g in range(len(laid)) for h in range(len(laid))
        ]
        for g, t in enumerate(own):
            across[g * (len(laid) + 1)] = t.select(at, 1)
        found = torch.stack([*same, *across], at)
        return found if axis.groups else coarsened(found, at, full)

    k, m, mean = mixed("k"), mixed("m"), mixed("mean")
    dims = (*laid[0].dims[:dim], (Atom(size, position),), *laid[0].dims[dim + 1 :])
    axes = (*laid[0].axes[:position], axis, *laid[0].axes[at:])
    out = replace(laid[0], dims=dims, axes=axes, k=k, m=m, mean=mean)

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        grad, found = came(grads[0]).blended(), list[Grad]()
        for g, (x, (a, frame)) in enumerate(zip(laid, frames, strict=True)):
            index = torch.tensor([g, len(laid) * (g + 1) + g] if axis.groups else [0, 1])
            k, m, mean = (t.index_select(at, index) for t in (grad.k, grad.m, grad.mean))
            own = replace(x, k=k, m=m, mean=mean, kurtosis=grad.kurtosis)
            own = replace(parted(finer[g](own), frame.signal.units), dims=frame.signal.dims)
            found.append(a.restore(joined(replace(frame, signal=own), ONE, a)))
        return found

    return Propagation((out,), back)


def _with_axis(x: Signal, dim: int) -> Changed:
    """With two classes along the dimension, of one entry if it has no axis yet."""
    if x.dims[dim]:
        return coarsely(x, x.dims[dim][0].axis)
    before = sum(not atom.is_units for atoms in x.dims[:dim] for atom in atoms)
    return inserted(x, before, dim), lambda grad: dropped(grad, before)
