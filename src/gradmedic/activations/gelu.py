"""GELU, exact and by tanh, and its sigmoid likeness."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Gelu(Activation):
    """PAGE"""

    name: ClassVar[str] = "gelu"
    modules: ClassVar = ("GELU",)
    functions: ClassVar = ("gelu",)
    ops: ClassVar = ("gelu",)
    also: ClassVar = {
        name: {"approximate": "tanh"} for name in ("gelu_tanh", "gelu_new", "gelu_fast", "gelu_pytorch_tanh")
    }

    approximate: str = "none"

    def f(self, x: Tensor) -> Tensor:
        return functional.gelu(x, approximate=self.approximate)


@dataclass(frozen=True)
class QuickGelu(Activation):
    """PAGE"""

    name: ClassVar[str] = "quick_gelu"

    def f(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)
