"""The error function: a sigmoid with Gaussian tails, whose theory is known in closed form."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gradmedic.theory.activations import Activation


@dataclass(frozen=True)
class Erf(Activation):
    """
    ## What it is
    y = erf(x), the error function: a tanh with Gaussian tails and slope 2 / sqrt(pi) at zero.

    ## Forward and backward at initialization
    As tanh; all its averages are known in closed form: E f^2 = 2/pi asin(2q / (1 + 2q)).

    ## When to use
    In theory, and to test theory. In networks tanh does the same.

    ## References
    - Williams, Computing with infinite networks, 1997
    """

    name: ClassVar[str] = "erf"
    functions: ClassVar = ("erf", "erf_")
    ops: ClassVar = ("erf",)

    def f(self, x: Tensor) -> Tensor:
        return torch.erf(x)
