"""The law of a parameter: what its entries are like on average, as they are or as they would be drawn."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradmedic.base.storage import is_readable

MANY = 1 << 20
"""Entries from which some rows stand for all: the moments of a million tell as much."""

CLEAR = 5.0
"""Standard errors from which a mean is no accident of the draw."""


@dataclass(frozen=True)
class ParameterLaw:
    """Mean and mean square of a parameter's entries, and whether its rows or columns are orthonormal.

    It is `balanced` if the weights of each unit sum to zero.
    """

    mean: float
    square: float
    orthogonal: bool = False
    balanced: bool = False

    @property
    def kurtosis(self) -> float:
        """E w^4 / (E w^2)^2 for a normal distribution of this mean and variance."""
        if not self.square:
            return 1.0
        return (3 * self.variance**2 + 6 * self.variance * self.mean**2 + self.mean**4) / self.square**2

    @property
    def variance(self) -> float:
        """The mean square of what the mean leaves."""
        return max(self.square - self.mean * self.mean, 0.0)

    def scaled(self, factor: float) -> "ParameterLaw":
        """The law of a multiple."""
        return replace(self, mean=self.mean * factor, square=self.square * factor**2)


def measured(tensor: Tensor, *, certain: bool = False) -> ParameterLaw:
    """The law of the entries that a tensor has; a mean that may be chance counts as zero, unless it is `certain`."""
    if not tensor.numel() or not is_readable(tensor):
        return ParameterLaw(0.0, math.nan)
    values = _some(tensor.detach()).double()
    mean, square = float(values.mean()), float(values.square().mean())
    spread = max(square - mean * mean, 0.0)
    if not certain and tensor.numel() > 1 and abs(mean) < CLEAR * math.sqrt(spread / tensor.numel()):
        return ParameterLaw(0.0, square, is_orthogonal(values), is_balanced(values))
    return ParameterLaw(mean, square)


def is_balanced(values: Tensor) -> bool:
    """True if the weights of each unit sum to zero, be units the rows or the columns."""
    dims = [dim for dim in range(min(values.dim(), 2)) if values.dim() > 1 and values.shape[dim] >= 8]
    return any(bool(values.sum(dim).abs().max() < 1e-4 * values.square().sum(dim).sqrt().max()) for dim in dims)


def _some(tensor: Tensor) -> Tensor:
    """Evenly spread rows of a large tensor, all of another."""
    rows = -(-tensor.numel() // MANY) if tensor.dim() else 1
    return tensor[::rows] if 1 < rows <= tensor.shape[0] // 8 else tensor


def is_orthogonal(values: Tensor) -> bool:
    """True if the longer sides of the matrix are orthogonal to each other, of one length: by two random vectors."""
    if values.dim() < 2 or min(values.shape[0], values[0].numel()) < 8:
        return False
    matrix = values.flatten(1)
    matrix = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    generator = torch.Generator(device="cpu").manual_seed(0)
    probes = torch.randn(matrix.shape[1], 2, generator=generator, dtype=torch.float64).to(matrix.device)
    gains = (matrix @ probes).square().sum(0) / probes.square().sum(0)
    return bool((gains - matrix.square().sum() / matrix.shape[1]).abs().max() < 1e-4 * gains.max())
