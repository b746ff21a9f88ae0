"""Random numbers for weights: orthogonal, normal or uniform, of a variance that is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod, sqrt

import torch
from torch import Generator, Tensor, nn

from gradmedic.base.errors import InitError

LAWS = ("orthogonal", "normal", "uniform")
FEW = 8
"""With fewer inputs than this a filter's taps are balanced all together, not each for itself."""


@dataclass(frozen=True)
class Draw:
    """How the entries of a tensor are drawn, with mean zero. `summed` are the dimensions that a layer adds up.

    `blocks` are gates that stand one upon the other, each drawn for itself. Raises `InitError` for an unknown law.
    """

    law: str
    variance: float
    summed: tuple[int, ...] = (1,)
    balanced: bool = False
    blocks: int = 1

    def __post_init__(self) -> None:
        if self.law not in (*LAWS, "identity"):
            raise InitError(f"law {self.law!r} is none of {', '.join(LAWS)}")

    def values(self, shape: Sequence[int], device: torch.device, generator: Generator) -> Tensor:
        """New entries, in float32."""
        if self.blocks > 1:
            one, part = replace(self, blocks=1), (shape[0] // self.blocks, *shape[1:])
            return torch.cat([one.values(part, device, generator) for _ in range(self.blocks)])
        drawn = torch.empty(tuple(shape), device=device)
        if self.law == "identity":
            return nn.init.eye_(drawn)
        if self.law == "uniform":
            drawn.uniform_(-sqrt(3.0), sqrt(3.0), generator=generator)
        elif self.law == "orthogonal" and self.summed and len(shape) > 1:
            drawn = _orthogonal(drawn, self.summed, generator)
        else:
            drawn.normal_(generator=generator)
        drawn = _balanced(drawn, self.summed) if self.balanced and self.summed else drawn
        return drawn.mul_(sqrt(self.variance))


def _orthogonal(like: Tensor, summed: tuple[int, ...], generator: Generator) -> Tensor:
    """Units (or inputs, if these are fewer) at right angles to each other, with entries of mean square one."""
    stacked = like.shape[:-2] if len(summed) == 1 else ()
    dims = range(len(stacked), like.dim())
    order = [*(dim for dim in dims if dim not in summed), *summed]
    units = [like.shape[dim] for dim in order]
    fan = prod(like.shape[dim] for dim in summed)
    rows = [_matrix(like, prod(units) // fan, fan, generator) for _ in range(prod(stacked))]
    laid = torch.stack(rows).reshape(*stacked, *units)
    back = [*range(len(stacked)), *(len(stacked) + order.index(dim) for dim in dims)]
    return laid.permute(back).contiguous()


def _matrix(like: Tensor, rows: int, columns: int, generator: Generator) -> Tensor:
    tall = torch.empty(max(rows, columns), min(rows, columns), device=like.device).normal_(generator=generator)
    q, r = torch.linalg.qr(tall)
    q = q * r.diagonal().sign() * sqrt(max(rows, columns))  # the signs make it uniform (Mezzadri 2007)
    matrix: Tensor = q if rows >= columns else q.T
    return matrix


def _balanced(drawn: Tensor, summed: tuple[int, ...]) -> Tensor:
    """Each unit's weights sum to zero: those of each tap, or all together where inputs are few."""
    dims = summed[:1] if drawn.shape[summed[0]] >= FEW else summed
    if prod(drawn.shape[dim] for dim in dims) < 2:
        return drawn
    size = drawn.square().mean()
    drawn = drawn - drawn.mean(dims, keepdim=True)
    return drawn * (size / drawn.square().mean()).sqrt()
