"""The leaky rectifiers: fixed slope (LeakyReLU), learned slope (PReLU), random slope (RReLU)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor

from gradmedic.theory.activations import Activation, kernel
from gradmedic.theory.activations.panels import legendre


@dataclass(frozen=True)
class LeakyRelu(Activation):
    """
    ## What it is
    y = x for x > 0, else slope times x. Unlike ELU's, its slope on the left is constant: it does not saturate.

    ## Forward and backward at initialization
    As ReLU, at any size: gain sqrt(2 / (1 + slope^2)) keeps signal and gradient, with biases of zero. The steeper the
    left side, the less sizes drift over depth.

    ## When to use
    Where ReLU units die. A slope of 0.01 barely changes the signal; GANs use 0.2.

    ## References
    - Maas et al., Rectifier nonlinearities improve neural network acoustic models, 2013
    """

    name: ClassVar[str] = "leaky_relu"
    modules: ClassVar = ("LeakyReLU",)
    functions: ClassVar = ("leaky_relu", "leaky_relu_")
    ops: ClassVar = ("leaky_relu",)

    negative_slope: float = 0.01

    kinks: ClassVar = (0.0,)

    def f(self, x: Tensor) -> Tensor:
        return kernel("leaky_relu", x, self.negative_slope)


@dataclass(frozen=True)
class Prelu(Activation):
    """
    ## What it is
    LeakyReLU whose slope is learned, one for all units or one for each channel; 0.25 at first.

    ## Forward and backward at initialization
    As LeakyReLU with the slope that it has: gain sqrt(2 / (1 + slope^2)). Training moves the slope, and the best gain
    with it.

    ## When to use
    Where a fixed slope has to be guessed otherwise. Leave its slope out of weight decay, which would pull it to ReLU.

    ## References
    - He et al., [Delving deep into rectifiers](https://arxiv.org/abs/1502.01852), 2015
    """

    name: ClassVar[str] = "prelu"
    modules: ClassVar = ("PReLU",)
    functions: ClassVar = ("prelu",)
    ops: ClassVar = ("prelu",)

    weight: float | tuple[float, ...] = 0.25

    kinks: ClassVar = (0.0,)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        weight = values.get("weight", cls.weight)
        if isinstance(weight, Tensor):
            weight = cls.weight if weight.is_meta else tuple(weight.detach().flatten().tolist())
        return cls(weight[0] if isinstance(weight, tuple) and len(set(weight)) == 1 else weight)

    @property
    def slopes(self) -> tuple[float, ...]:
        """The slope of each unit."""
        return self.weight if isinstance(self.weight, tuple) else (self.weight,)

    @property
    def variants(self) -> tuple[tuple[float, Activation], ...]:
        return tuple((1 / len(self.slopes), LeakyRelu(slope)) for slope in self.slopes)

    def f(self, x: Tensor) -> Tensor:
        """Apply it with the mean of the units' slopes."""
        return kernel("leaky_relu", x, sum(self.slopes) / len(self.slopes))


@dataclass(frozen=True)
class Rrelu(Activation):
    """
    ## What it is
    LeakyReLU whose slope is drawn anew for every element in training, uniformly from [lower, upper]; in evaluation it
    is their mean.

    ## Forward and backward at initialization
    As LeakyReLU with the slope's mean square in place of its square. Two samples draw separately, so they come apart a
    little in every layer: at no gain do correlations survive forever.

    ## When to use
    As a mild regularization of small networks. For anything deep LeakyReLU is simpler.

    ## References
    - Xu et al., [Empirical evaluation of rectified activations in convolutional
      network](https://arxiv.org/abs/1505.00853), 2015
    """

    name: ClassVar[str] = "rrelu"
    modules: ClassVar = ("RReLU",)
    functions: ClassVar = ("rrelu", "rrelu_")
    ops: ClassVar = ("rrelu",)
    called: ClassVar = {"training": False}
    also: ClassVar = {"rrelu_train": {"training": True}, "rrelu_eval": {"training": False}}

    lower: float = 1 / 8
    upper: float = 1 / 3
    training: bool = True

    kinks: ClassVar = (0.0,)

    @property
    def expected(self) -> Activation:
        return LeakyRelu((self.lower + self.upper) / 2)

    @property
    def variants(self) -> tuple[tuple[float, Activation], ...]:
        if not self.training:
            return ((1.0, self.expected),)
        nodes, weights, _ = legendre()  # moments are polynomials in the slope: these are exact
        slopes = (self.lower + self.upper) / 2 + (self.upper - self.lower) / 2 * nodes
        return tuple((w / 2, LeakyRelu(s)) for s, w in zip(slopes.tolist(), weights.tolist(), strict=True))

    def f(self, x: Tensor) -> Tensor:
        return kernel("rrelu", x, self.lower, self.upper, self.training)
