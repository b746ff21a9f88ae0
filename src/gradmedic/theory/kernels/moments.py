"""What an activation does to a Gaussian input: moments of its values and slopes, computed, none typed in.

With x ~ N(mean, q): m1 = E f, m2 = E f^2, d1 = E f', d2 = E f'^2, and so on. Slopes in q come from
d/dq E g(x) = E[g(x) (z^2 - 1)] / 2q, z = (x - mean) / sqrt(q), which holds for functions with kinks too.
Where f itself jumps, f' is autograd's: without the jump's delta. That is right for gradients, and the
slope of m2 counts the jump all the same.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from gradmedic.base.errors import TheoryError
from gradmedic.theory.activations import Activation
from gradmedic.theory.activations.panels import value_and_slope
from gradmedic.theory.kernels.dual import dual, dual_of_squares
from gradmedic.theory.kernels.quadrature import averages, starting_panels

__all__ = ["Moments", "dual", "dual_of_squares", "moments"]

NEXT_TO_NOTHING = 1e-8
"""Variance that stands for none where a limit is asked for."""


@dataclass(frozen=True)
class Moments:
    """Averages over an input of variance `q`: of values (m), of slopes (d), and how they change with q."""

    q: float
    m1: float
    m2: float
    m4: float
    d1: float
    d2: float
    d4: float
    x22: float
    """E[f^2 f'^2]."""
    m2_dq: float
    d2_dq: float

    @property
    def var(self) -> float:
        """Variance of the output."""
        return self.m2 - self.m1**2

    @property
    def s(self) -> float:
        """d ln m2 / d ln q: 1 where the output grows as the input does."""
        return self.q * self.m2_dq / self.m2 if self.m2 else math.nan

    @property
    def k(self) -> float:
        """d ln d2 / d ln q: 0 where the slope does not care for the input's size."""
        return self.q * self.d2_dq / self.d2 if self.d2 else math.nan


@lru_cache(4096)
def moments(phi: Activation, q: float, mean: float = 0.0) -> Moments:
    """The moments of an activation for an input of variance `q` (in squared units of the input) and mean `mean`.

    Adaptive quadrature: about 1e-11 relative to the mean absolute integrand (slopes in q lose digits
    where q < 1e-6, as 1e-16 / q). For q = 0 the limit. Raises `TheoryError` where q is no variance.
    """
    if not 0 <= q < math.inf or not math.isfinite(mean):
        raise TheoryError(f"moments need a variance and a mean that are finite, not {q} and {mean}")
    if q == 0:
        return _of_a_constant(phi, mean)
    parts = [share * _averages(variant, q, mean) for share, variant in phi.variants]
    return Moments(q, *sum(parts[1:], parts[0]).tolist())


def _averages(phi: Activation, q: float, mean: float) -> Tensor:
    """All moments but q, in the order of the fields."""
    deviation = math.sqrt(q)
    center = phi.f(torch.tensor(mean, dtype=torch.float64, device="cpu")).square()

    def integrand(z: Tensor) -> Tensor:
        f, d = value_and_slope(phi.f, mean + deviation * z)
        f2, d2, h = f * f, d * d, (z * z - 1) / (2 * q)
        # E[(z^2 - 1) constant] = 0: leaving a constant out saves digits.
        return torch.stack([f, f2, f2 * f2, d, d2, d2 * d2, f2 * d2, (f2 - center) * h, d2 * h])

    return averages(integrand, starting_panels(mean, deviation, phi.kinks))


def _of_a_constant(phi: Activation, mean: float) -> Moments:
    """Without any variance values are those at the mean; slopes are the limit, which is both sides' at a kink."""
    near = moments(phi, NEXT_TO_NOTHING, mean)
    f = float(phi.expected.f(torch.tensor(mean, dtype=torch.float64, device="cpu")))
    return replace(near, q=0.0, m1=f, m2=f**2, m4=f**4, x22=f**2 * near.d2)
