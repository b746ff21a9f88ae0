"""The kernel of an activation: how alike its outputs are for two inputs that are alike.

T(c) = E[f(u) f(v)] for u ~ N(0, q1), v ~ N(0, q2) of correlation c. What jumps or bends at a kink is taken
exactly (orthant.py); the rest is a series in Hermite polynomials (series.py).
"""

import torch
from torch import Tensor

from gradmedic.activations import Activation
from gradmedic.activations.panels import Function, value_and_slope
from gradmedic.theory.bent import Bent
from gradmedic.theory.orthant import Break, lines
from gradmedic.theory.series import Series

Size = float | Tensor


def dual(phi: Activation, q1: Size, q2: Size, c: Tensor) -> tuple[Tensor, Tensor]:
    """E[f(u) f(v)] and E[f'(u) f'(v)] for two inputs of variances `q1`, `q2` and correlation `c`, elementwise.

    `q1` and `q2` are broadcast against `c`. Two inputs for which an activation draws separately (RReLU in
    training) meet in its mean. Exact for broken lines (ReLU and kin, Hardtanh, shrinkages).
    """
    total = torch.zeros(2, *(1,) * c.ndim, dtype=torch.float64, device="cpu")
    for share, variant in phi.expected.variants:
        total = total + share * torch.stack(_kernels(_both(variant.f), variant, q1, q2, c, ((0, 0), (1, 1))))
    return total[0], total[1]


def dual_of_squares(phi: Activation, q1: Size, q2: Size, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """E[f^2(u) f^2(v)], E[f'^2(u) f'^2(v)] and E[f^2(u) f'^2(v)]: by these a finite layer's sizes vary."""
    total = torch.zeros(3, *(1,) * c.ndim, dtype=torch.float64, device="cpu")
    for share, variant in phi.variants:
        squares = _squares(_both(variant.f))
        total = total + share * torch.stack(_kernels(squares, variant, q1, q2, c, ((0, 0), (1, 1), (0, 1))))
    return total[0], total[1], total[2]


def _both(f: Function) -> Function:
    return lambda x: torch.stack(value_and_slope(f, x))


def _squares(f: Function) -> Function:
    return lambda x: f(x).square()


def _kernels(
    functions: Function, phi: Activation, q1: Size, q2: Size, c: Tensor, pairs: tuple[tuple[int, int], ...]
) -> list[Tensor]:
    """E[g(u) h(v)] for pairs of several functions that have their kinks at the same places."""
    bent = Bent.of(functions, phi.kinks)
    one, other, c = torch.broadcast_tensors(_float64(q1), _float64(q2), _float64(c).clamp(-1, 1))  # type: ignore[no-untyped-call]
    flat = c.flatten()
    sizes, where = torch.unique(torch.stack([one.flatten(), other.flatten()]).clamp(min=1e-30), return_inverse=True)
    series = Series.of(bent, sizes)
    return [(series.at(flat, where, p) + _bends(bent, sizes[where].sqrt(), flat, p)).reshape(c.shape) for p in pairs]


def _bends(bent: Bent, s: Tensor, c: Tensor, pair: tuple[int, int]) -> Tensor:
    """The kernel of the broken lines in two of the functions, whose inputs have deviations `s` (two rows)."""
    total = torch.zeros_like(c)
    for a, step_a, ramp_a in bent.breaks(pair[0]):
        for b, step_b, ramp_b in bent.breaks(pair[1]):
            one, other = Break(a / s[0], step_a, ramp_a * s[0]), Break(b / s[1], step_b, ramp_b * s[1])
            total = total + lines(one, other, c)
    return total


def _float64(x: Size) -> Tensor:
    return torch.as_tensor(x, dtype=torch.float64, device="cpu")
