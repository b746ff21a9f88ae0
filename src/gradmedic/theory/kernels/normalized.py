"""Plain layers with normalization: what the squared gradient gains over linear, normalization, activation.

Normalization makes the forward size one, whatever the weights; it does not make the gradient's gain one.
"""

import math

import torch
from torch import Tensor

from gradmedic.theory.activations import Activation
from gradmedic.theory.activations.panels import value_and_slope
from gradmedic.theory.kernels.moments import moments

DRAWS = 20_000


def layernorm_chi(phi: Activation) -> float:
    """With LayerNorm or RMSNorm between linear and activation, in a wide layer: E f'^2 / E f^2 at size one."""
    m = moments(phi, 1.0)
    return m.d2 / m.m2


def batchnorm_chi(phi: Activation, batch: int | None = None) -> float:
    """With BatchNorm between linear and activation: E f'^2 / Var f at size one for a large batch, else by sampling.

    Above 1 for every continuous activation but the identity, and more so for small batches: plain deep networks
    with BatchNorm explode at initialization (Yang et al., arXiv 1902.08129). The layer is to be wider than the
    batch. A fixed seed of its own draws one unit 20000 times.
    """
    if batch is None:
        m = moments(phi, 1.0)
        return m.d2 / m.var
    if batch < 4:
        return math.inf  # the mean of 1 / variance does not exist
    return _sampled(phi, batch)


def _sampled(phi: Activation, batch: int) -> float:
    """One unit over the batch: normalized input, gradient that sums to zero over the batch as BatchNorm leaves it."""
    draw = torch.Generator(device="cpu").manual_seed(0)
    z, g = torch.randn(2, DRAWS, batch, dtype=torch.float64, device="cpu", generator=draw)
    z, g = _centered(z), _centered(g) * math.sqrt(batch / (batch - 1))
    variance = z.square().mean(1, keepdim=True)
    z = z / variance.sqrt()
    f, slope = value_and_slope(phi.expected.f, z)
    h = _centered(slope * g)
    h = h - z * (h * z).mean(1, keepdim=True)
    apart = _centered(f).square().sum(1).mean() / (batch - 1)  # E f_s^2 - E f_s f_t
    return float((h.square() / variance).mean() / apart)


def _centered(x: Tensor) -> Tensor:
    return x - x.mean(1, keepdim=True)
