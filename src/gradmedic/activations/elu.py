"""Exponential linear units: ELU, CELU, and SELU, which normalizes itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Elu(Activation):
    """PAGE"""

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
        return torch.ops.aten.elu(x, self.alpha, self.scale, self.input_scale)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Celu(Activation):
    """PAGE"""

    name: ClassVar[str] = "celu"
    modules: ClassVar = ("CELU",)
    functions: ClassVar = ("celu", "celu_")
    ops: ClassVar = ("celu",)

    alpha: float = 1.0

    kinks: ClassVar = (0.0,)

    def f(self, x: Tensor) -> Tensor:
        return functional.celu(x, self.alpha)


@dataclass(frozen=True)
class Selu(Activation):
    """PAGE"""

    name: ClassVar[str] = "selu"
    modules: ClassVar = ("SELU",)
    functions: ClassVar = ("selu", "selu_")

    kinks: ClassVar = (0.0,)

    def f(self, x: Tensor) -> Tensor:
        return functional.selu(x)
