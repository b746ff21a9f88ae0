"""SiLU, or Swish, and its piecewise quadratic likeness."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gradmedic.theory.activations import Activation, kernel


@dataclass(frozen=True)
class Silu(Activation):
    """
    ## What it is
    y = x sigmoid(x), also called Swish: a smooth rectifier that dips to -0.28 before it goes to zero on the left.

    ## Forward and backward at initialization
    Small inputs see half a line, large ones a ReLU; in between the critical point drifts: at mean square 1 (gain 1.62,
    bias std 0.25) a deviation in size grows by 1.10 in each layer. Very deep plain networks need normalization. He's
    gain of sqrt(2) loses the signal, gain 2 is right for vanishing inputs only.

    ## When to use
    In convolutional networks with normalization (EfficientNet), and as the gate of SwiGLU.

    ## References
    - Elfwing et al., [Sigmoid-weighted linear units](https://arxiv.org/abs/1702.03118), 2017
    - Ramachandran et al., [Searching for activation functions](https://arxiv.org/abs/1710.05941), 2017
    """

    name: ClassVar[str] = "silu"
    modules: ClassVar = ("SiLU",)
    functions: ClassVar = ("silu",)
    ops: ClassVar = ("silu",)
    also: ClassVar = {"swish": {}}

    def f(self, x: Tensor) -> Tensor:
        return kernel("silu", x)


@dataclass(frozen=True)
class Hardswish(Activation):
    """
    ## What it is
    y = x min(max(x + 3, 0), 6) / 6: SiLU in three pieces. Below -3 it is exactly zero, and its slope there too; at 3
    the slope falls from 1.5 to 1.

    ## Forward and backward at initialization
    As SiLU, a little more of it: at the critical point of mean square 1 a deviation in size grows by 1.13 a layer.

    ## When to use
    In networks for mobile devices, in their deeper layers, behind BatchNorm.

    ## References
    - Howard et al., [Searching for MobileNetV3](https://arxiv.org/abs/1905.02244), 2019
    """

    name: ClassVar[str] = "hardswish"
    modules: ClassVar = ("Hardswish",)
    functions: ClassVar = ("hardswish",)
    ops: ClassVar = ("hardswish",)

    kinks: ClassVar = (-3.0, 3.0)

    def f(self, x: Tensor) -> Tensor:
        return kernel("hardswish", x)
