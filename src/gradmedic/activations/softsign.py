"""Softsign: a sigmoid that saturates slowly."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Softsign(Activation):
    """PAGE"""

    name: ClassVar[str] = "softsign"
    modules: ClassVar = ("Softsign",)
    functions: ClassVar = ("softsign",)

    kinks: ClassVar = (0.0,)

    def f(self, x: Tensor) -> Tensor:
        return functional.softsign(x)
