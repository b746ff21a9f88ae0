"""Softsign: a sigmoid that saturates slowly."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gradmedic.theory.activations import Activation


@dataclass(frozen=True)
class Softsign(Activation):
    """
    ## What it is
    y = x / (1 + |x|): odd, between -1 and 1; it saturates slowly, as 1 / x^2.

    ## Forward and backward at initialization
    As tanh, with a smaller slope for inputs of size one: gain 2.10 with biases of standard deviation 0.44 at mean
    square 1.

    ## When to use
    Where tanh saturates too early. Its slope never gets as small, but neither does it let a large unit move.

    ## References
    - Turian et al., Quadratic features and deep architectures for chunking, 2009
    - Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010
    """

    name: ClassVar[str] = "softsign"
    modules: ClassVar = ("Softsign",)
    functions: ClassVar = ("softsign",)

    kinks: ClassVar = (0.0,)

    def f(self, x: Tensor) -> Tensor:
        return x / (1 + x.abs())
