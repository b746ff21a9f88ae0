"""Losses that compare each entry with its target."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gradmedic.base.own_gradients import unheard
from gradmedic.theory.kernels.normal_nodes import hermite
from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, one, rule, signal
from gradmedic.theory.propagation.loss import scalar
from gradmedic.theory.propagation.targets import MOST, between, laid_out
from gradmedic.theory.signals.signal import Signal, own
from gradmedic.theory.signals.unit_instance import parted

Loss = Callable[[Tensor, Tensor], Tensor]
"""The loss of each entry, of outputs and targets."""

NODES = 24
"""Values of an output that its slope is averaged over."""


@rule("mse_loss")
def mse_loss(step: Step, inputs: Sequence[Value]) -> Propagation:
    """2 (f - y) for each entry."""
    return _pointwise(step, inputs, lambda f, y: (f - y) ** 2)


@rule("smooth_l1_loss", "huber_loss")
def smooth_l1_loss(step: Step, inputs: Sequence[Value]) -> Propagation:
    """f - y, cut off beyond a threshold."""
    if step.op == "huber_loss":
        delta = float(step.attributes.get("delta", 1.0))
        return _pointwise(step, inputs, lambda f, y: F.huber_loss(f, y, reduction="none", delta=delta))
    beta = float(step.attributes.get("beta", 1.0))
    return _pointwise(step, inputs, lambda f, y: F.smooth_l1_loss(f, y, reduction="none", beta=beta))


@rule("soft_margin_loss")
def soft_margin_loss(step: Step, inputs: Sequence[Value]) -> Propagation:
    """-y sigmoid(-y f)."""
    return _pointwise(step, inputs, lambda f, y: F.softplus(-y * f))


@rule("binary_cross_entropy_with_logits")
def bce_with_logits(step: Step, inputs: Sequence[Value]) -> Propagation:
    """w (sigmoid(f) - y), and p times as much where y is one."""
    positive = step.attributes.get("kept", {}).get("pos_weight")
    more = 1.0 if positive is None else positive.detach().double().cpu()

    def each(f: Tensor, y: Tensor) -> Tensor:
        return more * y * F.softplus(-f) + (1 - y) * F.softplus(f)

    return _pointwise(step, inputs, each)


@rule("binary_cross_entropy")
def bce(step: Step, inputs: Sequence[Value]) -> Propagation:
    """(p - y) / (p (1 - p)), for probabilities that keep near their mean, as they do before training."""

    def each(p: Tensor, y: Tensor) -> Tensor:
        p = p.clamp(1e-3, 1 - 1e-3)
        return -y * p.log() - (1 - y) * (1 - p).log()

    return _pointwise(step, inputs, each)


def _pointwise(step: Step, inputs: Sequence[Value], loss: Loss) -> Propagation:
    """E l'(f, y) l'(f', y') over outputs that are Gaussian, with the targets as they are.

    Of an entry with itself that is E l'^2, by quadrature; of two entries to first order in the outputs' covariance
    E l' E l' + E l'' E l'' cov(f, f').
    """
    f = signal(inputs[0])
    if len(inputs) > 1 and isinstance(inputs[1], Signal):
        raise NoRuleError("targets that have a gradient of their own")
    weight = step.attributes.get("kept", {}).get("weight")
    target = _target(step, f)
    steep, bent, square = _slopes(f, loss, target, weight)
    k, m = between(laid_out(steep, f), f)
    to_k, to_m = between(laid_out(bent, f), f)
    x = f.blended()
    apart = x.mean * x.second(x.mean)
    k, m = k + to_k * (x.k - apart), m + to_m * (x.m - apart)
    alone, _ = between(laid_out(square.sqrt(), f), f)
    k = torch.where(own(x) > 0, alone, k)
    count = f.count * f.instances
    reduced = step.attributes.get("reduction", 1)
    scale = {1: 1.0 / count**2, 2: 1.0}.get(reduced, 1.0)

    def back(grad: Signal) -> Sequence[Grad]:
        size = scale * (grad.square if reduced else grad.blended().k)
        found = replace(x, k=k * size, m=m * size, mean=torch.zeros_like(k), kurtosis=torch.ones_like(x.kurtosis))
        return [parted(found, f.units), *(None for _ in inputs[1:])]

    return one(scalar(1.0), back, elastic=(0.0,)) if reduced else one(f, back)


def _slopes(f: Signal, loss: Loss, target: Tensor, weight: Any) -> tuple[Tensor, Tensor, Tensor]:
    """For each entry the means of the slope, of the curvature, and of the slope's square."""
    mean = float(f.share @ f.diagonal(f.mean))
    size = math.sqrt(max(f.square - mean**2, 0.0))
    nodes, shares = (found.tolist() for found in hermite(NODES))
    sums = [torch.zeros(target.shape, dtype=torch.float64) for _ in range(3)]
    by = torch.ones((), dtype=torch.float64) if weight is None else weight.detach().double().cpu()
    with torch.enable_grad(), unheard():
        for node, share in zip(nodes, shares, strict=True):
            at = (target * 0 + mean + size * node).requires_grad_()
            (slope,) = torch.autograd.grad((by * loss(at, target)).sum(), at)
            sums[0] += share * slope
            sums[1] += share * slope * node / max(size, 1e-300)  # E l'' = E z l' / s (Stein)
            sums[2] += share * slope**2
    return sums[0], sums[1], sums[2]


def _target(step: Step, f: Signal) -> Tensor:
    """The targets as they are; where nobody knows them standard normal ones, or zeros and ones for probabilities."""
    known = step.sample
    if known is not None and not known.is_meta and tuple(known.shape) == f.shape and known.numel() <= MOST:
        return known.detach().double().cpu()
    if prod(f.shape) > MOST:
        raise NoRuleError("targets that are too many to look at")
    generator = torch.Generator(device="cpu").manual_seed(0)
    drawn = torch.randn(f.shape, generator=generator, dtype=torch.float64)
    return (drawn > 0).double() if step.op.startswith("binary") else drawn
