"""Kernels and moments of an activation, tabulated over the size of its input: for when hundreds are asked for.

`moments` and `dual` compute each from scratch and to many digits. A deep plan asks for them layer by
layer, at sizes that are much the same; here they are computed at few sizes, and interpolated in the
logarithm of the size by cubics: to about 1e-5.
"""

import math
from dataclasses import dataclass, fields
from functools import lru_cache

import torch
from torch import Tensor

from gradmedic.theory.activations import Activation
from gradmedic.theory.activations.panels import value_and_slope
from gradmedic.theory.kernels.bivariate_normal import Break, lines
from gradmedic.theory.kernels.hermite import HermiteSeries
from gradmedic.theory.kernels.moments import Moments, moments
from gradmedic.theory.kernels.piecewise_linear import Bent
from gradmedic.theory.kernels.skewed_input import SLOPE, SLOPE_SQUARED, TILT, VALUE, VALUE_SQUARED

PER_DECADE = 12

_Z = torch.linspace(-8.5, 8.5, 3401, dtype=torch.float64)
_WEIGHTS = torch.softmax(-(_Z**2) / 2, 0)


@dataclass(frozen=True)
class Node:
    """All that is tabulated for one size."""

    series: HermiteSeries
    moments: Tensor


class KernelTable:
    """The kernels of one activation."""

    def __init__(self, phi: Activation) -> None:
        self._phi = phi
        self._bent = Bent.of(lambda x: _functions(phi, x), phi.kinks)
        self._nodes: dict[int, Node] = {}

    def dual(self, q1: Tensor, q2: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """E[f(u) f(v)] and E[f'(u) f'(v)], elementwise for inputs of sizes `q1` and `q2` and correlation `c`."""
        return self._one(q1, q2, c, VALUE), self._one(q1, q2, c, SLOPE)

    def _one(self, q1: Tensor, q2: Tensor, c: Tensor, function: int) -> Tensor:
        both = torch.stack([q1.expand_as(c).flatten(), q2.expand_as(c).flatten()])
        sizes, where = torch.unique(both.clamp(min=1e-30), return_inverse=True)
        kernel = self._kernel(self._series(sizes), sizes, where, c.flatten(), (function, function))
        return kernel.reshape(c.shape)

    def tilt(self, q1: Tensor, q2: Tensor, c: Tensor) -> Tensor:
        """E[u f'(u) v f'(v)], as `dual`: how a gradient goes together with the value that it belongs to."""
        return self._one(q1, q2, c, TILT)

    def skew_after(self, q: float) -> float:
        """The skewness of the output."""
        f = self._phi.expected.f(math.sqrt(q) * _Z)
        f = f - _WEIGHTS @ f
        return float((_WEIGHTS @ f**3) / (_WEIGHTS @ f**2).clamp(min=1e-200) ** 1.5)

    def squares(self, q: float, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """E[f^2(u) f^2(v)], E[f'^2(u) f'^2(v)] and E[f^2(u) f'^2(v)] at one size, for correlations `c`."""
        sizes = torch.tensor([max(q, 1e-30)], dtype=torch.float64)
        series, where = self._series(sizes), torch.zeros(2, len(c), dtype=torch.long)
        pairs = (VALUE_SQUARED, VALUE_SQUARED), (SLOPE_SQUARED, SLOPE_SQUARED), (VALUE_SQUARED, SLOPE_SQUARED)
        first, second, third = (self._kernel(series, sizes, where, c, pair) for pair in pairs)
        return first, second, third

    @lru_cache(4096)  # noqa: B019 a table lives as long as the process
    def moments(self, q: float) -> Moments:
        """The moments at one size."""
        if q < 1e-12:
            return moments(self._phi, q)
        (at,), (weights,) = _stencil(torch.tensor([q], dtype=torch.float64))
        found = sum((float(w) * self._node(int(j)).moments for w, j in zip(weights, at, strict=True)), torch.zeros(9))
        return Moments(q, *found.tolist())

    def _node(self, j: int) -> Node:
        if j not in self._nodes:
            q = 10.0 ** (j / PER_DECADE)
            series = HermiteSeries.of(self._bent, torch.tensor([q], dtype=torch.float64))
            exact = moments(self._phi, q)
            values = [getattr(exact, field.name) for field in fields(Moments)[1:]]
            self._nodes[j] = Node(series, torch.tensor(values, dtype=torch.float64))
        return self._nodes[j]

    def _series(self, sizes: Tensor) -> HermiteSeries:
        """The coefficients at some sizes, each a mean of those at the four nodes around it."""
        at, weights = _stencil(sizes)
        wanted = sorted(set(at.flatten().tolist()))
        mix = torch.zeros(len(sizes), len(wanted), dtype=torch.float64)
        mix.scatter_(1, torch.tensor([[wanted.index(j) for j in row] for row in at.tolist()]), weights)
        nodes = [self._node(j).series for j in wanted]
        whole, line, rests = (
            torch.cat([getattr(node, name) for node in nodes], -1) @ mix.T for name in ("whole", "line", "rests")
        )
        return HermiteSeries(whole, line, rests)

    def _kernel(self, series: HermiteSeries, sizes: Tensor, where: Tensor, c: Tensor, pair: tuple[int, int]) -> Tensor:
        total = series.at(c, where, pair)
        s = sizes.sqrt()[where]
        for a, step_a, ramp_a in self._bent.breaks(pair[0]):
            for b, step_b, ramp_b in self._bent.breaks(pair[1]):
                total = total + lines(Break(a / s[0], step_a, ramp_a * s[0]), Break(b / s[1], step_b, ramp_b * s[1]), c)
        return total


def _functions(phi: Activation, x: Tensor) -> Tensor:
    value, slope = value_and_slope(phi.expected.f, x)
    return torch.stack([value, slope, value**2, slope**2, x * slope])


def _stencil(sizes: Tensor) -> tuple[Tensor, Tensor]:
    """For each size the four nodes around it, and the weights of a cubic through them."""
    place = PER_DECADE * sizes.log10()
    start = place.floor().long() - 1
    t = place - start
    at = start[:, None] + torch.arange(4)
    weights = torch.stack(
        [
            -(t - 1) * (t - 2) * (t - 3) / 6,
            t * (t - 2) * (t - 3) / 2,
            -t * (t - 1) * (t - 3) / 2,
            t * (t - 1) * (t - 2) / 6,
        ],
        1,
    )
    return at, weights


@lru_cache(128)
def table(phi: Activation) -> KernelTable:
    """The table of an activation, one for the whole process."""
    return KernelTable(phi)
