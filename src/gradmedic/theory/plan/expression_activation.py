"""Functions of one element that are written out by hand, such as x * sigmoid(x), as activations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from gradmedic.base.own_gradients import unheard
from gradmedic.theory.activations import Activation
from gradmedic.theory.activations.curve_shape import find_kinks

Function = Callable[[Sequence[Tensor | float], Mapping[str, Any]], Tensor]

_Z = torch.linspace(-8, 8, 3201, dtype=torch.float64)
_WEIGHTS = torch.softmax(-(_Z**2) / 2, 0)


def _unary(function: Callable[[Tensor], Tensor]) -> Function:
    return lambda operands, _: function(torch.as_tensor(operands[0]))


def _power(operands: Sequence[Tensor | float], attributes: Mapping[str, Any]) -> Tensor:
    return torch.as_tensor(operands[0]) ** float(attributes["exponent"])


def _second(operands: Sequence[Tensor | float]) -> Tensor | float:
    return operands[1] if len(operands) > 1 else 0.0


def _other(operands: Sequence[Tensor | float], attributes: Mapping[str, Any]) -> Tensor | float:
    return operands[1] if len(operands) > 1 else float(attributes["other"])


_NAMES = "exp expm1 exp2 log log1p log2 log10 sqrt rsqrt reciprocal abs sin cos erf erfc atan asinh"

FUNCTIONS: dict[str, Function] = {
    "add": lambda x, a: torch.as_tensor(x[0] + float(a.get("alpha", 1)) * _second(x)),
    "sub": lambda x, a: torch.as_tensor(x[0] - float(a.get("alpha", 1)) * _second(x)),
    "rsub": lambda x, a: torch.as_tensor(_second(x) - float(a.get("alpha", 1)) * x[0]),
    "mul": lambda x, a: torch.as_tensor(x[0] * _other(x, a)),
    "div": lambda x, a: torch.as_tensor(x[0] / _other(x, a)),
    "neg": lambda x, a: torch.as_tensor(-x[0]),
    "pow": _power,
    "activation": lambda x, a: a["phi"].f(torch.as_tensor(x[0])),
    **{name: _unary(getattr(torch, name)) for name in _NAMES.split()},
}
"""What can be part of a function that is written out; constants come as numbers."""

AFFINE = {"add", "sub", "rsub", "mul", "div", "neg"}
"""Operations that leave a Gaussian one, unless they take two operands that vary."""

Operand = int | float
"""A position in the program (-1 is what goes in), or a constant."""


@dataclass(frozen=True)
class Instruction:
    """One operation of a program."""

    op: str
    operands: tuple[Operand, ...]
    attributes: tuple[tuple[str, Any], ...] = ()

    def run(self, values: Sequence[Tensor]) -> Tensor:
        """The value of the operation; `values` begins with what went in."""
        given = [values[operand + 1] if isinstance(operand, int) else operand for operand in self.operands]
        return FUNCTIONS[self.op](given, dict(self.attributes))


@dataclass(frozen=True)
class ExpressionProgram(Activation):
    """A program of elementwise operations."""

    name: ClassVar[str] = "written"
    title = "a function that is written out"
    lines: tuple[Instruction, ...]

    def f(self, x: Tensor) -> Tensor:
        values = [x]
        for line in self.lines:
            values.append(line.run(values))
        return values[-1]

    @cached_property
    def kinks(self) -> tuple[float, ...]:
        return find_kinks(self.f)

    def until(self, line: int) -> "ExpressionProgram":
        """The program that ends with a line."""
        return ExpressionProgram(self.lines[: line + 1])

    def gains(self, mean: float, variance: float) -> tuple[list[float], dict[tuple[int, int], float]]:
        """The mean square of the result's slope along every line, and along every operand of it."""
        with torch.enable_grad(), unheard():
            values = [(mean + variance**0.5 * _Z).requires_grad_()]
            passed = dict[tuple[int, int], Tensor]()
            for at, line in enumerate(self.lines):
                local = list(values)
                for slot, operand in enumerate(line.operands):
                    if isinstance(operand, int):
                        passed[at, slot] = local[operand + 1] = values[operand + 1] * 1.0
                # An operand that is used twice keeps the last copy: its two slopes are then taken together.
                values.append(line.run(local))
            keys = list(passed)
            slopes = torch.autograd.grad(values[-1].sum(), [*values[1:], *passed.values()], allow_unused=True)
        squares = [0.0 if s is None else float(_WEIGHTS @ s**2) for s in slopes]
        return squares[: len(self.lines)], dict(zip(keys, squares[len(self.lines) :], strict=True))
