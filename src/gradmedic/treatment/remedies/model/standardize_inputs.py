"""Inputs of mean zero and spread one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from gradmedic.base.errors import RemedyError
from gradmedic.diagnosis.features.structure import input_size, streams_of
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy

BATCHES = 8
"""Batches that mean and spread are taken from."""
FLAT = 0.05
"""The least spread of a feature, as a share of the typical one: a pixel that is nearly always black is no
feature to blow up."""


@dataclass(frozen=True)
class StandardizeInputs(Remedy):
    """
    ## What it does
    Subtracts the mean from what the script gives its outermost modules, and divides by the spread: numbers of
    the first eight batches, fixed afterwards, for training and evaluation alike. `per` says of what: "all" has
    one mean and spread for all entries, "feature" those of each column (channel, in images); "largest" subtracts
    nothing and divides by the largest entry, as pixels are by 255. Whole numbers, such as token ids, are left
    alone, and so is what another network has computed.

    ## When it helps
    When inputs come in raw units: pixels of 0 to 255, prices, kelvins. The first layer then saturates what
    follows, or its gradient is as much larger as its inputs, and the first step throws the weights away.

    ## How the dose is chosen
    One mean and spread for all first, as for series; then the largest entry, as for images, and each column its
    own, as for tables.

    ## References
    - LeCun et al., Efficient BackProp, 1998
    """

    name: ClassVar[str] = "standardize-inputs"
    cures: ClassVar[tuple[str, ...]] = ("saturated-activation", "dead-relu", "exploding-gradient")
    alters: ClassVar[Alters] = Alters.MODEL

    per: str = "all"
    """all, largest or feature."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        told = finding.evidence.get("input_rms")
        size = told if isinstance(told, float) else input_size(recording, streams_of(finding, recording))
        if 0.3 < size < 3.0:
            return  # they are well as they are
        yield from map(cls, ("all", "largest", "feature"))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        if self.per not in ("all", "largest", "feature"):
            raise RemedyError(f"standardize-inputs goes by all, largest or feature, not by {self.per!r}")
        held: WeakKeyDictionary[nn.Module, dict[int, _Scale]] = WeakKeyDictionary()

        def standardize(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
            scales = held.setdefault(module, {})
            changed = tuple(self._scaled(scales, at, value) for at, value in enumerate(args))
            return changed if any(new is not old for new, old in zip(changed, args, strict=True)) else None

        with patient.on_inputs(standardize):
            yield

    def _scaled(self, scales: "dict[int, _Scale]", at: int, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.dim() < 2:
            return value
        if value.requires_grad:
            if at in scales:
                raise RemedyError("the same network takes data at one time and what another one computes at another")
            return value
        return scales.setdefault(at, _Scale(self.per)).of(value)

    def code(self) -> str:
        if self.per == "largest":
            return (
                "# when the data set is made, with the number of the training set\n"
                "largest = x_train.abs().max()\n"
                "x_train, x_test = x_train / largest, x_test / largest"
            )
        dims = "0" if self.per == "feature" else ""
        return (
            "# when the data set is made, with the numbers of the training set\n"
            f"mean, std = x_train.mean({dims}), x_train.std({dims}).clamp(min=1e-6)\n"
            "x_train, x_test = (x_train - mean) / std, (x_test - mean) / std"
        )


class _Scale:
    """Mean and spread of the first batches."""

    def __init__(self, per: str) -> None:
        self._per_feature, self._by_largest = per == "feature", per == "largest"
        self._batches, self._largest = 0, 0.0
        self._mean: Tensor = torch.tensor(0.0)
        self._square: Tensor = torch.tensor(0.0)

    @torch.no_grad()
    def of(self, x: Tensor) -> Tensor:
        """The batch, standardized."""
        if self._batches < BATCHES:
            seen = torch.nan_to_num(x.detach(), posinf=0.0, neginf=0.0).double()
            dims = tuple(d for d in range(x.dim()) if d != self._axis(x)) if self._per_feature else None
            self._batches += 1
            self._largest = max(self._largest, float(seen.abs().max()))
            self._mean = self._mean + (seen.mean(dims, keepdim=True) - self._mean) / self._batches
            self._square = self._square + (seen.square().mean(dims, keepdim=True) - self._square) / self._batches
        if self._by_largest:
            return x / max(self._largest, 1e-6)
        spread = (self._square - self._mean.square()).clamp(min=0).sqrt()
        least = FLAT * spread.max() if self._per_feature else spread.max() * 0
        return ((x - self._mean) / torch.maximum(spread, least).clamp(min=1e-6)).to(x.dtype)

    def _axis(self, x: Tensor) -> int:
        return 1 if x.dim() > 3 else x.dim() - 1
