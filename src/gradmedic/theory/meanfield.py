"""Mean-field theory of a deep plain network: f(W x + b), layer after layer, infinitely wide.

Poole et al., Exponential expressivity in deep neural networks (arXiv 1606.05340), 2016, for the maps of length
and correlation; Schoenholz et al., Deep information propagation (arXiv 1611.01232), 2017, for the depth scales.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from gradmedic.theory.activations import Activation
from gradmedic.theory.kernels.critical import homogeneous
from gradmedic.theory.kernels.dual import dual
from gradmedic.theory.kernels.moments import moments

SIZES = tuple(1.0327 * 10 ** (k / 5) for k in range(-40, 41))
"""Mean squares between which fixed points are looked for; none is a short number, which might be one."""
STILL = 1e-9
LEAST, MOST = 1e-12, 1e4
"""Mean squares beyond which a signal is lost, or out of bounds."""


@dataclass(frozen=True)
class FixedPoint:
    """A mean square that layers keep, and what becomes there of deviations, of angles and of gradients."""

    q: float
    slope: float
    """V'(q): by how much a small deviation from q is multiplied in each layer."""
    chi: float
    """Gain of the squared gradient per layer, and of a small angle on the way forward."""
    c: float
    """The correlation that two different inputs end at."""
    c_slope: float
    """By how much a small deviation from that is multiplied in each layer."""

    @property
    def stable(self) -> bool:
        """Whether layers come back to it."""
        return self.slope < 1

    @property
    def chaotic(self) -> bool:
        """Whether inputs that are alike part, and gradients explode."""
        return self.chi > 1 + STILL

    @property
    def xi_q(self) -> float:
        """Layers in which a deviation in size shrinks e times; negative where it grows."""
        return depth_scale(abs(self.slope))

    @property
    def xi_c(self) -> float:
        """Layers in which two inputs come e times closer to the angle at which all end."""
        return depth_scale(abs(self.c_slope))

    @property
    def xi_grad(self) -> float:
        """Layers in which the squared gradient shrinks e times; negative where it grows."""
        return depth_scale(self.chi)


@dataclass(frozen=True)
class MeanField:
    """A deep network of one activation: weights of variance sigma_w2 / fan_in, biases of variance sigma_b2."""

    phi: Activation
    sigma_w2: float
    sigma_b2: float = 0.0

    def length(self, q: float) -> float:
        """The next layer's mean square, V(q)."""
        return self.sigma_w2 * moments(self.phi, q).m2 + self.sigma_b2

    def chi(self, q: float) -> float:
        """The gain of the squared gradient over a layer whose input has mean square `q`."""
        return self.sigma_w2 * moments(self.phi, q).d2

    def correlation(self, c: Tensor, q: float) -> Tensor:
        """The next layer's correlations, for two inputs of mean square `q` and correlations `c`."""
        values, _ = dual(self.phi, q, q, c)
        return (self.sigma_w2 * values + self.sigma_b2) / self.length(q)

    def lengths(self, q: float, layers: int) -> list[float]:
        """The mean squares of so many layers, the first being `q`."""
        found = [q]
        while len(found) < layers:
            found.append(self.length(found[-1]))
        return found

    def settled(self, q: float = 1.0, layers: int = 40) -> float:
        """The mean square that an input of mean square `q` comes to in so many layers, or earlier if it stays there."""
        for _ in range(layers):
            before, q = q, self.length(q)
            if abs(q - before) <= 1e-6 * before or not LEAST < q < MOST:
                break
        return q

    def fixed_points(self) -> list[FixedPoint]:
        """All mean squares that layers keep, smallest first; where ReLU and kin keep any, q = 1 stands for it."""
        if homogeneous(self.phi) and not self.sigma_b2:
            neutral = abs(self.length(1.0) - 1) < STILL
            return [self.at(1.0)] if neutral else [self.at(0.0)]
        zero = [0.0] if self.length(0.0) < STILL**2 else []
        return [self.at(q) for q in (*zero, *crossings(lambda q: self.length(q) / q - 1, SIZES))]

    def at(self, q: float) -> FixedPoint:
        """What happens where layers keep mean square `q`."""
        m = moments(self.phi, q)
        chi = self.sigma_w2 * m.d2
        c = self._meeting(q) if q and chi > 1 + STILL else 1.0
        slope = chi if c == 1 else self.sigma_w2 * float(dual(self.phi, q, q, _number(c))[1])
        return FixedPoint(q, self.sigma_w2 * m.m2_dq, chi, c, slope)

    def _meeting(self, q: float) -> float:
        """The correlation below 1 that inputs of a chaotic network end at."""
        grid = torch.linspace(-0.999, 0.9999, 400, dtype=torch.float64, device="cpu")
        above = self.correlation(grid, q) - grid > 0
        last = int(above.nonzero().max()) if above.any() else 0
        ends = float(grid[last]), float(grid[min(last + 1, len(grid) - 1)])
        found = list(crossings(lambda c: float(self.correlation(_number(c), q)) - c, ends))
        return found[0] if found else ends[1]


def depth_scale(factor: float) -> float:
    """Layers in which what is multiplied by `factor` in each shrinks e times; negative if it grows, inf if neither."""
    if factor <= 0:
        return 0.0
    return math.inf if abs(factor - 1) < STILL else -1 / math.log(factor)


def decades_per_10_layers(chi: float) -> float:
    """How many decades the gradient's norm gains over ten layers, each of which multiplies its square by `chi`."""
    return 5 * math.log10(chi) if chi else -math.inf


def crossings(f: Callable[[float], float], places: tuple[float, ...]) -> list[float]:
    """Where a function crosses zero between neighbors of the places, by bisection."""
    found = []
    for low, high in pairwise(places):
        below = f(low) < 0
        if (f(high) < 0) == below or min(abs(f(low)), abs(f(high))) < 1e-12:
            continue
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if (f(middle) < 0) == below else (low, middle)
        found.append(low)
    return found


def _number(x: float) -> Tensor:
    return torch.tensor([x], dtype=torch.float64, device="cpu")
