"""Rules of propagation: what each operation does to signals on the way forward and back.

A rule is a small function in the file of its family, registered under the names of its
operations. It takes a step and the values of its inputs, and returns a `Propagation`: the outputs,
and how gradients pass back. Its docstring says where it comes from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.recurrent.gradient_growth import GradientGrowth
from gradmedic.theory.signals.parameter_law import ParameterLaw
from gradmedic.theory.signals.signal import Signal


@dataclass(frozen=True)
class WeightOperand:
    """A parameter, perhaps reshaped, on its way to where it is applied."""

    law: ParameterLaw
    shape: tuple[int, ...]


Value = Signal | WeightOperand | None
"""None stands for a constant of which nothing is known."""

Grad = Signal | float | None
"""The gradient of a value: of a weight it is the squared norm."""

Back = Callable[[Sequence[Grad]], Sequence[Grad]]
"""From the gradients of a step's outputs to those of its inputs."""


@dataclass(frozen=True)
class Propagation:
    """What a step makes of its inputs, and how gradients come back through it."""

    outputs: tuple[Value, ...]
    back: Back
    told: int = 0
    """So many of the first operands are only told what they send on: what arrives there is counted elsewhere."""
    mixes: int | None = None
    """The operand whose units are mixed by weights drawn at random, which `weight` is."""
    weight: int | None = None
    growth: Callable[[], GradientGrowth] | None = None
    """Of a recurrent step, how gradients grow through time."""
    elastic: tuple[float, ...] = (1.0,)
    """By how many percent the result's mean square grows if an operand's grows by one."""
    bends: tuple[tuple[int, int, float], ...] = ()
    """(to, on, by how much): how many percent more is sent to one operand if another's mean square grows by one."""
    sized: bool = False
    """Whether these are the squares that the operand's units happen to have, not those that its layer gives them."""
    doubt: float = 0.0
    """How far the rule itself may be off: a standard deviation of the logarithm of the square that is sent back."""


class NoRuleError(Exception):
    """An operation, or a use of one, that the theory has no rule for; the message says what is special."""


Rule = Callable[[Step, Sequence[Value]], Propagation]
R = TypeVar("R", bound=Rule)

_RULES: dict[str, Rule] = {}


def rule(*ops: str) -> Callable[[R], R]:
    """Register a function as the rule of some operations."""

    def register(function: R) -> R:
        _RULES.update(dict.fromkeys(ops, function))
        return function

    return register


def rule_of(op: str) -> Rule | None:
    """The rule of an operation, if there is one."""
    _load()
    return _RULES.get(op)


@cache
def _load() -> None:
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")


def signal(value: Value, what: str = "operand") -> Signal:
    """A value that has to be a signal."""
    if not isinstance(value, Signal):
        raise NoRuleError(f"{what} is no signal")
    return value


def came(grad: Grad) -> Signal:
    """A gradient that has to be a signal's."""
    assert isinstance(grad, Signal)
    return grad


def one(output: Value, back: Callable[[Signal], Sequence[Grad]], **more: Any) -> Propagation:
    """The passage of a step with one output; `more` are fields of the passage."""

    def from_all(grads: Sequence[Grad]) -> Sequence[Grad]:
        return back(came(grads[0]))

    return Propagation((output,), from_all, **more)
