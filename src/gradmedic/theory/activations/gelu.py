"""GELU, exact and by tanh, and its sigmoid likeness."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gradmedic.theory.activations import Activation, kernel


@dataclass(frozen=True)
class Gelu(Activation):
    """
    ## What it is
    y = x Phi(x), with the normal distribution function Phi: a smooth rectifier that dips to -0.17. `approximate="tanh"`
    is a formula near it (to 5e-4), which BERT and GPT-2 used.

    ## Forward and backward at initialization
    At mean square 1, gain 1.48 with biases of standard deviation 0.26 keeps signal and gradient, but a deviation in
    size grows by 1.07 a layer; from mean square 4 on it heals. With He's sqrt(2) and no biases the signal collapses at
    some depth. torch's calculate_gain does not know it.

    ## When to use
    In transformers, behind LayerNorm, where its gain hardly matters. In plain deep networks take the critical
    initialization, or ReLU.

    ## References
    - Hendrycks and Gimpel, [Gaussian error linear units](https://arxiv.org/abs/1606.08415), 2016
    - Hayou et al., [On the impact of the activation function on deep neural networks
      training](https://arxiv.org/abs/1902.06853), 2019
    """

    name: ClassVar[str] = "gelu"
    modules: ClassVar = ("GELU",)
    functions: ClassVar = ("gelu",)
    ops: ClassVar = ("gelu",)
    also: ClassVar = {
        name: {"approximate": "tanh"} for name in ("gelu_tanh", "gelu_new", "gelu_fast", "gelu_pytorch_tanh")
    }

    approximate: str = "none"

    def f(self, x: Tensor) -> Tensor:
        return kernel("gelu", x, approximate=self.approximate)


@dataclass(frozen=True)
class QuickGelu(Activation):
    """
    ## What it is
    y = x sigmoid(1.702 x): a formula near GELU (to 0.02) that is cheap.

    ## Forward and backward at initialization
    As GELU: gain 1.49 and bias std 0.25 at mean square 1.

    ## When to use
    To load weights that were trained with it (CLIP). A network trained with GELU is not the same with this.

    ## References
    - Hendrycks and Gimpel, [Gaussian error linear units](https://arxiv.org/abs/1606.08415), 2016
    - Radford et al., [Learning transferable visual models from natural language
      supervision](https://arxiv.org/abs/2103.00020), 2021
    """

    name: ClassVar[str] = "quick_gelu"

    def f(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)
