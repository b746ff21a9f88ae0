"""The logistic sigmoid, and its piecewise linear likeness."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Sigmoid(Activation):
    """PAGE"""

    name: ClassVar[str] = "sigmoid"
    modules: ClassVar = ("Sigmoid",)
    functions: ClassVar = ("sigmoid", "sigmoid_", "expit")
    ops: ClassVar = ("sigmoid",)
    also: ClassVar = {"logistic": {}}

    def f(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)


@dataclass(frozen=True)
class Hardsigmoid(Activation):
    """PAGE"""

    name: ClassVar[str] = "hardsigmoid"
    modules: ClassVar = ("Hardsigmoid",)
    functions: ClassVar = ("hardsigmoid",)
    ops: ClassVar = ("hardsigmoid",)

    kinks: ClassVar = (-3.0, 3.0)

    def f(self, x: Tensor) -> Tensor:
        return functional.hardsigmoid(x)
