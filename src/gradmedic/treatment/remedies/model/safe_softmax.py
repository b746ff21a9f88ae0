"""A softmax that gives zeros where everything is masked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.operation_names import spots_of
from gradmedic.treatment.patient import FunctionCall, Patient
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class SafeSoftmax(Remedy):
    """
    ## What it does
    At `sites`, gives rows that are masked completely (all -inf) the weight zero everywhere, with a gradient of
    zero, in the place of 0 / 0. All other rows are what they were.

    ## When it helps
    When attention meets an empty document, a padded query, or a mask that leaves a position nothing to look at.
    One such row makes the loss NaN, and with the next step all weights.

    ## How the dose is chosen
    At the softmax that made the first non-finite value.

    ## References
    - PyTorch, [scaled_dot_product_attention](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html)
    """

    name: ClassVar[str] = "safe-softmax"
    cures: ClassVar[tuple[str, ...]] = ("non-finite",)
    alters: ClassVar[Alters] = Alters.MODEL
    mends: ClassVar[tuple[str, ...]] = ("non-finite",)

    sites: tuple[str, ...]
    """Where, such as "train.py:21/softmax"; `*` stands for one part of a name."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if finding.evidence.get("op") == "softmax" and (named := spots_of(finding, recording)):
            yield cls(named)

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def safe(call: FunctionCall) -> Any:
            scores: Tensor = call.operand
            dim = call.kwargs.get("dim", call.args[1] if len(call.args) > 1 else -1)
            empty = torch.isneginf(scores).all(dim if isinstance(dim, int) else -1, keepdim=True)
            return call.on(scores.masked_fill(empty, 0.0)).masked_fill(empty, 0.0)

        with patient.around_calls(self.sites, safe):
            yield

    def code(self) -> str:
        return (
            "empty = torch.isneginf(scores).all(-1, keepdim=True)\n"
            "weights = torch.softmax(scores.masked_fill(empty, 0.0), dim=-1).masked_fill(empty, 0.0)"
        )
