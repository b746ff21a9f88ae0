"""Shrinkage: small values become zero. Hard, soft, and by what tanh leaves of the input."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Hardshrink(Activation):
    """PAGE"""

    name: ClassVar[str] = "hardshrink"
    modules: ClassVar = ("Hardshrink",)
    functions: ClassVar = ("hardshrink",)
    ops: ClassVar = ("hardshrink",)

    lambd: float = 0.5

    @property
    def kinks(self) -> tuple[float, ...]:
        return (-self.lambd, self.lambd)

    def f(self, x: Tensor) -> Tensor:
        return functional.hardshrink(x, self.lambd)


@dataclass(frozen=True)
class Softshrink(Activation):
    """PAGE"""

    name: ClassVar[str] = "softshrink"
    modules: ClassVar = ("Softshrink",)
    functions: ClassVar = ("softshrink",)
    ops: ClassVar = ("softshrink",)

    lambd: float = 0.5

    @property
    def kinks(self) -> tuple[float, ...]:
        return (-self.lambd, self.lambd)

    def f(self, x: Tensor) -> Tensor:
        return functional.softshrink(x, self.lambd)


@dataclass(frozen=True)
class Tanhshrink(Activation):
    """PAGE"""

    name: ClassVar[str] = "tanhshrink"
    modules: ClassVar = ("Tanhshrink",)
    functions: ClassVar = ("tanhshrink",)

    def f(self, x: Tensor) -> Tensor:
        return functional.tanhshrink(x)
