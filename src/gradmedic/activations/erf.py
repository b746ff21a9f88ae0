"""The error function: a sigmoid with Gaussian tails, whose theory is known in closed form."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Erf(Activation):
    """PAGE"""

    name: ClassVar[str] = "erf"
    functions: ClassVar = ("erf", "erf_")
    ops: ClassVar = ("erf",)

    def f(self, x: Tensor) -> Tensor:
        return torch.erf(x)
