"""The hyperbolic tangent."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Tanh(Activation):
    """PAGE"""

    name: ClassVar[str] = "tanh"
    modules: ClassVar = ("Tanh",)
    functions: ClassVar = ("tanh", "tanh_")
    ops: ClassVar = ("tanh",)

    def f(self, x: Tensor) -> Tensor:
        return torch.tanh(x)
