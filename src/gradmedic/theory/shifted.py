"""An activation whose input has a mean: the same function, moved."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Shifted(Activation):
    """phi(x + mean)."""

    name: ClassVar[str] = "shifted"
    phi: Activation
    mean: float

    def f(self, x: Tensor) -> Tensor:
        return self.phi.f(x + self.mean)

    @property
    def kinks(self) -> tuple[float, ...]:
        return tuple(kink - self.mean for kink in self.phi.kinks)
