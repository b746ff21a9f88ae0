"""Softmax of Gaussian numbers: how much the weights of two instances overlap."""

import math
from functools import lru_cache

import torch
from torch import Tensor

DRAWS = 200_000
"""Numbers drawn for the mean of a product of two softmaxes."""

_NODES = 5


def overlap(n: int, variance: float, correlation: Tensor) -> Tensor:
    """E sum_j p_j p'_j of two softmaxes over n numbers, for each correlation between the two sets of numbers.

    From draws that are always the same, interpolated in the correlation; for a small variance it is
    exp(correlation * variance) / n.
    """
    if n < 2 or variance < 1e-12:
        return torch.full_like(correlation, 1.0 / n)
    nodes = torch.linspace(-1, 1, _NODES, dtype=torch.float64)
    values = [_overlap(n, round(variance, 9), float(node)) for node in nodes]
    return _polynomial(nodes, torch.tensor(values, dtype=torch.float64), correlation.clamp(-1, 1))


@lru_cache(1024)
def miss(n: int, variance: float) -> float:
    """The variance of |p - onehot|^2 over draws of the numbers, relative to its squared mean."""
    p = torch.softmax(math.sqrt(variance) * _draws(n)[1], -1)
    square = 1 - 2 * p[:, 0] + (p * p).sum(-1)
    return float(square.var(correction=0) / square.mean() ** 2)


def _polynomial(nodes: Tensor, values: Tensor, at: Tensor) -> Tensor:
    """Lagrange's interpolation."""
    result = torch.zeros_like(at)
    for i, (node, value) in enumerate(zip(nodes, values, strict=True)):
        others = torch.cat([nodes[:i], nodes[i + 1 :]])
        result += value * torch.stack([(at - other) / (node - other) for other in others]).prod(0)
    return result


@lru_cache(4096)
def _overlap(n: int, variance: float, correlation: float) -> float:
    common, first, second = _draws(n)
    weight, sign = math.sqrt(abs(correlation)), math.copysign(1.0, correlation)
    rest, size = math.sqrt(1 - abs(correlation)), math.sqrt(variance)
    p = torch.softmax(size * (weight * common + rest * first), -1)
    other = p if correlation == 1 else torch.softmax(size * (sign * weight * common + rest * second), -1)
    return float((p * other).sum(-1).mean())


@lru_cache(16)
def _draws(n: int) -> Tensor:
    generator = torch.Generator(device="cpu").manual_seed(0)
    return torch.randn(3, max(DRAWS // n, 8), n, generator=generator, dtype=torch.float64).float()
