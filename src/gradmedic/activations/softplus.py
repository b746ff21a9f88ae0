"""Softplus, a smooth rectifier, and the same turned around: the logarithm of a sigmoid."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Softplus(Activation):
    """PAGE"""

    name: ClassVar[str] = "softplus"
    modules: ClassVar = ("Softplus",)
    functions: ClassVar = ("softplus",)
    ops: ClassVar = ("softplus",)

    beta: float = 1.0
    threshold: float = 20.0

    @property
    def kinks(self) -> tuple[float, ...]:
        return (self.threshold / self.beta,)

    def f(self, x: Tensor) -> Tensor:
        return functional.softplus(x, self.beta, self.threshold)


@dataclass(frozen=True)
class LogSigmoid(Activation):
    """PAGE"""

    name: ClassVar[str] = "logsigmoid"
    modules: ClassVar = ("LogSigmoid",)
    functions: ClassVar = ("logsigmoid",)
    ops: ClassVar = ("log_sigmoid",)

    def f(self, x: Tensor) -> Tensor:
        return functional.logsigmoid(x)
