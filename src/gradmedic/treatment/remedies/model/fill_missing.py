"""Missing values in the data, filled."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class FillMissing(Remedy):
    """
    ## What it does
    Replaces NaN and infinities in what the script gives its outermost modules by `value`.

    ## When it helps
    When the data set has missing values, or columns that were divided by a spread of zero: a single one makes
    all weights NaN.

    ## How the dose is chosen
    Zero, which is the mean of standardized data.

    ## References
    - Little and Rubin, Statistical Analysis with Missing Data, 2019
    """

    name: ClassVar[str] = "fill-missing"
    cures: ClassVar[tuple[str, ...]] = ("non-finite",)
    alters: ClassVar[Alters] = Alters.MODEL
    mends: ClassVar[tuple[str, ...]] = ("non-finite",)

    value: float = 0.0
    """What stands for a missing value."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if finding.evidence.get("phase") == "input":
            yield cls()

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        with patient.on_inputs(self._fill):
            yield

    def _fill(self, _: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        wanted = [isinstance(one, Tensor) and one.is_floating_point() and not one.requires_grad for one in args]
        if not any(wanted):
            return None
        return tuple(
            torch.where(torch.isfinite(one), one, self.value) if is_wanted else one
            for one, is_wanted in zip(args, wanted, strict=True)
        )

    def code(self) -> str:
        return (
            "# when the data set is made\n"
            f"x = torch.nan_to_num(x, nan={self.value:.3g}, posinf={self.value:.3g}, neginf={self.value:.3g})"
        )
