"""Cut off on both sides: Hardtanh, which `clamp` is too, and ReLU6."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor

from gradmedic.theory.activations import Activation, kernel


@dataclass(frozen=True)
class Hardtanh(Activation):
    """
    ## What it is
    y = x, cut off below `min_val` and above `max_val`; `torch.clamp` is the same.

    ## Forward and backward at initialization
    Linear, without loss, for small inputs; where a unit is cut off its slope is zero on both sides. As for tanh the
    critical point is stable: layers find back to their size by themselves.

    ## When to use
    For quantized or very small networks, and to bound an output. Units beyond the bounds get no gradient: keep
    inputs to it scaled.

    ## References
    - Collobert et al., [Natural language processing (almost) from scratch](https://arxiv.org/abs/1103.0398), 2011
    """

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
    """
    ## What it is
    y = min(max(x, 0), 6): ReLU that low precision can hold.

    ## Forward and backward at initialization
    At initialization it is ReLU: an input of size one exceeds 6 once in a billion. Only for mean squares above about 4
    does the upper bound count.

    ## When to use
    In networks for mobile devices and integer arithmetic. Pixels of 0 to 255 that come in unscaled land above 6, where
    no gradient passes.

    ## References
    - Howard et al., [MobileNets](https://arxiv.org/abs/1704.04861), 2017
    - Sandler et al., [MobileNetV2](https://arxiv.org/abs/1801.04381), 2018
    """

    name: ClassVar[str] = "relu6"
    modules: ClassVar = ("ReLU6",)
    functions: ClassVar = ("relu6",)

    kinks: ClassVar = (0.0, 6.0)

    def f(self, x: Tensor) -> Tensor:
        return kernel("relu6", x)
