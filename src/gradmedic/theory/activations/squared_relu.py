"""Squares of ReLU: plain (Primer), and scaled and shifted to mean zero and variance one (StarReLU)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gradmedic.theory.activations import Activation


@dataclass(frozen=True)
class SquaredRelu(Activation):
    """
    ## What it is
    y = max(x, 0)^2. Its slope grows with the input without bound.

    ## Forward and backward at initialization
    Output grows with the square of the input's size: no size is stable. What is a little too large grows layer by
    layer, what is too small dies out. In plain depth it needs normalization before it.

    ## When to use
    In the feed-forward part of transformers, behind a normalization, where it was found by search. Not in plain
    networks.

    ## References
    - So et al., [Primer: searching for efficient transformers for language
      modeling](https://arxiv.org/abs/2109.08668), 2021
    """

    name: ClassVar[str] = "squared_relu"
    also: ClassVar = {"relu2": {}, "relu_squared": {}}

    kinks: ClassVar = (0.0,)

    def f(self, x: Tensor) -> Tensor:
        return torch.relu(x).square()


@dataclass(frozen=True)
class StarRelu(Activation):
    """
    ## What it is
    y = s max(x, 0)^2 + b, with s and b such that a standard normal input gives mean zero and variance one.

    ## Forward and backward at initialization
    At mean square one it keeps the forward size by construction; the gradient's grows (E f'^2 = 1.6). As with the
    plain square, deviations from that size grow.

    ## When to use
    Behind a normalization, as in MetaFormer. s and b are learned there.

    ## References
    - Yu et al., [MetaFormer baselines for vision](https://arxiv.org/abs/2210.13452), 2022
    """

    name: ClassVar[str] = "star_relu"

    scale: float = 1.25**-0.5
    bias: float = -0.5 * 1.25**-0.5

    kinks: ClassVar = (0.0,)

    def f(self, x: Tensor) -> Tensor:
        return self.scale * torch.relu(x).square() + self.bias
