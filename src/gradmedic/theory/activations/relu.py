"""ReLU: what is positive passes, all else is zero."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gradmedic.theory.activations import Activation


@dataclass(frozen=True)
class Relu(Activation):
    """
    ## What it is
    y = max(x, 0). Half of the units are silent for a random input; where a unit is silent its slope is zero, and at
    x = 0 too, in PyTorch.

    ## Forward and backward at initialization
    It keeps half of the mean square and half of the squared gradient, at any size: gain sqrt(2) serves both, with
    biases of zero (He et al.). PyTorch's default for linear layers is smaller by sqrt(6): each layer divides the
    gradient's norm by 2.4. As no size is preferred, sizes drift at random over depth: the variance of the squared
    gradient's logarithm is 5 depth / width.

    ## When to use
    The default of convolutional networks. In plain deep networks initialize with He's variance; watch for units that
    are silent for every sample (`dead-relu`), which large steps and negative biases cause.

    ## References
    - Glorot et al., Deep sparse rectifier neural networks, 2011
    - He et al., [Delving deep into rectifiers](https://arxiv.org/abs/1502.01852), 2015
    - Hanin and Nica, [Products of many large random matrices and gradients in deep neural
      networks](https://arxiv.org/abs/1812.05994), 2020
    """

    name: ClassVar[str] = "relu"
    modules: ClassVar = ("ReLU",)
    functions: ClassVar = ("relu", "relu_")
    ops: ClassVar = ("relu",)

    kinks: ClassVar = (0.0,)

    def f(self, x: Tensor) -> Tensor:
        return torch.relu(x)
