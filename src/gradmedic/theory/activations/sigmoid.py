"""The logistic sigmoid, and its piecewise linear likeness."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gradmedic.theory.activations import Activation, kernel


@dataclass(frozen=True)
class Sigmoid(Activation):
    """
    ## What it is
    y = 1 / (1 + exp(-x)), between 0 and 1. Its slope is at most 1/4, at zero, and goes to zero on both sides.

    ## Forward and backward at initialization
    Its mean output of 1/2 makes up most of its mean square, and carries no gradient: at no size below 46 do weights
    keep both. With Xavier's weights a layer multiplies the gradient's norm by 0.24, with He's by 0.32; LayerNorm before
    it makes that 0.39. It vanishes without a single saturated unit: the slope is small everywhere.

    ## When to use
    As a gate, or as the last layer of a binary output (better: none, and a loss that takes logits). Not in hidden
    layers; where it must be, few layers, and the gain 10.15 that its critical point asks for.

    ## References
    - Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010
    - Pennington et al., [Resurrecting the sigmoid in deep learning through dynamical
      isometry](https://arxiv.org/abs/1711.04735), 2017
    """

    name: ClassVar[str] = "sigmoid"
    modules: ClassVar = ("Sigmoid",)
    functions: ClassVar = ("sigmoid", "sigmoid_", "expit")
    ops: ClassVar = ("sigmoid",)
    also: ClassVar = {"logistic": {}}

    def f(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)


@dataclass(frozen=True)
class Hardsigmoid(Activation):
    """
    ## What it is
    y = min(max(x + 3, 0), 6) / 6: three straight pieces near the sigmoid. Its slope is 1/6 between -3 and 3.

    ## Forward and backward at initialization
    As for the sigmoid, its mean outweighs its slope: the only critical point without biases is at mean square 47.
    Beyond +-3 the slope is exactly zero. (In float64 PyTorch multiplies its gradient by 1/6 in float32.)

    ## When to use
    As a cheap gate in networks for mobile devices. Not in hidden layers.

    ## References
    - Howard et al., [Searching for MobileNetV3](https://arxiv.org/abs/1905.02244), 2019
    """

    name: ClassVar[str] = "hardsigmoid"
    modules: ClassVar = ("Hardsigmoid",)
    functions: ClassVar = ("hardsigmoid",)
    ops: ClassVar = ("hardsigmoid",)

    kinks: ClassVar = (-3.0, 3.0)

    def f(self, x: Tensor) -> Tensor:
        return kernel("hardsigmoid", x)
