"""An activation of what has a mean and is lopsided: its kernels, computed where they are asked for.

What a residual block hands on is no Gaussian: a ReLU has cut it, and a branch was added. To third
order it is a quadratic function of one, x = mean + deviation (a z + b (z^2 - 1)) with the same
skewness (Fleishman 1978); the kernel of phi(x) is that of a function of z.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from gradmedic.theory.activations import Activation
from gradmedic.theory.activations.panels import value_and_slope
from gradmedic.theory.kernels.bivariate_normal import Break, lines
from gradmedic.theory.kernels.hermite import HermiteSeries
from gradmedic.theory.kernels.moments import Moments
from gradmedic.theory.kernels.piecewise_linear import Bent

MOST = 1.6
"""Skewness beyond which the quadratic function would turn where there still is something."""

_Z = torch.linspace(-8.5, 8.5, 3401, dtype=torch.float64)
_WEIGHTS = torch.softmax(-(_Z**2) / 2, 0)

VALUE, SLOPE, VALUE_SQUARED, SLOPE_SQUARED, TILT = range(5)


@dataclass(frozen=True)
class Lopsided:
    """A distribution by its mean, standard deviation and skewness, and an activation of it."""

    phi: Activation
    mean: float
    deviation: float
    skew: float = 0.0

    @cached_property
    def b(self) -> float:
        """The weight of the square: 6 a^2 b + 8 b^3 is the skewness, with a^2 = 1 - 2 b^2."""
        wanted, low, high = min(abs(self.skew), MOST), 0.0, 0.5
        for _ in range(50):
            b = (low + high) / 2
            low, high = (b, high) if 6 * (1 - 2 * b * b) * b + 8 * b**3 < wanted else (low, b)
        return math.copysign(low, self.skew)

    @property
    def a(self) -> float:
        """The weight of what is linear."""
        return math.sqrt(1 - 2 * self.b**2)

    def x(self, z: Tensor) -> Tensor:
        """The distribution's value for a standard normal one."""
        return self.mean + self.deviation * (self.a * z + self.b * (z * z - 1))

    def functions(self, z: Tensor) -> Tensor:
        """Value, slope, both squared, and x times the slope."""
        x = self.x(z)
        value, slope = value_and_slope(self.phi.expected.f, x)
        return torch.stack([value, slope, value**2, slope**2, x * slope])

    @property
    def kinks(self) -> tuple[float, ...]:
        """Where the activation bends, as values of z."""
        return tuple(sorted(z for kink in self.phi.expected.kinks for z in self._at(kink) if abs(z) < 9))

    def _at(self, x: float) -> list[float]:
        if self.deviation == 0:
            return []
        t = (x - self.mean) / self.deviation
        if abs(self.b) < 1e-9:
            return [t / self.a]
        inside = self.a**2 + 4 * self.b * (self.b + t)
        return [(side * math.sqrt(inside) - self.a) / (2 * self.b) for side in (1, -1)] if inside >= 0 else []

    def underlying(self, c: Tensor) -> Tensor:
        """The correlation that two z have if two x have correlation `c`: a^2 z + 2 b^2 z^2 = c."""
        if abs(self.b) < 1e-9:
            return c
        square = 2 * self.b**2
        return (((self.a**4 + 4 * square * c).clamp(min=0).sqrt() - self.a**2) / (2 * square)).clamp(-1, 1)

    @cached_property
    def _bent(self) -> Bent:
        return Bent.of(self.functions, self.kinks)

    @cached_property
    def _series(self) -> HermiteSeries:
        return HermiteSeries.of(self._bent, torch.ones(1, dtype=torch.float64))

    def kernel(self, c: Tensor, one: int, other: int) -> Tensor:
        """E[g(u) h(v)] of two of the functions, for each correlation of u and v."""
        flat = self.underlying(c.clamp(-1, 1)).flatten()
        total = self._series.at(flat, torch.zeros(2, len(flat), dtype=torch.long), (one, other))
        unit = torch.ones_like(flat)
        for a, step_a, ramp_a in self._bent.breaks(one):
            for b, step_b, ramp_b in self._bent.breaks(other):
                total = total + lines(Break(a * unit, step_a, ramp_a), Break(b * unit, step_b, ramp_b), flat)
        return total.reshape(c.shape)

    @cached_property
    def moments(self) -> Moments:
        """As those of an activation; what changes with q does as if x grew as a whole."""
        f, d, *_ = self.functions(_Z)

        def mean(t: Tensor) -> float:
            return float(_WEIGHTS @ t)

        more, grown = 1e-4, replace(self, mean=self.mean * (1 + 1e-4), deviation=self.deviation * (1 + 1e-4))
        f_grown, d_grown, *_ = grown.functions(_Z)
        q = self.mean**2 + self.deviation**2
        m2_dq, d2_dq = ((mean(b**2) - mean(a**2)) / max(q * 2 * more, 1e-300) for a, b in ((f, f_grown), (d, d_grown)))
        return Moments(
            q, mean(f), mean(f**2), mean(f**4), mean(d), mean(d**2), mean(d**4), mean(f * f * d * d), m2_dq, d2_dq
        )

    @cached_property
    def skew_after(self) -> float:
        """The skewness of the activation's output."""
        f, *_ = self.functions(_Z)
        f = f - _WEIGHTS @ f
        return float((_WEIGHTS @ f**3) / (_WEIGHTS @ f**2).clamp(min=1e-200) ** 1.5)


@lru_cache(256)
def lopsided(phi: Activation, mean: float, deviation: float, skew: float) -> Lopsided:
    """The kernels of an activation of such a distribution, kept for when they are asked for again."""
    return Lopsided(phi, mean, deviation, skew)
