"""Gradient clipping entry by entry."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch.optim import Optimizer

from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.clip import gradients, scale_of
from gradmedic.treatment.learning_rate_doses import gradient_sizes
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class ClipGradValue(Remedy):
    """
    ## What it does
    Cuts every entry of the gradient off at plus and minus `limit`, before each step.

    ## When it helps
    When single entries run away: an embedding row, one bad sample in a small batch. It changes the
    direction of the gradient; where the whole of it is too large, clipping its norm is the better way.

    ## How the dose is chosen
    Ten times the root mean square of the largest weight gradient at the first captures, which entries of an
    ordinary gradient do not reach; then 1.0 and 0.1.

    ## References
    - Mikolov, Statistical Language Models Based on Neural Networks, 2012
    - PyTorch, [clip_grad_value_](https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_value_.html)
    """

    name: ClassVar[str] = "clip-grad-value"
    cures: ClassVar[tuple[str, ...]] = ("loss-spike", "exploding-gradient")
    alters: ClassVar[Alters] = Alters.UPDATE

    limit: Positive
    """The largest size that an entry may have."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        usual = [10 * size for size in gradient_sizes(recording)[:1] if size < 100]
        for limit in dict.fromkeys(float(f"{one:.1g}") for one in (*usual, 1.0, 0.1)):
            yield cls(limit)

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        @torch.no_grad()
        def clip(optimizer: Optimizer) -> None:
            most = self.limit * scale_of(optimizer)
            for grad in gradients(optimizer):
                grad.clamp_(-most, most)

        with patient.on_gradients(clip):
            yield

    def code(self) -> str:
        return (
            "# after loss.backward(), before optimizer.step()\n"
            f"torch.nn.utils.clip_grad_value_(model.parameters(), clip_value={self.limit:.3g})"
        )
