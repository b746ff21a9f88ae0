"""Nodes and weights for means over a standard normal number (Gauss and Hermite)."""

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(32)
def hermite(count: int) -> tuple[Tensor, Tensor]:
    """So many nodes, and their weights, which sum to one."""
    off = torch.diag(torch.arange(1, count, dtype=torch.float64).sqrt(), 1)
    values, vectors = torch.linalg.eigh(off + off.T)
    return values, vectors[0] ** 2
