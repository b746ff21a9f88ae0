"""Waves: the sine of SIREN, and Snake, a line with a wave on it."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Sin(Activation):
    """PAGE"""

    name: ClassVar[str] = "sin"
    functions: ClassVar = ("sin", "sin_")
    ops: ClassVar = ("sin",)
    also: ClassVar = {"sine": {}, "siren": {"omega": 30.0}}

    omega: float = 1.0

    def f(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega * x)


@dataclass(frozen=True)
class Snake(Activation):
    """PAGE"""

    name: ClassVar[str] = "snake"

    alpha: float = 1.0

    def f(self, x: Tensor) -> Tensor:
        return x + torch.sin(self.alpha * x).square() / self.alpha
