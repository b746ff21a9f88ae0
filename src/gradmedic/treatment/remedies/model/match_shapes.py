"""Outputs and targets of one shape, where one has a dimension of one more than the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from torch import Tensor

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import FunctionCall, Patient
from gradmedic.treatment.remedies import Alters, Remedy

COMPARING = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "sub")


@dataclass(frozen=True)
class MatchShapes(Remedy):
    """
    ## What it does
    Where a loss, or the difference that it begins with, compares N numbers of shape (N, 1) with N of shape (N,),
    gives the first the shape of the second. Broadcasting would take all N x N differences.

    ## When it helps
    When a network of one output is trained on a vector of targets and predicts their mean, whatever goes in.

    ## How the dose is chosen
    There is none.

    ## References
    - PyTorch, [Broadcasting semantics](https://docs.pytorch.org/docs/stable/notes/broadcasting.html)
    """

    name: ClassVar[str] = "match-shapes"
    cures: ClassVar[tuple[str, ...]] = ("loss-mismatch",)
    alters: ClassVar[Alters] = Alters.MODEL
    mends: ClassVar[tuple[str, ...]] = ("loss-mismatch",)
    redefines_loss: ClassVar[bool] = True

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if "compared" in finding.evidence:
            yield cls()

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def matched(call: FunctionCall) -> Any:
            first, second, *rest = call.args if len(call.args) > 1 else (None, None)
            if not isinstance(first, Tensor) or not isinstance(second, Tensor) or not _crossed(first, second):
                return call.proceed()
            flat = (one.reshape(-1) for one in (first, second))
            return replace(call, args=(*flat, *rest)).proceed()

        with patient.around_operations(COMPARING, matched):
            yield

    def code(self) -> str:
        return "loss = loss_fn(output.squeeze(1), target)"


def _crossed(first: Tensor, second: Tensor) -> bool:
    """True for a column beside a vector that holds as many numbers, of which one needs a gradient."""
    column, vector = sorted((first, second), key=lambda one: -one.dim())
    fits = column.dim() == 2 and vector.dim() == 1 and column.shape == (vector.shape[0], 1)
    return fits and vector.shape[0] > 1 and (first.requires_grad or second.requires_grad)
