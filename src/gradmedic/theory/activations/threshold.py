"""Threshold: what exceeds it passes, all else becomes one value."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gradmedic.theory.activations import Activation, kernel


@dataclass(frozen=True)
class Threshold(Activation):
    """
    ## What it is
    y = x for x > threshold, else a constant. With a constant other than the threshold it jumps.

    ## Forward and backward at initialization
    Autograd does not see the jump: the gradient is that of the parts. Forward, the jump is one more source of
    difference between inputs that are alike, in every layer; no critical initialization exists unless it is ReLU.

    ## When to use
    Hardly ever in the hidden layers of a network that is trained by its gradient: take ReLU or Softshrink.

    ## References
    - The documentation of torch.nn.Threshold; derived here
    """

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
        return kernel("threshold", x, self.threshold, self.value)
