"""What a function of one element makes of a signal, and its slope there."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradmedic.base.own_gradients import unheard
from gradmedic.theory.activations import Activation
from gradmedic.theory.kernels.moments import Moments
from gradmedic.theory.kernels.skewed_input import SLOPE, SLOPE_SQUARED, TILT, VALUE, VALUE_SQUARED, Lopsided, lopsided
from gradmedic.theory.kernels.tabulated import KernelTable, table
from gradmedic.theory.signals.signal import Signal

NOTHING = 1e-40
"""A variance that is none."""

STRAIGHT = 0.02
"""Skewness that makes no difference."""


@dataclass(frozen=True)
class SignalPart:
    """One part of a signal in the eyes of a function: the sizes of each pair without their means, and correlations."""

    kernels: KernelTable | Lopsided
    q: float
    left: Tensor
    right: Tensor
    c: Tensor
    """Of one unit (first), and of two."""

    @property
    def moments(self) -> Moments:
        """The function's moments at the size that the part has on average."""
        return self.kernels.moments if isinstance(self.kernels, Lopsided) else self.kernels.moments(self.q)

    @property
    def skew(self) -> float:
        """The skewness of the result."""
        return self.kernels.skew_after if isinstance(self.kernels, Lopsided) else self.kernels.skew_after(self.q)

    def dual(self) -> tuple[Tensor, Tensor]:
        """The kernels of values and slopes."""
        if isinstance(self.kernels, Lopsided):
            return self.kernels.kernel(self.c, VALUE, VALUE), self.kernels.kernel(self.c, SLOPE, SLOPE)
        return self.kernels.dual(self.left, self.right, self.c)

    def tilt(self) -> Tensor:
        """E[x f'(x) x' f'(x')] of one unit."""
        if isinstance(self.kernels, Lopsided):
            return self.kernels.kernel(self.c[0], TILT, TILT)
        return self.kernels.tilt(self.left, self.right, self.c[0])

    def means(self) -> Tensor:
        """The mean of the result for each first instance."""
        m1 = self.moments.m1
        if isinstance(self.kernels, Lopsided) or bool((self.left == self.left.flatten()[0]).all()):
            return torch.full_like(self.c[0], m1)
        apart, _ = self.kernels.dual(self.left, self.left, torch.zeros_like(self.left))
        return (math.copysign(1.0, m1) * apart.clamp(min=0).sqrt()).expand_as(self.c[0])

    def tails(self, between: float) -> tuple[Tensor, Tensor]:
        """The kurtosis of values and slopes, for an instance with itself and for two of a correlation."""
        c, at = torch.tensor([1.0, between], dtype=torch.float64), self.moments
        if self.q < NOTHING:  # as behind a gain of zero: a ratio of roundings
            return torch.ones(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
        if isinstance(self.kernels, Lopsided):
            values, slopes = (self.kernels.kernel(c, f, f) for f in (VALUE_SQUARED, SLOPE_SQUARED))
        else:
            values, slopes, _ = self.kernels.squares(self.q, c)
        return values / max(at.m2, 1e-150) ** 2, slopes / max(at.d2, 1e-150) ** 2


def part(x: Signal, p: int, phi: Activation) -> SignalPart:
    """A part of a signal in the eyes of a function."""
    first, second = x.mean[p], x.second(x.mean)[p]
    left, right = ((t[p] - mean**2).clamp(min=0) for t, mean in zip(x.ends(x.k), (first, second), strict=True))
    size = (left * right).sqrt().clamp(min=1e-300)
    c = torch.stack([(t[p] - first * second) / size for t in (x.k, x.m)]).clamp(-1, 1)
    mean = float(x.diagonal(x.mean)[p])
    q = max(float(x.squares[p]) - mean**2, 0.0)
    skew = float(x.lopsidedness[p])
    if mean or abs(skew) > STRAIGHT:  # all instances are taken to be of one size
        return SignalPart(lopsided(phi, mean, math.sqrt(q), skew if abs(skew) > STRAIGHT else 0.0), q, left, right, c)
    return SignalPart(table(phi), q, left, right, c)


def typical(x: Signal, phi: Activation) -> Moments:
    """The moments of a function at the size that a signal has on average."""
    return part(x.blended(), 0, phi).moments


def tilt(x: Signal, phi: Activation) -> Tensor:
    """E[x f'(x) x' f'(x')] for all classes of pairs."""
    return torch.stack([part(x, p, phi).tilt() for p in range(len(x.units))])


def bent(x: Signal, phi: Activation) -> tuple[Signal, Signal]:
    """The function of a signal, and its slope there, as signals."""
    found = [_bent(x, p, phi) for p in range(len(x.units))]
    out, slope = (_stacked(x, [sides[side] for sides in found]) for side in (0, 1))
    at = typical(x, phi)
    same = at.x22 / max(at.m2 * at.d2, 1e-300) - 1
    kurtosis = out.blended().kurtosis[0] - 1
    apart = float((kurtosis[1] / kurtosis[0].clamp(min=1e-9)).clamp(0, 1)) if len(x.axes) else 1.0
    cross = same * (1 / x.instances + (1 - 1 / x.instances) * apart)
    return replace(out, cross=cross, exact=0.0), slope


@dataclass(frozen=True)
class _Side:
    """Values or slopes of one part."""

    k: Tensor
    m: Tensor
    mean: Tensor
    kurtosis: Tensor
    skew: float


def _stacked(x: Signal, sides: list[_Side]) -> Signal:
    k, m, mean, kurtosis = (torch.stack([getattr(s, name) for s in sides]) for name in ("k", "m", "mean", "kurtosis"))
    skew = torch.tensor([side.skew for side in sides], dtype=torch.float64)
    return replace(x, k=k, m=m, mean=mean, kurtosis=kurtosis, skew=skew)


def _bent(x: Signal, p: int, phi: Activation) -> tuple[_Side, _Side]:
    own = part(x, p, phi)
    values, slopes = own.dual()
    at = own.moments
    between = float(x.apart(torch.stack([own.c[0]] * len(x.units)))[p])
    kurtosis, steepness = own.tails(between)
    if x.exact:  # the sum of squares is given, and what depends on it alone does not vary
        given = x.exact * torch.tensor([1.0, between**2], dtype=torch.float64)
        kurtosis, steepness = kurtosis - 2 * at.s**2 * given, steepness - 2 / 3 * at.k**2 * given
    means = own.means()
    return (
        _Side(values[0], values[1], means, kurtosis, own.skew),
        _Side(slopes[0], slopes[1], torch.full_like(means, at.d1), steepness, 0.0),
    )


def spread(x: Signal) -> tuple[float, float]:
    """The mean of a signal, and its variance: none where it keeps close to its mean."""
    x = x.blended()
    mean = float(x.diagonal(x.mean)[0])
    return mean, max(float(x.squares[0]) - mean**2, 0.0) if varies(x) else 0.0


def varies(x: Signal) -> bool:
    """True unless a signal keeps close to its mean, as the variance over many units does."""
    return bool((x.squares > 1.2 * x.diagonal(x.mean**2)).any())


def near(x: Signal, phi: Activation) -> tuple[Signal, Signal]:
    """f(x) = f(mean) + f'(mean) (x - mean), for a signal that keeps close to its mean: the function, and its slope."""
    with torch.enable_grad(), unheard():
        at = x.mean.clone().requires_grad_()
        value = phi.f(at)
        (slope,) = torch.autograd.grad(value.sum(), at)
    value = value.detach()
    both, steep, means = (t * x.second(t) for t in (value, slope, x.mean))
    k, m = (both + steep * (t - means) for t in (x.k, x.m))
    flat = torch.ones_like(x.kurtosis)
    return (
        replace(x, k=k, m=m, mean=value, kurtosis=flat, skew=None),
        replace(x, k=steep, m=steep, mean=slope, kurtosis=flat, skew=None),
    )
