"""ReLU: what is positive passes, all else is zero."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Relu(Activation):
    """PAGE"""

    name: ClassVar[str] = "relu"
    modules: ClassVar = ("ReLU",)
    functions: ClassVar = ("relu", "relu_")
    ops: ClassVar = ("relu",)

    kinks: ClassVar = (0.0,)

    def f(self, x: Tensor) -> Tensor:
        return functional.relu(x)
