"""What is known of a tensor, be it values or gradients: second moments between its instances."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from gradmedic.theory.signals.axes import Axis, coarsened, diagonal, over, pairs, partners, same_entries

UNITS = -1


class Atom(NamedTuple):
    """A factor of a tensor's dimension: units, or the entries of one axis."""

    size: int
    axis: int

    @property
    def is_units(self) -> bool:
        """True if its entries are units, not instances."""
        return self.axis == UNITS


Dims = tuple[tuple[Atom, ...], ...]
"""For each dimension of a tensor its factors, the slowest first; a dimension of size one has none."""


@dataclass(frozen=True)
class Signal:
    """Second moments of a tensor, averaged over initializations.

    Units are alike within a part; a concatenation has several parts. `k` holds for each part and
    class of pairs the second moment of a unit between the two instances, `m` that of two different
    units. `mean` is that of the first instance of a pair; for gradients it is zero.
    """

    dims: Dims
    axes: tuple[Axis, ...]
    units: tuple[int, ...]
    k: Tensor
    m: Tensor
    mean: Tensor
    kurtosis: Tensor
    """E x^2 x'^2 / (E x^2 E x'^2) of each part (rows), for an instance with itself and for two.

    For a Gaussian these are 3 and 1 + 2 c^2.
    """
    skew: Tensor | None = None
    """The skewness of each part's distribution; none for a Gaussian."""
    fan: float = math.inf
    """Of how many terms each unit is the sum: its size varies from unit to unit by 2/fan, relative to its square."""
    origin: int = -1
    """The step that has made these units, of which each has gone its own way since, as through filters of its own."""
    taps: float = 0.0
    """Of how many independent terms of its origin's unit each unit is the sum; zero if nothing was drawn since."""
    focus: float = 1.0
    """Of a gradient: how much steeper than on average the function before it is where a maximum has picked."""
    swollen: float = 1.0
    """Of a gradient: how much of its square is owed to units whose weights happen to be small, which send it on."""
    tilt: Tensor | None = None
    """Of a gradient: second moments of its products with the value that it is the gradient of, where these
    are known to depend on each other, as behind an activation; a kernel like `k`."""
    age: int = 0
    """Of a gradient: through how many steps of a recurrent layer it has come."""
    memory: object = None
    """Of a recurrent state: the population that it is taken from."""
    layer: int = -1
    """The step that has drawn these units, by mixing others with random weights; -1 where that is not one step."""
    cross: float = 0.0
    """Covariance over units of the squares of the values and of the slopes that led to them, relative to the means."""
    exact: float = 0.0
    """How much the sum of the units' squares is no matter of chance: one where it is given, as behind a normalization
    or orthogonal weights, zero where units are independent."""

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor."""
        return tuple(prod(atom.size for atom in dim) for dim in self.dims)

    @cached_property
    def count(self) -> int:
        """All units."""
        return sum(self.units)

    @cached_property
    def share(self) -> Tensor:
        """The share of the units that each part has."""
        return torch.tensor(self.units, dtype=torch.float64) / self.count

    @property
    def lopsidedness(self) -> Tensor:
        """The skewness of each part."""
        return torch.zeros(len(self.units), dtype=torch.float64) if self.skew is None else self.skew

    @cached_property
    def instances(self) -> int:
        """All instances of a unit."""
        return prod(axis.size for axis in self.axes)

    @cached_property
    def squares(self) -> Tensor:
        """The mean square of each part."""
        return self.diagonal(self.k)

    @cached_property
    def square(self) -> float:
        """The mean square of all entries."""
        return float(self.share @ self.squares)

    def diagonal(self, k: Tensor) -> Tensor:
        """The mean over instances of what each has with itself, by part."""
        for axis in reversed(self.axes):
            k = over(k, k.dim() - 1, diagonal(axis))
        return k

    def everywhere(self, k: Tensor) -> Tensor:
        """The mean over all pairs of instances, by part."""
        for axis in reversed(self.axes):
            k = over(k, k.dim() - 1, pairs(axis))
        return k

    def apart(self, k: Tensor) -> Tensor:
        """The mean over all pairs of two different instances, by part; over the same ones if there are no others."""
        same, all_ = self.diagonal(k), self.everywhere(k)
        n = self.instances
        return (n * all_ - same) / (n - 1) if n > 1 else same

    @cached_property
    def correlations(self) -> Tensor:
        """How the two instances of a pair go together."""
        left, right = self.ends(self.k)
        return (self.k / (left * right).sqrt().clamp(min=1e-300)).clamp(-1, 1)

    def gaussian(self) -> Tensor:
        """The kurtosis that it would have as a Gaussian."""
        apart = 1 + 2 * self.apart(self.correlations**2)
        return torch.stack([torch.full_like(apart, 3.0), apart], 1)

    @cached_property
    def looseness(self) -> float:
        """The variance of the mean square over its units and instances, relative to its own square, times the units."""
        blended, same = self.blended(), 1.0 / self.instances
        (own, other), alike = blended.kurtosis[0], float(blended.apart(blended.correlations**2)[0])
        own, other = own - 2 * self.exact, other - 2 * self.exact * alike
        return max(float(same * own + (1 - same) * other) - 1.0, 0.0)

    def ends(self, k: Tensor) -> tuple[Tensor, Tensor]:
        """For each class what its first instance has with itself, and its second; both broadcast against `k`."""
        left = right = k
        for dim, axis in enumerate(self.axes, 1):
            first, second = partners(axis)
            left, right = left.index_select(dim, first), right.index_select(dim, second)
        return left, right

    def second(self, of_first: Tensor) -> Tensor:
        """What is known of the first instance of each pair, for the second one."""
        for dim, axis in enumerate(self.axes, 1):
            of_first = of_first.index_select(dim, partners(axis)[1]).expand_as(of_first)
        return of_first

    def coarse(self, position: int) -> "Signal":
        """The same, with only two classes along an axis."""
        axis = self.axes[position]
        axes = (*self.axes[:position], axis.coarse, *self.axes[position + 1 :])
        k, m, mean = (coarsened(t, position + 1, axis) for t in (self.k, self.m, self.mean))
        return replace(self, axes=axes, k=k, m=m, mean=mean)

    def blended(self) -> "Signal":
        """All parts taken together as one."""
        return self if len(self.units) == 1 else self._blended

    @cached_property
    def _blended(self) -> "Signal":
        share, n = self.share, torch.tensor(self.units, dtype=torch.float64)
        mean, square = _weighted(self.mean, share), share @ self.squares
        k = _weighted(self.k, share)
        # Two units of one part go together as `m` says, two of different parts as their means do.
        pairs_ = self.count * max(self.count - 1, 1)
        alike = self.mean * self.second(self.mean)
        across = mean[None] * self.second(mean[None])
        m = _weighted(self.m, n * (n - 1) / pairs_) + (across[0] * self.count**2 - _weighted(alike, n**2)) / pairs_
        kurtosis = (share * self.squares**2) @ self.kurtosis / square.clamp(min=1e-150) ** 2
        skew = (share @ self.lopsidedness)[None]
        return replace(
            self, units=(self.count,), k=k[None], m=m[None], mean=mean[None], kurtosis=kurtosis[None], skew=skew
        )

    def scaled(self, factor: float) -> "Signal":
        """The signal of a multiple."""
        square = factor**2
        return replace(self, k=self.k * square, m=self.m * square, mean=self.mean * factor)


def own(x: Signal) -> Tensor:
    """One for each class of pairs of an instance with itself, else zero; in the shape of the kernels."""
    return same_entries(x.axes).expand_as(x.k)


def _weighted(k: Tensor, weights: Tensor) -> Tensor:
    found: Tensor = torch.tensordot(weights, k, dims=([0], [0]))
    return found


def dropped(x: Signal, position: int) -> Signal:
    """Without an axis that has but one entry."""
    k, m, mean = (over(t, position + 1, diagonal(x.axes[position])) for t in (x.k, x.m, x.mean))
    axes = (*x.axes[:position], *x.axes[position + 1 :])
    dims = tuple(tuple(Atom(a.size, a.axis - (a.axis > position)) for a in dim if a.axis != position) for dim in x.dims)
    return replace(x, dims=dims, axes=axes, k=k, m=m, mean=mean)


MOST_VARIED = 0.6
"""Variance of sizes from unit to unit, relative to their square, up to which the smallest do not decide alone."""


def swelling(variance: float) -> float:
    """E[1/s] E[s] of sizes s that vary so much from unit to unit, as gamma-distributed ones."""
    return 1 / (1 - min(variance, MOST_VARIED))
