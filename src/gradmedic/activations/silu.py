"""SiLU, or Swish, and its piecewise quadratic likeness."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Silu(Activation):
    """PAGE"""

    name: ClassVar[str] = "silu"
    modules: ClassVar = ("SiLU",)
    functions: ClassVar = ("silu",)
    ops: ClassVar = ("silu",)
    also: ClassVar = {"swish": {}}

    def f(self, x: Tensor) -> Tensor:
        return functional.silu(x)


@dataclass(frozen=True)
class Hardswish(Activation):
    """PAGE"""

    name: ClassVar[str] = "hardswish"
    modules: ClassVar = ("Hardswish",)
    functions: ClassVar = ("hardswish",)
    ops: ClassVar = ("hardswish",)

    kinks: ClassVar = (-3.0, 3.0)

    def f(self, x: Tensor) -> Tensor:
        return functional.hardswish(x)
