"""Functions with kinks, split into a broken line that jumps and bends as they do, and what is left."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gradmedic.theory.activations.panels import Function

NEAR = 1e-4
"""How far from a kink one looks at how the functions go on."""
NONE = 1e-9
"""Share of a function's size near zero below which a break is rounding."""


@dataclass(frozen=True)
class Bent:
    """Several functions of one argument (from shape (...) to (functions, ...)) with kinks at the same places."""

    functions: Function
    kinks: tuple[float, ...]
    steps: Tensor
    """How much each function (row) jumps at each kink (column)."""
    ramps: Tensor
    """How much its slope does."""

    @classmethod
    def of(cls, functions: Function, kinks: tuple[float, ...]) -> "Bent":
        """Look at the functions on both sides of their kinks."""
        at = torch.tensor(kinks, dtype=torch.float64, device="cpu")[:, None]
        away = NEAR * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, device="cpu")
        (after, up), (before, down) = _limit(functions(at + away)), _limit(functions(at - away))
        return cls(functions, kinks, after - before, up + down)

    def breaks(self, function: int) -> Iterator[tuple[float, float, float]]:
        """Each kink of one function with the jump and the change of slope there."""
        for kink, step, ramp in zip(
            self.kinks, self.steps[function].tolist(), self.ramps[function].tolist(), strict=True
        ):
            step, ramp = (x if abs(x) > NONE else 0.0 for x in (step, ramp))
            if step or ramp:
                yield kink, step, ramp

    def line(self, x: Tensor) -> Tensor:
        """The broken lines: shape (functions, ...)."""
        rows = []
        for function in range(len(self.steps)):
            row = torch.zeros_like(x)
            for kink, step, ramp in self.breaks(function):
                row = row + (x > kink) * (step + ramp * (x - kink))
            rows.append(row)
        return torch.stack(rows)


def _limit(values: Tensor) -> tuple[Tensor, Tensor]:
    """Value and slope away from a kink, by the parabola through three points."""
    first, second, third = values.unbind(-1)
    return 3 * first - 3 * second + third, (-5 * first + 8 * second - 3 * third) / (2 * NEAR)
