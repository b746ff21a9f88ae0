"""Averages over a Gaussian, by Gauss-Legendre panels that split where the integrand asks for it."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gradmedic.theory.activations.panels import legendre, points, rest
from gradmedic.theory.kernels.bivariate_normal import density

REACH = 38.0
"""Deviations beyond which a Gaussian weighs nothing in float64."""
STEPS = (1.5, 3.0, 5.0, 8.0, 13.0, 21.0, REACH)
SCALES = tuple(8.0**k for k in range(-4, 0)) + tuple(4.0**k for k in range(64))
"""Sizes of input at which an activation may do something; where the Gaussian is wide they lie close to its center."""
ENOUGH = 1e-9
"""Share of an integral that a panel's last Legendre coefficients may hold. The error is that of twice the degree."""
ROUNDS = 16
MOST = 1 << 14
"""Panels beyond which no more are made: what is left has become rounding, or a wave without end."""

Integrand = Callable[[Tensor], Tensor]
"""From z, of shape (panels, nodes), to several values, of shape (kinds, panels, nodes)."""


def starting_panels(mean: float, deviation: float, kinks: Sequence[float]) -> Tensor:
    """Left and right ends of panels in z: the Gaussian's own, those at the input's sizes, and all kinks."""
    edges = {0.0, *STEPS, *(-step for step in STEPS)}
    near = (abs(mean) + REACH * deviation, deviation / 64)
    sizes = [size for size in SCALES if near[1] < size < near[0]]
    for x in (0.0, *kinks, *sizes, *(-size for size in sizes)):
        z = (x - mean) / deviation
        if abs(z) < REACH:
            edges.add(z)
    ends = torch.tensor(sorted(edges), dtype=torch.float64, device="cpu")
    return torch.stack([ends[:-1], ends[1:]], 1)


def averages(integrand: Integrand, panels: Tensor) -> Tensor:
    """E[integrand(z)] for z ~ N(0, 1), for every kind of value that it gives."""
    _, weights, _ = legendre()
    total = size = torch.zeros(1, dtype=torch.float64, device="cpu")
    for _ in range(ROUNDS):
        z, half = points(panels)
        values = integrand(z) * density(z)
        parts, sizes = (values @ weights) * half.T, (values.abs() @ weights) * half.T
        untold = (rest(values) * half.T > ENOUGH * (size + sizes.sum(1))[:, None]).any(0)
        if len(panels) > MOST or not untold.any():
            break
        total, size = total + parts[:, ~untold].sum(1), size + sizes[:, ~untold].sum(1)
        panels = _halves(panels[untold])
    return total + parts.sum(1)


def _halves(panels: Tensor) -> Tensor:
    left, right = panels.T
    middle = (left + right) / 2
    return torch.cat([torch.stack([left, middle], 1), torch.stack([middle, right], 1)])
