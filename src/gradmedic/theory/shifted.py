"""Functions that an activation brings with it: moved, squared, and its slope."""

from dataclasses import dataclass
from typing import ClassVar

import torch
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


@dataclass(frozen=True)
class Squared(Activation):
    """phi(x)^2."""

    name: ClassVar[str] = "squared"
    phi: Activation

    def f(self, x: Tensor) -> Tensor:
        return self.phi.f(x) ** 2

    @property
    def kinks(self) -> tuple[float, ...]:
        return self.phi.kinks


@dataclass(frozen=True)
class Slope(Activation):
    """phi'(x)."""

    name: ClassVar[str] = "slope"
    phi: Activation

    def f(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            at = x.detach().clone().requires_grad_()
            y = self.phi.f(at)
            slope = torch.autograd.grad(y.sum(), at)[0] if y.requires_grad else torch.zeros_like(at)
        return slope.detach()

    @property
    def kinks(self) -> tuple[float, ...]:
        return self.phi.kinks
