"""bfloat16 in the place of float16."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

import torch

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.patient.dtype_casts import widened
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class UseBfloat16(Remedy):
    """
    ## What it does
    Converts to bfloat16 wherever the script converts to float16, in autocast too.

    ## When it helps
    When float16 is too short at its ends: gradients below 6e-8 become zero, values above 65504 infinite. bfloat16
    has the range of float32, needs no loss scaling, and has three digits fewer in the middle.

    ## How the dose is chosen
    There is none: where something overflowed or underflowed in float16.

    ## References
    - Kalamkar et al., [A Study of BFLOAT16 for Deep Learning Training](https://arxiv.org/abs/1905.12322), 2019
    """

    name: ClassVar[str] = "use-bfloat16"
    cures: ClassVar[tuple[str, ...]] = ("gradient-underflow", "non-finite")
    alters: ClassVar[Alters] = Alters.MODEL

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if any(site.dtype == "float16" for site in recording.sites.values()):
            yield cls()

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        with widened(patient, torch.bfloat16):
            yield

    def code(self) -> str:
        return (
            "with torch.autocast(x.device.type, dtype=torch.bfloat16):\n"
            "    loss = loss_fn(model(x), y)  # needs no GradScaler"
        )
