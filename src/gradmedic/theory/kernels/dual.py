"""The kernel of an activation: how alike its outputs are for two inputs that are alike.

T(c) = E[f(u) f(v)] for u ~ N(0, q1), v ~ N(0, q2) of correlation c. What jumps or bends at a kink is taken
exactly (orthant.py); the rest is a series in Hermite polynomials (series.py).
"""

from functools import lru_cache

import torch
from torch import Tensor

from gradmedic.theory.activations import Activation
from gradmedic.theory.activations.panels import value_and_slope
from gradmedic.theory.kernels.bivariate_normal import Break, lines
from gradmedic.theory.kernels.hermite import HermiteSeries
from gradmedic.theory.kernels.piecewise_linear import Bent

Size = float | Tensor


def dual(phi: Activation, q1: Size, q2: Size, c: Tensor) -> tuple[Tensor, Tensor]:
    """E[f(u) f(v)] and E[f'(u) f'(v)] for two inputs of variances `q1`, `q2` and correlation `c`, elementwise.

    `q1` and `q2` are broadcast against `c`. Two inputs for which an activation draws separately (RReLU in
    training) meet in its mean. Exact for broken lines (ReLU and kin, Hardtanh, shrinkages).
    """
    total = torch.zeros(2, *(1,) * c.ndim, dtype=torch.float64, device="cpu")
    for share, variant in phi.expected.variants:
        total = total + share * torch.stack(_kernels(variant, 1, ((0, 0), (1, 1)), q1, q2, c))
    return total[0], total[1]


def dual_of_squares(phi: Activation, q1: Size, q2: Size, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """E[f^2(u) f^2(v)], E[f'^2(u) f'^2(v)] and E[f^2(u) f'^2(v)]: by these a finite layer's sizes vary."""
    total = torch.zeros(3, *(1,) * c.ndim, dtype=torch.float64, device="cpu")
    for share, variant in phi.variants:
        total = total + share * torch.stack(_kernels(variant, 2, ((0, 0), (1, 1), (0, 1)), q1, q2, c))
    return total[0], total[1], total[2]


Pairs = tuple[tuple[int, int], ...]


def _kernels(phi: Activation, power: int, pairs: Pairs, q1: Size, q2: Size, c: Tensor) -> list[Tensor]:
    """E[g(u) h(v)] for pairs of functions, of which 0 is f to that power, and 1 is f'."""
    one, other, c = torch.broadcast_tensors(_float64(q1), _float64(q2), _float64(c).clamp(-1, 1))  # type: ignore[no-untyped-call]
    flat = c.flatten()
    sizes, where = torch.unique(torch.stack([one.flatten(), other.flatten()]).clamp(min=1e-30), return_inverse=True)
    bent, series = _series(phi, power, tuple(sizes.tolist()))
    return [(series.at(flat, where, p) + _bends(bent, sizes[where].sqrt(), flat, p)).reshape(c.shape) for p in pairs]


@lru_cache(32)
def _series(phi: Activation, power: int, sizes: tuple[float, ...]) -> tuple[Bent, HermiteSeries]:
    bent = Bent.of(lambda x: torch.stack(value_and_slope(phi.f, x)) ** power, phi.kinks)
    return bent, HermiteSeries.of(bent, _float64(sizes))


def _bends(bent: Bent, s: Tensor, c: Tensor, pair: tuple[int, int]) -> Tensor:
    """The kernel of the broken lines in two of the functions, whose inputs have deviations `s` (two rows)."""
    total = torch.zeros_like(c)
    for a, step_a, ramp_a in bent.breaks(pair[0]):
        for b, step_b, ramp_b in bent.breaks(pair[1]):
            one, other = Break(a / s[0], step_a, ramp_a * s[0]), Break(b / s[1], step_b, ramp_b * s[1])
            total = total + lines(one, other, c)
    return total


def _float64(x: Size | tuple[float, ...]) -> Tensor:
    return torch.as_tensor(x, dtype=torch.float64, device="cpu")
