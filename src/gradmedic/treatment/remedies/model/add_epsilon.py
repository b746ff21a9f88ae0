"""Operands that are kept where a function and its slope are finite."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import log
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from gradmedic.base.errors import RemedyError
from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.operation_names import spots_of
from gradmedic.treatment.patient import FunctionCall, OperationName, Patient
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class AddEpsilon(Remedy):
    """
    ## What it does
    At `sites`, keeps the operand of a logarithm, a root or a fractional power above `epsilon`; a divisor at least
    that far from zero; the operand of acos, asin and atanh that far inside of -1 to 1; that of exp below the
    number where its type overflows.

    ## When it helps
    When a function was called outside of its domain, or at a point where its slope is infinite: log(0), the root
    of 0 in a distance of a thing to itself, acos(1). Where a logarithm is taken of a softmax, the stable form
    is better; where a network's output may be negative, an output that cannot be.

    ## How the dose is chosen
    At the place of the first non-finite value. 1e-6, which float32 tells from 0 and from 1; then 1e-3, since
    slopes near a pole are large.

    ## References
    - Higham, Accuracy and Stability of Numerical Algorithms, 2002
    """

    name: ClassVar[str] = "add-epsilon"
    cures: ClassVar[tuple[str, ...]] = ("non-finite",)
    alters: ClassVar[Alters] = Alters.MODEL
    mends: ClassVar[tuple[str, ...]] = ("non-finite",)

    sites: tuple[str, ...]
    """Where, such as "train.py:15/log"."""

    epsilon: Positive = 1e-6
    """The distance to keep."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if finding.evidence.get("op") in GUARDS:
            named = spots_of(finding, recording)
            if named:
                yield from (cls(named, epsilon) for epsilon in (1e-6, 1e-3))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        for site in self.sites:
            if OperationName.parse(site).op not in GUARDS:
                raise RemedyError(f"{site} is not an operation that an epsilon helps: {', '.join(GUARDS)}")

        def guarded(call: FunctionCall) -> Any:
            return GUARDS[call.op](call, self.epsilon)

        with patient.around_calls(self.sites, guarded):
            yield

    def code(self) -> str:
        lines = []
        for site in self.sites:
            op = site.rpartition("/")[2].partition("#")[0]
            lines += [f"# at {site.rpartition('/')[0]}", CODE.get(op, CODE["log"]).format(op=op, epsilon=self.epsilon)]
        return "\n".join(lines)


def _above(call: FunctionCall, epsilon: float) -> Any:
    least = epsilon - 1 if call.op == "log1p" else epsilon
    return call.on(call.operand.clamp(min=least))


def _power(call: FunctionCall, epsilon: float) -> Any:
    exponent = call.args[1] if len(call.args) > 1 else call.kwargs.get("exponent")
    whole = isinstance(exponent, int) or (isinstance(exponent, float) and exponent.is_integer())
    if whole and isinstance(exponent, int | float) and exponent >= 0:
        return call.proceed()
    return call.on(_away(call.operand, epsilon) if whole else call.operand.clamp(min=epsilon))


def _inside(call: FunctionCall, epsilon: float) -> Any:
    return call.on(call.operand.clamp(epsilon - 1, 1 - epsilon))


def _below(call: FunctionCall, epsilon: float) -> Any:
    return call.on(call.operand.clamp(max=log(torch.finfo(call.operand.dtype).max) - 1))


def _divided(call: FunctionCall, epsilon: float) -> Any:
    """A division; `1 / y` calls a method of the divisor."""
    at = 1 if call.op == "div" else 0
    divisor = call.args[at]
    if not isinstance(divisor, Tensor) or not divisor.is_floating_point():
        return call.proceed()
    return replace(call, args=(*call.args[:at], _away(divisor, epsilon), *call.args[at + 1 :])).proceed()


def _away(x: Tensor, epsilon: float) -> Tensor:
    """The same numbers, none of them nearer to zero."""
    return torch.where(x.abs() < epsilon, torch.where(x < 0, -epsilon, epsilon).to(x.dtype), x)


def _spread(call: FunctionCall, epsilon: float) -> Any:
    """A standard deviation or a norm as a root whose operand is never zero."""
    square = call.proceed().square()
    return (
        (square + epsilon**2).sqrt() if call.op == "norm" else torch.var(*call.args, **call.kwargs).add(epsilon).sqrt()
    )


GUARDS: Mapping[str, Callable[[FunctionCall, float], Any]] = {
    **dict.fromkeys(("log", "log2", "log10", "log1p", "sqrt", "rsqrt"), _above),
    "pow": _power,
    **dict.fromkeys(("acos", "asin", "atanh"), _inside),
    **dict.fromkeys(("exp", "expm1"), _below),
    **dict.fromkeys(("div", "reciprocal"), _divided),
    **dict.fromkeys(("std", "norm"), _spread),
}
CODE: Mapping[str, str] = {
    **dict.fromkeys(("log", "log2", "log10", "sqrt", "rsqrt"), "torch.{op}(x.clamp(min={epsilon:.0e}))"),
    "log1p": "torch.log1p(x.clamp(min={epsilon:.0e} - 1))",
    "pow": "x.clamp(min={epsilon:.0e}) ** exponent",
    **dict.fromkeys(("acos", "asin", "atanh"), "torch.{op}(x.clamp({epsilon:.0e} - 1, 1 - {epsilon:.0e}))"),
    **dict.fromkeys(("exp", "expm1"), "torch.{op}(x.clamp(max=80.0))"),
    **dict.fromkeys(("div", "reciprocal"), "x / (y + {epsilon:.0e})  # for a y that is never negative"),
    "std": "(x.var() + {epsilon:.0e}).sqrt()",
    "norm": "(x.square().sum() + {epsilon:.0e}).sqrt()",
}
