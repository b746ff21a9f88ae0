"""Mish: a smooth rectifier that dips below zero."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Mish(Activation):
    """PAGE"""

    name: ClassVar[str] = "mish"
    modules: ClassVar = ("Mish",)
    functions: ClassVar = ("mish",)
    ops: ClassVar = ("mish",)

    def f(self, x: Tensor) -> Tensor:
        return functional.mish(x)
