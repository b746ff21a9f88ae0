"""Losses: where gradients start."""

import math
from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from gradmedic.theory.entrance import moments_between
from gradmedic.theory.plan import Step
from gradmedic.theory.propagation import Grad, Passage, Value, one, rule, signal
from gradmedic.theory.roles import parted, settled
from gradmedic.theory.signal import Atom, Signal, own
from gradmedic.theory.softmaxes import miss, overlap

MOST = 4_000_000
"""Entries of a one-hot target beyond which classes are taken as equally frequent."""


@rule("log_softmax")
def log_softmax(step: Step, inputs: Sequence[Value]) -> Passage:
    """d = g - p sum(g), with p the softmax of Gaussian logits that are independent of what stands behind.

    E[g_u s] = E[s s'] / C for the C classes, of which the target is any with equal probability.
    """
    x, unsettled = settled(signal(inputs[0]), [step.attributes.get("dim", -1)])
    x, parts = x.blended(), x.units
    n, q = x.count, float(x.squares[0])
    spread = max(q - float(x.diagonal(x.m)[0]), 0.0)
    held = overlap(n, spread, (x.k - x.m) / max(spread, 1e-300))
    size = math.log(n) + q / 2
    flat = torch.ones_like(x.kurtosis)
    out = replace(x, k=x.k + size**2, m=x.m + size**2, mean=x.mean - size, kurtosis=flat)

    def back(grad: Signal) -> Sequence[Grad]:
        grad = grad.blended()
        total = n * grad.k + n * (n - 1) * grad.m
        k = grad.k - 2 * total / n**2 + total * held / n
        m = grad.m - 2 * total / n**2 + total * (1 - held) / (n * max(n - 1, 1))
        return [unsettled(parted(replace(grad, k=k, m=m, kurtosis=loose, focus=1.0), parts))]

    varies = n * miss(n, round(spread, 6))
    # Of two samples the misses go together only where they have one target.
    loose = torch.tensor([[1 + varies, 1 + varies / n * float(x.apart(x.correlations)[0])]], dtype=torch.float64)
    return one(out, back, elastic=(0.0,))


@rule("nll_loss", "cross_entropy")
def nll_loss(step: Step, inputs: Sequence[Value]) -> Passage:
    """-1/N at the target of each of N instances; classes are equally frequent."""
    unit_dim = 1 if len(signal(inputs[0]).dims) > 1 else 0
    x, unsettled = settled(signal(inputs[0]), [unit_dim])
    x, parts = x.blended(), x.units
    n = x.count
    equal = _same_target(step.sample, x)
    weight = 1.0 if step.attributes.get("reduction", 1) == 2 else 1.0 / x.instances

    def back(grad: Signal) -> Sequence[Grad]:
        size = weight**2 * grad.square
        k = size * equal / n
        m = size * (1 - equal) / (n * max(n - 1, 1))
        return [unsettled(parted(replace(x, k=k, m=m, mean=torch.zeros_like(x.mean)), parts))]

    return one(scalar(-float(x.diagonal(x.mean)[0])), back)


def _same_target(target: Tensor | None, x: Signal) -> Tensor:
    """How often the two instances of a pair have the same target: counted, or as if all classes were as frequent."""
    same = own(x)
    sizes = [axis.size for axis in x.axes]
    if target is None or target.is_meta or target.is_floating_point() or target.numel() != prod(sizes):
        return same + (1 - same) / x.count
    if target.numel() * x.count > MOST or target.min() < 0 or target.max() >= x.count:
        return same + (1 - same) / x.count
    order = [atom for dim in x.dims for atom in dim if not atom.is_units]
    laid = target.cpu().reshape([atom.size for atom in order])
    laid = laid.permute([order.index(Atom(size, i)) for i, size in enumerate(sizes)])
    hot = torch.nn.functional.one_hot(laid, x.count).double()
    return moments_between(hot, x.axes)[None] * x.count


def scalar(value: float) -> Signal:
    """One certain number."""
    one_ = torch.ones(1, dtype=torch.float64)
    return Signal((), (), (1,), one_ * value**2, one_ * value**2, one_ * value, torch.ones(1, 2, dtype=torch.float64))
