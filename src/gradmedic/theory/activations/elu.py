"""Exponential linear units: ELU, CELU, and SELU, which normalizes itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor

from gradmedic.theory.activations import Activation, kernel


@dataclass(frozen=True)
class Elu(Activation):
    """
    ## What it is
    y = x for x > 0, else alpha (exp(x) - 1). On the left it saturates at -alpha: its slope exp(x) goes to zero there.

    ## Forward and backward at initialization
    Its mean is nearer to zero than ReLU's, and its critical points are stable: gain 1.22 and bias std 0.19 at mean
    square 1, where deviations shrink to 0.86 a layer. He's gain of sqrt(2) makes gradients grow by a third a layer
    (squared). Without biases gain 1 keeps gradients while the signal fades slowly.

    ## When to use
    In plain networks without normalization, as a rectifier that cannot die.

    ## References
    - Clevert et al., [Fast and accurate deep network learning by exponential linear
      units](https://arxiv.org/abs/1511.07289), 2015
    """

    name: ClassVar[str] = "elu"
    modules: ClassVar = ("ELU",)
    functions: ClassVar = ("elu", "elu_")
    ops: ClassVar = ("elu",)

    alpha: float = 1.0
    scale: float = 1.0
    """With `input_scale`, what a graph node has saved: SELU is an ELU there."""
    input_scale: float = 1.0

    kinks: ClassVar = (0.0,)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        return cls(**{f: values[f] for f in ("alpha", "scale", "input_scale") if f in values})

    def f(self, x: Tensor) -> Tensor:
        return kernel("elu", x, self.alpha, self.scale, self.input_scale)


@dataclass(frozen=True)
class Celu(Activation):
    """
    ## What it is
    y = x for x > 0, else alpha (exp(x / alpha) - 1): an ELU without a kink for any alpha. With alpha = 1 it is ELU.

    ## Forward and backward at initialization
    As ELU; the larger alpha, the nearer to the identity (alpha = 2: gain 1.15).

    ## When to use
    Where ELU is wanted with another alpha.

    ## References
    - Barron, [Continuously differentiable exponential linear units](https://arxiv.org/abs/1704.07483), 2017
    """

    name: ClassVar[str] = "celu"
    modules: ClassVar = ("CELU",)
    functions: ClassVar = ("celu", "celu_")
    ops: ClassVar = ("celu",)

    alpha: float = 1.0

    kinks: ClassVar = (0.0,)

    def f(self, x: Tensor) -> Tensor:
        return kernel("celu", x, self.alpha)


@dataclass(frozen=True)
class Selu(Activation):
    """
    ## What it is
    An ELU with scale 1.0507 and alpha 1.6733, chosen such that a standard normal input gives mean zero and variance
    one. Its slope reaches 1.76 left of zero.

    ## Forward and backward at initialization
    Weights of variance 1 / fan_in (gain 1, LeCun) keep the signal at mean zero and variance one, and let the squared
    gradient grow by 1.07 a layer: 10^1.5 over fifty layers. Gain 0.966 with bias std 0.26 is critical. torch's gain of
    3/4 loses the fixed point: the size falls to about 0.02.

    ## When to use
    In plain networks of fully connected layers, with AlphaDropout, and with LeCun's variance.

    ## References
    - Klambauer et al., [Self-normalizing neural networks](https://arxiv.org/abs/1706.02515), 2017
    """

    name: ClassVar[str] = "selu"
    modules: ClassVar = ("SELU",)
    functions: ClassVar = ("selu", "selu_")

    kinks: ClassVar = (0.0,)

    def f(self, x: Tensor) -> Tensor:
        return kernel("selu", x)
