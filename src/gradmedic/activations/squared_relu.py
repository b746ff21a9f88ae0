"""Squares of ReLU: plain (Primer), and scaled and shifted to mean zero and variance one (StarReLU)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from gradmedic.activations import Activation


@dataclass(frozen=True)
class SquaredRelu(Activation):
    """PAGE"""

    name: ClassVar[str] = "squared_relu"
    also: ClassVar = {"relu2": {}, "relu_squared": {}}

    kinks: ClassVar = (0.0,)

    def f(self, x: Tensor) -> Tensor:
        return functional.relu(x).square()


@dataclass(frozen=True)
class StarRelu(Activation):
    """PAGE"""

    name: ClassVar[str] = "star_relu"

    scale: float = 1.25**-0.5
    bias: float = -0.5 * 1.25**-0.5

    kinks: ClassVar = (0.0,)

    def f(self, x: Tensor) -> Tensor:
        return self.scale * functional.relu(x).square() + self.bias
