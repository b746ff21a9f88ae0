"""Targets of mean zero and spread one, with predictions in the script's own units."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from gradmedic.errors import RemedyError
from gradmedic.finding import Finding
from gradmedic.patient import Call, Patient
from gradmedic.recording import Recording
from gradmedic.remedies import Alters, Remedy
from gradmedic.site import Kind

DISTANCES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")


@dataclass(frozen=True)
class StandardizeTargets(Remedy):
    """
    ## What it does
    Trains the network on targets of mean zero and spread one, and scales what it puts out back: predictions
    stay in the script's units. Mean and spread are those of the first batch of targets, fixed afterwards.

    ## When it helps
    When targets come in raw units under a squared error: prices of 300 000 have gradients of their own size
    times the error, which no usual learning rate survives.

    ## How the dose is chosen
    There is none. It needs a model that puts out one tensor, and one of torch's losses: it cannot be given where
    the loss is written by hand.

    ## References
    - LeCun et al., Efficient BackProp, 1998
    """

    name: ClassVar[str] = "standardize-targets"
    cures: ClassVar[tuple[str, ...]] = ("exploding-gradient", "loss-mismatch", "learning-rate-too-high")
    alters: ClassVar[Alters] = Alters.MODEL

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        ends = [s.id for s in recording.sites.values() if s.kind is Kind.LOSS and s.op in DISTANCES]
        highs = [abs(high) for end in ends for _, high in recording.site_series(end, "target_max")]
        if ends and (not highs or max(highs) > 10):
            yield cls()

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        units: list[tuple[Tensor, Tensor]] = []

        def scaled_back(_: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
            if not isinstance(output, Tensor):
                raise RemedyError(
                    "the model puts out several things; which of them is compared to targets is not known"
                )
            return output * units[0][1] + units[0][0] if units else False

        def compared(call: Call) -> Any:
            output, target, *rest = call.args
            if not output.requires_grad:
                return call.proceed()
            first = not units
            if first:
                units.append((target.mean(), target.std().clamp(min=1e-6) if target.numel() > 1 else torch.ones(())))
            mean, spread = units[0]
            output = output if first else (output - mean) / spread
            return replace(call, args=(output, (target - mean) / spread, *rest)).proceed()

        with patient.on_outputs(("",), scaled_back), patient.around_operations(DISTANCES, compared):
            yield

    def code(self) -> str:
        return (
            "# when the data set is made, with the numbers of the training set\n"
            "mean, std = y_train.mean(), y_train.std()\n"
            "y_train = (y_train - mean) / std\n"
            "# and where predictions are wanted in their own units\n"
            "prediction = model(x) * std + mean"
        )
