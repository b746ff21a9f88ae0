"""Loss scaling: gradients that stay above the smallest number of a narrow type."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch

from gradmedic.base.errors import RemedyError
from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import Patient, PendingBackward
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class ScaleLoss(Remedy):
    """
    ## What it does
    Multiplies the loss by `scale` before each backward pass and divides the gradients of the weights by it
    behind it. Where they overflow, that pass adds nothing, and the scale is halved.

    ## When it helps
    When a network computes in float16 and its gradients fall below 6e-8, where they are rounded to zero. The
    weights must be float32 (as under autocast); in float16 weights the gradients would be rounded all the same.

    ## How the dose is chosen
    65536, where GradScaler begins too; 1024.

    ## References
    - Micikevicius et al., [Mixed Precision Training](https://arxiv.org/abs/1710.03740), 2018
    """

    name: ClassVar[str] = "scale-loss"
    cures: ClassVar[tuple[str, ...]] = ("gradient-underflow",)
    alters: ClassVar[Alters] = Alters.UPDATE

    scale: Positive = 65536.0
    """What the loss is multiplied by at first."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        yield from map(cls, (65536.0, 1024.0))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        now = [self.scale]

        def larger(one: PendingBackward) -> Any:
            if one.higher or one.returns:
                return one.proceed()
            leaves = one.leaves()
            if any(leaf.dtype is torch.float16 for leaf in leaves):
                raise RemedyError("its weights are float16 themselves: scaled back, their gradients are lost again")
            before = [(leaf, leaf.grad) for leaf in leaves]
            given = replace(one, roots=tuple(root * now[0] for root in one.roots)).scaled(1 / now[0])
            if not all(bool(torch.isfinite(leaf.grad).all()) for leaf in leaves if leaf.grad is not None):
                now[0] /= 2
                for leaf, grad in before:
                    leaf.grad = grad
            return given

        with patient.around_backward(larger):
            yield

    def code(self) -> str:
        return (
            f'scaler = torch.amp.GradScaler("cuda", init_scale={self.scale:.0f})\n'
            "# in the place of loss.backward() and optimizer.step()\n"
            "scaler.scale(loss).backward()\n"
            "scaler.step(optimizer)\n"
            "scaler.update()"
        )
