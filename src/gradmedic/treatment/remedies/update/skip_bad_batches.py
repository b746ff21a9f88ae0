"""Steps that are left out because their gradient is not finite."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch.optim import Optimizer

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.clip import gradients, skip
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class SkipBadBatches(Remedy):
    """
    ## What it does
    Leaves a step out if any gradient holds inf or NaN: weights, and the optimizer's averages, stay what they
    were.

    ## When it helps
    When single batches are at fault: a missing value, an empty selection, a row that is masked completely. One
    NaN is enough to make all weights NaN. It is no cure where every batch ends like that.

    ## How the dose is chosen
    There is none.

    ## References
    - Micikevicius et al., [Mixed Precision Training](https://arxiv.org/abs/1710.03740), 2018
    """

    name: ClassVar[str] = "skip-bad-batches"
    cures: ClassVar[tuple[str, ...]] = ("non-finite",)
    alters: ClassVar[Alters] = Alters.UPDATE

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        yield cls()

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        with patient.on_gradients(leave_out):
            yield

    def code(self) -> str:
        return (
            "# in the place of optimizer.step()\n"
            "grads = [p.grad for p in model.parameters() if p.grad is not None]\n"
            "if all(torch.isfinite(grad).all() for grad in grads):\n"
            "    optimizer.step()"
        )


def leave_out(optimizer: Optimizer) -> None:
    """Have the step move nothing if a gradient is not finite."""
    if not all(bool(torch.isfinite(grad).all()) for grad in gradients(optimizer)):
        skip(optimizer)
