"""Threshold: what exceeds it passes, all else becomes one value."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Threshold(Activation):
    """PAGE"""

    name: ClassVar[str] = "threshold"
    modules: ClassVar = ("Threshold",)
    functions: ClassVar = ("threshold", "threshold_")
    ops: ClassVar = ("threshold",)

    threshold: float = 0.1
    value: float = 0.0

    @property
    def kinks(self) -> tuple[float, ...]:
        return (self.threshold,)

    def f(self, x: Tensor) -> Tensor:
        return functional.threshold(x, self.threshold, self.value)
