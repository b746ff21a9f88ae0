"""Cut off on both sides: Hardtanh, which `clamp` is too, and ReLU6."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor
from torch.nn import functional

from gradmedic.activations import Activation


@dataclass(frozen=True)
class Hardtanh(Activation):
    """PAGE"""

    name: ClassVar[str] = "hardtanh"
    modules: ClassVar = ("Hardtanh",)
    functions: ClassVar = ("hardtanh", "hardtanh_")
    ops: ClassVar = ("hardtanh", "clamp")

    min_val: float = -1.0
    max_val: float = 1.0

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        if "min" in values or "max" in values:  # `clamp`, which may leave either side open
            low, high = values.get("min"), values.get("max")
            return cls(-math.inf if low is None else low, math.inf if high is None else high)
        return cls(values.get("min_val", cls.min_val), values.get("max_val", cls.max_val))

    @property
    def kinks(self) -> tuple[float, ...]:
        return tuple(x for x in (self.min_val, self.max_val) if math.isfinite(x))

    def f(self, x: Tensor) -> Tensor:
        return x.clamp(self.min_val, self.max_val)


@dataclass(frozen=True)
class Relu6(Activation):
    """PAGE"""

    name: ClassVar[str] = "relu6"
    modules: ClassVar = ("ReLU6",)
    functions: ClassVar = ("relu6",)

    kinks: ClassVar = (0.0, 6.0)

    def f(self, x: Tensor) -> Tensor:
        return functional.relu6(x)
