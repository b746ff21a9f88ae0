"""Waves: the sine of SIREN, and Snake, a line with a wave on it."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gradmedic.theory.activations import Activation


@dataclass(frozen=True)
class Sin(Activation):
    """
    ## What it is
    y = sin(omega x). Its slope returns: it saturates nowhere, and prefers no sign.

    ## Forward and backward at initialization
    For large inputs output and slope are those of random phases: E f^2 = E f'^2 = 1/2. Small, it is the identity. Its
    critical point at mean square 1 is the most stable of all here. SIREN multiplies by omega = 30 in the first layer,
    and divides the weights of the others by it.

    ## When to use
    For networks that represent images, sounds and fields, with SIREN's own initialization.

    ## References
    - Sitzmann et al., [Implicit neural representations with periodic activation
      functions](https://arxiv.org/abs/2006.09661), 2020
    """

    name: ClassVar[str] = "sin"
    functions: ClassVar = ("sin", "sin_")
    ops: ClassVar = ("sin",)
    also: ClassVar = {"sine": {}, "siren": {"omega": 30.0}}

    omega: float = 1.0

    def f(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega * x)


@dataclass(frozen=True)
class Snake(Activation):
    """
    ## What it is
    y = x + sin(a x)^2 / a: a line with a wave on it. Its slope lies between 0 and 2.

    ## Forward and backward at initialization
    It amplifies: at size one E f^2 = 1.31 and E f'^2 = 1.50, so that weights of variance 1 / fan_in explode; gain 0.82
    is critical.

    ## When to use
    Where the target is periodic and has to go on beyond the data; in audio synthesis.

    ## References
    - Ziyin et al., [Neural networks fail to learn periodic functions and how to fix
      it](https://arxiv.org/abs/2006.08195), 2020
    """

    name: ClassVar[str] = "snake"

    alpha: float = 1.0

    def f(self, x: Tensor) -> Tensor:
        return x + torch.sin(self.alpha * x).square() / self.alpha
