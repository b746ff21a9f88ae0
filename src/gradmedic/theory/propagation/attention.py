"""Softmax, and attention that is fused into one operation."""

import math
from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from gradmedic.theory.kernels.softmax_overlap import overlap
from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, came, one, rule, signal
from gradmedic.theory.propagation.contraction import contracted
from gradmedic.theory.propagation.dropout import dropout
from gradmedic.theory.signals.axes import over, pairs
from gradmedic.theory.signals.signal import UNITS, Atom, Signal
from gradmedic.theory.signals.unit_instance import Changed, Pullback, chained, coarsely, parted
from gradmedic.theory.signals.views import instances, merged


@rule("softmax", "safe_softmax")
def softmax(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Weights that sum to one: E sum_j p_j p'_j tells all; dL = p (g - sum p g), with p near its mean in the sum."""
    x = signal(inputs[0])
    return softmaxed(x, step.attributes.get("dim", -1) % len(x.dims), hidden=float(step.attributes.get("hidden", 0.0)))


def softmaxed(x: Signal, dim: int, *, hidden: float) -> Propagation:
    """The softmax along a dimension, of units or of instances."""
    if not x.dims[dim]:
        return one(_ones(x), lambda grad: [grad.scaled(0.0)])
    if all(atom.is_units for atom in x.dims[dim]) and prod(atom.size for atom in x.dims[dim]) == x.count:
        return _over_units(x)
    start, backs = x.dims, list[Pullback]()
    for change in (instances, merged):  # units of one dimension of several are no more than entries of it
        x, back = change(x, dim)
        backs.append(back)
    x, back = coarsely(x, x.dims[dim][0].axis)
    backs.append(back)
    parts = x.units
    passage = _over_instances(x, x.dims[dim][0].axis, hidden)
    unsettled = chained(backs, start)
    return Propagation(
        passage.outputs, lambda grads: [unsettled(parted(came(g), parts)) for g in passage.back(grads)], elastic=(0.0,)
    )


def _ones(x: Signal) -> Signal:
    ones = torch.ones_like(x.k)
    return replace(x, k=ones, m=ones, mean=ones)


def _over_units(x: Signal) -> Propagation:
    parts, x = x.units, x.blended()
    n = x.count
    variance = float(x.squares[0] - x.diagonal(x.m)[0])
    held = overlap(n, variance, (x.k - x.m) / max(variance, 1e-300))
    k, m = held / n, (1 - held) / (n * max(n - 1, 1))
    mean = torch.full_like(k, 1.0 / n)

    def back(grad: Signal) -> Sequence[Grad]:
        grad = grad.blended()
        middle = grad.k / n + (1 - 1 / n) * grad.m
        return [parted(replace(grad, k=k * (grad.k - middle), m=m * (grad.m - middle)), parts)]

    return one(replace(x, k=k, m=m, mean=mean, kurtosis=_peaked(x, variance)), back)


def _peaked(x: Signal, variance: float) -> Tensor:
    """E p^4 / (E p^2)^2 of a log-normal weight."""
    return torch.tensor([[math.exp(min(4 * variance, 50.0)), 1.0]], dtype=torch.float64)


def _over_instances(x: Signal, position: int, hidden: float) -> Propagation:
    x = x.blended()
    at, n = position + 1, x.axes[position].size
    apart = x.k.select(at, 0) - x.k.select(at, 1)
    variance = float(replace(x, axes=x.axes[:position] + x.axes[position + 1 :]).diagonal(apart)[0])
    correlation = apart / max(variance, 1e-300)
    same_row = correlation > 1 - 1e-9
    held = overlap(n, max(variance, 0.0), correlation) * torch.where(same_row, *_visible(n, hidden))
    k = _weights(held.clamp(max=1.0), n, at)
    # Different units are different heads, whose logits are independent.
    alone = torch.full_like(held, 1.0 / n) * _visible(n, hidden)[1]
    out = replace(
        x, k=k, m=_weights(alone, n, at), mean=torch.full_like(x.k, 1.0 / n), kurtosis=_peaked(x, max(variance, 0.0))
    )

    rest = _left(n, hidden)

    def back(grad: Signal) -> Sequence[Grad]:
        def sent(weights: Tensor, g: Tensor) -> Tensor:
            # What all scores of a row have in common makes no difference: their gradients sum to zero.
            each = weights * (g - over(g, at, axis).unsqueeze(at))
            return each - over(each, at, axis).unsqueeze(at)

        axis = pairs(x.axes[position])
        left = torch.where(same_row, *rest).unsqueeze(at)
        return [replace(grad, k=sent(out.k * left, grad.k), m=sent(out.m * rest[1], grad.m))]

    return one(out, back)


def _weights(held: Tensor, n: int, at: int) -> Tensor:
    """E p_j p'_j' where j = j', and where not."""
    return torch.stack([held / n, (1 - held) / (n * max(n - 1, 1))], at)


def _visible(n: int, hidden: float) -> tuple[Tensor, Tensor]:
    """How much larger the overlap is where much is hidden: of a row with itself, and of two rows.

    Half of all hidden means that a token sees those before it and itself; anything else that rows
    see as many as they do on average, and all the same ones.
    """
    one_ = torch.ones((), dtype=torch.float64)
    if hidden <= 0:
        return one_, one_
    if abs(hidden - (n - 1) / (2 * n)) > 0.02:
        return one_ / (1 - min(hidden, 1 - 1 / n)), one_ / (1 - min(hidden, 1 - 1 / n))
    i = torch.arange(1, n + 1, dtype=torch.float64)
    same = (1 / i).mean() * n
    all_ = ((2 * i - 1) / i).sum() / n  # the mean of n / max(i, i') over all pairs
    return same, (all_ * n - same) / max(n - 1, 1)


def _left(n: int, hidden: float) -> tuple[Tensor, Tensor]:
    """What is left where a row's own mean is subtracted and rows see few tokens, relative to all n: see `_visible`.

    Rows i and i' that see the first tokens have (1 - 1/min(i, i')) / max(i, i') of a difference between keys.
    """
    one_ = torch.ones((), dtype=torch.float64)
    if hidden <= 0 or n < 2 or abs(hidden - (n - 1) / (2 * n)) > 0.02:
        return one_, one_
    i = torch.arange(1, n + 1, dtype=torch.float64)
    kept = (1 - 1 / torch.minimum(i, i[:, None])) / torch.maximum(i, i[:, None])
    whole = (1 - 1 / n) / torch.maximum(i, i[:, None])
    same, apart = torch.eye(n, dtype=torch.float64), 1 - torch.eye(n, dtype=torch.float64)
    return (kept * same).sum() / (whole * same).sum(), (kept * apart).sum() / (whole * apart).sum()


def _mask(step: Step) -> float:
    """The share of scores that an additive mask hides."""
    mask = step.sample
    return float((mask < -1e4).double().mean()) if mask is not None and not mask.is_meta else 0.0


def _for_all_heads(x: Signal, q: Signal) -> Changed:
    """Keys or values that groups of heads share (Ainslie+ 2023), once for each head: of two units some are copies."""
    dim, heads = len(x.dims) - 3, q.shape[-3] if len(q.dims) > 2 else 1
    if dim < 0 or x.shape[dim] == heads:
        return x, lambda grad: grad
    copies = heads // x.shape[dim]
    if heads % x.shape[dim] or any(not atom.is_units for atom in (*x.dims[dim], *q.dims[-3])):
        raise NoRuleError("keys for other heads than those of the queries")
    units = tuple(n * copies for n in x.units)
    same = torch.tensor([(copies - 1) / max(n - 1, 1) for n in units], dtype=torch.float64)
    same = same.reshape(-1, *[1] * len(x.axes))
    dims = (*x.dims[:dim], (Atom(heads, UNITS),), *x.dims[dim + 1 :])
    out = replace(x, dims=dims, units=units, m=same * x.k + (1 - same) * x.m)

    def back(grad: Signal) -> Signal:
        # The gradients of all copies add up.
        k = copies * (grad.k + (copies - 1) * grad.m)
        return replace(grad, dims=x.dims, units=x.units, k=k, m=copies**2 * grad.m)

    return out, back


@rule("sdpa")
def sdpa(step: Step, inputs: Sequence[Value]) -> Propagation:
    """softmax(scale q k^T) v as its three operations (THEORY: scores, weights, means of values)."""
    q = signal(inputs[0])
    (k, one_k), (v, one_v) = (_for_all_heads(signal(value), q) for value in inputs[1:3])
    scale = step.attributes.get("scale")
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else float(scale)
    turned = replace(k, dims=(*k.dims[:-2], k.dims[-1], k.dims[-2]))
    scores = contracted(q.scaled(scale), turned)
    tokens = k.shape[-2]
    hidden = (tokens - 1) / (2 * tokens) if step.attributes.get("is_causal") else _mask(step)
    weights = softmaxed(signal(scores.outputs[0]), len(q.dims) - 1, hidden=hidden)
    held = dropout(Step("dropout", attributes={"p": step.attributes.get("dropout_p", 0.0)}), weights.outputs)
    mixed = contracted(signal(held.outputs[0]), v)

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        to_weights, to_v = mixed.back(grads[:1])
        to_q, to_k = scores.back(weights.back(held.back([to_weights])))
        to_k = replace(came(to_k), dims=k.dims)
        return [came(to_q).scaled(scale), one_k(to_k), one_v(came(to_v)), *(None for _ in inputs[3:])]

    outputs = (mixed.outputs[0], *(None for _ in step.shapes[1:]))
    return Propagation(outputs, back, elastic=(0.0, 0.0, 1.0))
