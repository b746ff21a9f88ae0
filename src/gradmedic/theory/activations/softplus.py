"""Softplus, a smooth rectifier, and the same turned around: the logarithm of a sigmoid."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gradmedic.theory.activations import Activation, kernel


@dataclass(frozen=True)
class Softplus(Activation):
    """
    ## What it is
    y = log(1 + exp(beta x)) / beta: ReLU made smooth, positive everywhere, 0.69 / beta at zero. For beta x > threshold
    PyTorch takes the line.

    ## Forward and backward at initialization
    Its mean output carries no gradient and grows from layer to layer: at no size do weights keep both signal and
    gradient. No critical initialization exists; a larger beta comes nearer to ReLU, but none is enough.

    ## When to use
    For outputs that have to be positive (a variance, a rate). Not in hidden layers of deep networks.

    ## References
    - Dugas et al., Incorporating second-order functional knowledge for better option pricing, 2001
    """

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
        return kernel("softplus", x, self.beta, self.threshold)


@dataclass(frozen=True)
class LogSigmoid(Activation):
    """
    ## What it is
    y = log(sigmoid(x)) = -softplus(-x): negative everywhere, a line on the left, zero on the right.

    ## Forward and backward at initialization
    As Softplus, mirrored: no critical initialization exists.

    ## When to use
    In losses, where it is the stable way to take the logarithm of a sigmoid. Not in hidden layers.

    ## References
    - The documentation of torch.nn.LogSigmoid; derived here
    """

    name: ClassVar[str] = "logsigmoid"
    modules: ClassVar = ("LogSigmoid",)
    functions: ClassVar = ("logsigmoid",)
    ops: ClassVar = ("log_sigmoid",)

    def f(self, x: Tensor) -> Tensor:
        return kernel("log_sigmoid", x)
