"""The hyperbolic tangent."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gradmedic.theory.activations import Activation


@dataclass(frozen=True)
class Tanh(Activation):
    """
    ## What it is
    y = tanh(x): odd, between -1 and 1, with slope 1 at zero that goes to zero on both sides.

    ## Forward and backward at initialization
    Its critical points are stable: a layer that is too large gets a smaller slope, and finds back. Gain 1.47 with
    biases of standard deviation 0.39 keeps mean square 1; gain 1 without biases keeps gradients too, while the signal
    fades as 1 / depth. torch's recommended gain of 5/3 lies above: gradients explode slowly.

    ## When to use
    In recurrent networks, in small deep networks with orthogonal weights (near-isometry at small size), and wherever
    outputs have to be bounded and centered.

    ## References
    - LeCun et al., Efficient backprop, 1998
    - Poole et al., [Exponential expressivity in deep neural networks through transient
      chaos](https://arxiv.org/abs/1606.05340), 2016
    - Schoenholz et al., [Deep information propagation](https://arxiv.org/abs/1611.01232), 2017
    """

    name: ClassVar[str] = "tanh"
    modules: ClassVar = ("Tanh",)
    functions: ClassVar = ("tanh", "tanh_")
    ops: ClassVar = ("tanh",)

    def f(self, x: Tensor) -> Tensor:
        return torch.tanh(x)
