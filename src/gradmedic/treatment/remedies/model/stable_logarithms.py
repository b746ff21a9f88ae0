"""Logarithms of probabilities that cannot overflow or vanish."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import FunctionCall, Patient, PendingBackward
from gradmedic.treatment.patient.tensor_origins import RESHAPES, Origins, TensorOrigin
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class StableLogarithms(Remedy):
    """
    ## What it does
    Computes log(softmax(x)) as a log-softmax, log(sigmoid(x)) and log(1 - sigmoid(x)) as log-sigmoids,
    log(sum(exp(x))) as a logsumexp, and exp(x) / sum(exp(x)) as a softmax, wherever a script writes them in
    parts: the same numbers in exact arithmetic, without the zeros and infinities in between.

    ## When it helps
    When a loss is written by hand and ends in NaN: the softmax of a sure network rounds to 0 where logits differ
    by 104, exp overflows at 88.7, and 0 times log(0) is NaN.

    ## How the dose is chosen
    There is none: for a log, exp or division that made the first non-finite value.

    ## References
    - Blanchard, Higham and Higham, [Accurately Computing the Log-Sum-Exp and Softmax
      Functions](https://doi.org/10.1093/imanum/draa038), 2021
    """

    name: ClassVar[str] = "stable-logarithms"
    cures: ClassVar[tuple[str, ...]] = ("non-finite",)
    alters: ClassVar[Alters] = Alters.MODEL
    mends: ClassVar[tuple[str, ...]] = ("non-finite",)

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if finding.evidence.get("op") in ("log", "log2", "log10", "log1p", "exp", "div", "reciprocal", "sum"):
            yield cls()

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        book = _Book(Origins())

        def forgetting(one: PendingBackward) -> Any:
            book.origins.clear()
            return one.proceed()

        with (
            patient.around_operations(("softmax", "sigmoid", "exp"), book.made),
            patient.around_operations(tuple(RESHAPES), book.reshaped),
            patient.around_operations(("sub", "rsub"), book.complement),
            patient.around_operations(("sum",), book.summed),
            patient.around_operations(("log",), book.logarithm),
            patient.around_operations(("div",), book.divided),
            patient.around_backward(forgetting),
        ):
            yield

    def code(self) -> str:
        return (
            "# in the place of log(softmax(x)), log(sigmoid(x)), log(exp(x).sum())\n"
            "log_p = torch.log_softmax(x, dim=1)\n"
            "log_p = torch.nn.functional.logsigmoid(x)  # log(1 - sigmoid(x)) is logsigmoid(-x)\n"
            "log_total = torch.logsumexp(x, dim=1)"
        )


@dataclass
class _Book:
    """What the probabilities of the running pass were made of."""

    origins: Origins

    def made(self, call: FunctionCall) -> Any:
        operand, result = call.operand, call.proceed()
        if isinstance(operand, Tensor) and not call.in_place:
            dim = call.kwargs.get("dim", call.args[1] if len(call.args) > 1 else None)
            self.origins.note(result, TensorOrigin(call.op, operand, dim if isinstance(dim, int) else None))
        return result

    def reshaped(self, call: FunctionCall) -> Any:
        result = call.proceed()
        self.origins.carry(call, result)
        return result

    def complement(self, call: FunctionCall) -> Any:
        """1 - sigmoid(x)."""
        result = call.proceed()
        first, second = (*call.args, None)[:2]
        if "rsub" in getattr(call.func, "__name__", ""):
            first, second = second, first
        origin = self.origins.of(second)
        if origin is not None and origin.op == "sigmoid" and isinstance(first, int | float) and first == 1:
            self.origins.note(result, replace(origin, op="one-minus-sigmoid"))
        return result

    def summed(self, call: FunctionCall) -> Any:
        """The sum of exponentials."""
        result, origin = call.proceed(), self.origins.of(call.operand)
        dim = call.kwargs.get("dim", call.args[1] if len(call.args) > 1 else None)
        if origin is not None and origin.op == "exp" and isinstance(dim, int):
            keep = bool(call.kwargs.get("keepdim", call.args[2] if len(call.args) > 2 else False))
            self.origins.note(result, TensorOrigin("sum-of-exp", origin.before(), dim, (_Kept(dim, keep),)))
        return result

    def logarithm(self, call: FunctionCall) -> Any:
        origin = self.origins.of(call.operand)
        if origin is None:
            return call.proceed()
        if origin.op == "sum-of-exp":
            return origin.reshaped(torch.logsumexp(origin.source, origin.dim or 0, keepdim=True))
        logarithm = origin.logarithm()
        return call.proceed() if logarithm is None else logarithm

    def divided(self, call: FunctionCall) -> Any:
        """exp(x) over the sum of the same."""
        above, below = (self.origins.of(one) for one in (*call.args, None)[:2])
        whole = above is not None and below is not None and above.op == "exp" and below.op == "sum-of-exp"
        if not whole or above is None or below is None or above.source is not below.source or above.reshapes:
            return call.proceed()
        result = torch.softmax(above.source, below.dim or 0)
        self.origins.note(result, TensorOrigin("softmax", above.source, below.dim))
        return result


@dataclass(frozen=True)
class _Kept:
    """Drops the dimension that a sum has gone along, unless it was kept."""

    dim: int
    keep: bool

    def __call__(self, x: Tensor) -> Tensor:
        return x if self.keep else x.squeeze(self.dim)
