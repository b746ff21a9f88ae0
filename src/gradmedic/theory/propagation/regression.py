"""Losses that compare each entry with its target."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gradmedic.activations import Activation, activation
from gradmedic.theory.bending import bent
from gradmedic.theory.combining import paired
from gradmedic.theory.entrance import drawn, observed
from gradmedic.theory.plan import Step
from gradmedic.theory.propagation import Grad, Passage, Value, one, rule, signal
from gradmedic.theory.propagation.loss import scalar
from gradmedic.theory.signal import Signal

Slope = Callable[[Signal, Signal], Signal]
"""The derivative of one entry's loss, from the outputs and their targets."""


@rule("mse_loss")
def mse_loss(step: Step, inputs: Sequence[Value]) -> Passage:
    """2 (f - y) for each entry."""
    return _pointwise(step, inputs, lambda f, y: paired(f, y).sum(-1.0).scaled(2.0))


@rule("smooth_l1_loss", "huber_loss")
def smooth_l1_loss(step: Step, inputs: Sequence[Value]) -> Passage:
    """f - y, cut off beyond a threshold."""
    beta = float(step.attributes.get("beta", step.attributes.get("delta", 1.0)))
    height = 1.0 if step.op == "smooth_l1_loss" else beta
    cut = activation("hardtanh", min_val=-1.0, max_val=1.0)
    return _pointwise(step, inputs, lambda f, y: _of_difference(f, y, beta, cut).scaled(height))


def _of_difference(f: Signal, y: Signal, scale: float, phi: Activation) -> Signal:
    return bent(paired(f, y).sum(-1.0).scaled(1 / scale), phi)[0]


@rule("binary_cross_entropy_with_logits")
def bce_with_logits(step: Step, inputs: Sequence[Value]) -> Passage:
    """sigmoid(f) - y."""
    sigmoid = activation("sigmoid")
    return _pointwise(step, inputs, lambda f, y: paired(bent(f, sigmoid)[0], y).sum(-1.0))


@rule("binary_cross_entropy")
def bce(step: Step, inputs: Sequence[Value]) -> Passage:
    """(p - y) / (p (1 - p)), for probabilities that keep near their mean, as they do before training."""

    def slope(p: Signal, y: Signal) -> Signal:
        middle = min(max(float(p.diagonal(p.mean)[0]), 1e-3), 1 - 1e-3)
        return paired(p, y).sum(-1.0).scaled(1 / (middle * (1 - middle)))

    return _pointwise(step, inputs, slope)


def _pointwise(step: Step, inputs: Sequence[Value], slope: Slope) -> Passage:
    f = signal(inputs[0])
    given = inputs[1] if len(inputs) > 1 else None
    target = given if isinstance(given, Signal) else _target(step.sample, f)
    pair, delta = paired(f, target), slope(f, target)
    count = f.count * f.instances
    reduced = step.attributes.get("reduction", 1)
    weight = {1: 1.0 / count**2, 2: 1.0}.get(reduced, 1.0)

    def back(grad: Signal) -> Sequence[Grad]:
        size = weight * grad.square
        own = replace(delta, k=delta.k * size, m=delta.m * size, mean=torch.zeros_like(delta.k))
        # Where targets know less of which entries are neighbors than outputs do, so does the difference.
        own = replace(own, dims=f.dims) if own.axes == f.axes else pair.reduced(own, pair.a)
        return [own, own if isinstance(given, Signal) else None][: len(inputs)]

    return one(scalar(1.0), back, elastic=(0.0,)) if reduced else one(f, back)


def _target(target: Tensor | None, f: Signal) -> Signal:
    """The targets as they are, or standard normal ones."""
    units = {dim for dim, atoms in enumerate(f.dims) if atoms and all(atom.is_units for atom in atoms)}
    if target is None or target.is_meta or tuple(target.shape) != f.shape:
        return drawn(f.shape, units, set())
    return observed(target.double(), units, set())
