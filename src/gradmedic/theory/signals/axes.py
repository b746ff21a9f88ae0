"""Instances of a unit: samples of the batch, positions of an image, tokens; and the pairs that they form.

Mean-field theory knows of a tensor the second moments between any two instances of a unit. Of
N instances there are N^2 pairs, but most are alike: an `Axis` sorts its pairs into classes, and
a kernel has one number per class and axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class Axis:
    """A dimension whose entries are instances.

    Without more the classes are: the same entry, two different ones. With a `radius` there is a
    class for each distance from -radius to radius, and one for what is farther apart. With `shown`
    so many entries stand for all, and each of their pairs is a class. With `groups`, the sizes of
    which add up to that of the axis, entries of one group are alike: first the classes of an entry
    with itself, by group, then those of two different entries, by both groups. A `profile` tells
    the mean square at each entry relative to the mean of all, where it is not the same: zero
    padding makes the edge of a picture weaker.
    """

    size: int
    radius: int = 0
    shown: int = 0
    groups: tuple[int, ...] = ()
    profile: Tensor | None = field(default=None, compare=False)

    @property
    def classes(self) -> int:
        """How many there are."""
        if self.groups:
            return len(self.groups) * (len(self.groups) + 1)
        return self.shown**2 if self.shown else 2 * self.radius + 2

    @property
    def coarse(self) -> "Axis":
        """The axis that tells no more than the same from the different."""
        return Axis(self.size)


@lru_cache(256)
def pairs(axis: Axis) -> Tensor:
    """The share of all ordered pairs that each class has."""
    n = axis.size
    if axis.shown:
        other = (n - 1) / max(axis.shown * (axis.shown - 1), 1)
        counts = torch.full((axis.shown, axis.shown), other * n, dtype=torch.float64)
        counts.fill_diagonal_(n / axis.shown)
        return counts.flatten() / counts.sum()
    if axis.groups:
        g = torch.tensor(axis.groups, dtype=torch.float64)
        return torch.cat([g, (torch.outer(g, g) - torch.diag(g)).flatten()]) / n**2
    lags = [max(n - abs(lag), 0) for lag in range(-axis.radius, axis.radius + 1)]
    return torch.tensor([*lags, n * n - sum(lags)], dtype=torch.float64) / n**2


@lru_cache(256)
def diagonal(axis: Axis) -> Tensor:
    """Weights that pick the pairs of an entry with itself, and average them."""
    if axis.shown:
        return torch.eye(axis.shown, dtype=torch.float64).flatten() / axis.shown
    weights = torch.zeros(axis.classes, dtype=torch.float64)
    if axis.groups:
        weights[: len(axis.groups)] = torch.tensor(axis.groups, dtype=torch.float64) / axis.size
    else:
        weights[axis.radius] = 1.0
    return weights


def same_entries(axes: Sequence[Axis]) -> Tensor:
    """One for the classes of pairs whose entries are the same along all axes, else zero."""
    same = torch.ones([axis.classes for axis in axes], dtype=torch.float64)
    for dim, axis in enumerate(axes):
        same = same * (diagonal(axis) > 0).reshape(-1, *[1] * (same.dim() - dim - 1))
    return same


@lru_cache(256)
def partners(axis: Axis) -> tuple[Tensor, Tensor]:
    """For each class the class of its first entry with itself, and of its second; one for all where they agree."""
    if axis.groups:
        g = torch.arange(len(axis.groups))
        return torch.cat([g, g.repeat_interleave(len(g))]), torch.cat([g, g.repeat(len(g))])
    if not axis.shown:
        here = torch.tensor([axis.radius])
        return here, here
    own = torch.arange(axis.shown) * (axis.shown + 1)
    return own.repeat_interleave(axis.shown), own.repeat(axis.shown)


def over(k: Tensor, dim: int, weights: Tensor) -> Tensor:
    """A weighted sum over the classes of one axis, which is kernel dimension `dim`."""
    return (k if dim == k.dim() - 1 else k.movedim(dim, -1)) @ weights


def coarsened(k: Tensor, dim: int, axis: Axis) -> Tensor:
    """The kernel with no more than two classes along an axis: the same entry, different ones."""
    if axis.classes == 2:
        return k
    same, everywhere = over(k, dim, diagonal(axis)), over(k, dim, pairs(axis))
    n = axis.size
    other = (n * everywhere - same) / (n - 1) if n > 1 else same
    return torch.stack([same, other], dim)
