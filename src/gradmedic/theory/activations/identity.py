"""The identity: no activation at all."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gradmedic.theory.activations import Activation


@dataclass(frozen=True)
class Identity(Activation):
    """
    ## What it is
    y = x: no activation. A deep network of it is linear, whatever its depth; it is here as the measure for the others.

    ## Forward and backward at initialization
    Weights of variance 1 / fan_in keep signal and gradient, at any size. Over depth the singular values of the whole
    still drift apart unless the weights are orthogonal.

    ## When to use
    On the last layer of a regression, and on branches that end in a sum.

    ## References
    - Saxe et al., [Exact solutions to the nonlinear dynamics of learning in deep linear neural
      networks](https://arxiv.org/abs/1312.6120), 2014
    """

    name: ClassVar[str] = "identity"
    modules: ClassVar = ("Identity",)
    also: ClassVar = {"linear": {}, "none": {}}

    def f(self, x: Tensor) -> Tensor:
        return x
