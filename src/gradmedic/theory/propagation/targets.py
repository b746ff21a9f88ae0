"""Targets as they are: what a loss asks of each entry, as moments between the instances that outputs have."""

from dataclasses import replace

import torch
from torch import Tensor

from gradmedic.theory.propagation.input_signal import moments_between
from gradmedic.theory.signals.signal import Signal, own

MOST = 4_000_000
"""Entries of targets (of classes: one-hot ones) that are looked at; of more the classes are as if equally frequent."""


def laid_out(x: Tensor, like: Signal) -> Tensor:
    """Entries of a tensor in the order of a signal's axes, with all units in one dimension behind them."""
    atoms = [atom for dim in like.dims for atom in dim]
    x = x.reshape([atom.size for atom in atoms])
    instances = {atom.axis: at for at, atom in enumerate(atoms) if not atom.is_units}
    order = [instances[position] for position in range(len(like.axes))]
    x = x.permute([*order, *(at for at, atom in enumerate(atoms) if atom.is_units)])
    return x.reshape([*(axis.size for axis in like.axes), -1])


def between(x: Tensor, like: Signal) -> tuple[Tensor, Tensor]:
    """E x x' of one unit, and of two different ones, for all pairs of instances; units come last."""
    n = x.shape[-1]
    k, total = moments_between(x, like.axes), moments_between(x.mean(-1, keepdim=True), like.axes)
    return k[None], ((total * n - k) / (n - 1) if n > 1 else total)[None]


def picked(target: Tensor | None, x: Signal, weight: Tensor | None, ignored: int) -> Tensor | None:
    """Which of a signal's units each instance asks for, as numbers that are zero everywhere else.

    Each is the weight of its class; `ignored` is the class of instances that ask for nothing. None if that is unknown.
    """
    if target is None or target.is_meta or target.is_floating_point() or target.numel() != x.instances:
        return None
    if target.numel() * x.count > MOST:
        return None
    kept = target != ignored
    target = torch.where(kept, target, 0)
    if target.min() < 0 or target.max() >= x.count or not bool(kept.any()):
        return None
    shares = kept.double() if weight is None else kept * weight.detach().double().to(target.device)[target]
    without = _instances_of(x)
    hot = torch.nn.functional.one_hot(laid_out(target, without)[..., 0], x.count).double()
    return (hot * laid_out(shares, without)).cpu()


def _instances_of(x: Signal) -> Signal:
    """The same layout with one unit."""
    return replace(x, dims=tuple(tuple(atom for atom in dim if not atom.is_units) for dim in x.dims), units=(1,))


def by_chance(x: Signal) -> Tensor:
    """How often two instances ask for the same unit if all are as frequent: one for an instance with itself."""
    same = own(x)
    return same + (1 - same) / x.count
