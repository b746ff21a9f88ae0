"""Losses: where gradients start."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from gradmedic.theory.kernels.softmax_overlap import miss, overlap
from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, one, rule, signal
from gradmedic.theory.propagation.targets import between, by_chance, picked
from gradmedic.theory.signals.signal import Signal
from gradmedic.theory.signals.unit_instance import Pullback, parted, settled


@rule("log_softmax")
def log_softmax(step: Step, inputs: Sequence[Value]) -> Propagation:
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
def nll_loss(step: Step, inputs: Sequence[Value]) -> Propagation:
    """-c_i / sum c at the target of each instance i, c the weight of its class or zero where it is masked."""
    x = signal(inputs[0])
    unit_dim = 1 if len(x.dims) > 1 else 0
    weight = step.attributes.get("kept", {}).get("weight")
    ignored = int(step.attributes.get("ignore_index", -100))
    x, unsettled = settled(x, [unit_dim])
    chosen = picked(step.sample, x, weight, ignored)
    reduction = step.attributes.get("reduction", 1)
    whole = x.instances if chosen is None else float(chosen.sum())
    scale = -1.0 / whole if reduction == 1 else -1.0
    taken = _Taken(x, chosen, scale, unsettled)
    if reduction == 0:
        return taken.each(unit_dim, kept=False)
    size = whole * scale * float(x.diagonal(x.blended().mean)[0])
    return one(scalar(size), lambda grad: [taken.sent(grad.square)])


@rule("gather")
def gather(step: Step, inputs: Sequence[Value]) -> Propagation:
    """One unit of each instance, as the logarithm of a target's probability is picked."""
    x, dim = signal(inputs[0]), int(step.attributes.get("dim", 0)) % len(step.shape)
    if step.shape[dim] != 1 or not all(atom.is_units for atom in x.dims[dim]) or not x.dims[dim]:
        raise NoRuleError("a choice of more than one unit")
    x, unsettled = settled(x, [dim])
    return _Taken(x, picked(step.sample, x, None, -100), 1.0, unsettled).each(dim, kept=True)


@dataclass(frozen=True)
class _Taken:
    """One unit of each instance, times a number; `chosen` has that of each, or nobody knows it."""

    x: Signal
    chosen: Tensor | None
    scale: float
    back: Pullback

    @cached_property
    def moments(self) -> tuple[Tensor, Tensor]:
        """E c_u c'_u, the mean over units, and the same of two different units."""
        n = self.x.count
        if self.chosen is None:
            k = by_chance(self.x) / n
            return k, (1 / n - k) / max(n - 1, 1)
        return between(self.chosen, self.x)

    def sent(self, grad: Tensor | float) -> Signal:
        """The gradient of the signal, for that of one instance of the result."""
        x = self.x.blended()
        k, m = (t * grad * self.scale**2 for t in self.moments)
        found = replace(x, k=k, m=m, mean=torch.zeros_like(x.mean))
        return self.back(parted(found, self.x.units))

    def each(self, dim: int, *, kept: bool) -> Propagation:
        """The result for each instance, without the dimension of the units or with one entry there."""
        x = self.x.blended()
        dims = (*x.dims[:dim], *([()] if kept else []), *x.dims[dim + 1 :])
        both = self.moments[0] * x.count
        k = (both * x.k + (1 - both).clamp(min=0) * x.m) * self.scale**2
        flat = torch.ones_like(x.kurtosis)
        out = replace(x, dims=dims, units=(1,), k=k, m=k, mean=x.mean * self.scale, kurtosis=flat, layer=-1)
        return one(out, lambda grad: [self.sent(grad.blended().k)])


def scalar(value: float) -> Signal:
    """One certain number."""
    one_ = torch.ones(1, dtype=torch.float64)
    return Signal((), (), (1,), one_ * value**2, one_ * value**2, one_ * value, torch.ones(1, 2, dtype=torch.float64))
