"""Weights that start smaller: of an output, or of what residual branches end in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Generator

from gradmedic.base.name_patterns import folded
from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.features.structure import branch_ends, recurrent_weights, weights_of
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.code_places import start_loop
from gradmedic.treatment.patient import FirstUse, Patient
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.weight_draws import started


@dataclass(frozen=True)
class ScaleDown(Remedy):
    """
    ## What it does
    Multiplies the named weights by `factor` before their first use.

    ## When it helps
    When an output layer starts so large that the first loss is many times that of a guess; when residual
    branches without normalization each add as much as there was, so that signals double from block to block;
    when a recurrent net multiplies its state by more than one at every step.

    ## How the dose is chosen
    Residual branches: one over the root of their number, which keeps the sum of L branches at the size of one;
    and 0.1. A layer whose gain the finding tells: so that its gain becomes one. Recurrent weights with which the
    gradient grows from step to step: by as much as it grows in one.

    ## References
    - Zhang et al., [Fixup Initialization](https://arxiv.org/abs/1901.09321), 2019
    - Hanin and Rolnick, [How to Start Training](https://arxiv.org/abs/1803.01719), 2018
    """

    name: ClassVar[str] = "scale-down"
    cures: ClassVar[tuple[str, ...]] = ("exploding-gradient", "poor-initialization")
    alters: ClassVar[Alters] = Alters.WEIGHTS

    weights: tuple[str, ...]
    """Names of weights, as recordings have them; `*` stands for one part of a name."""

    factor: Positive = 0.1
    """What they are multiplied by."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        gain = finding.evidence.get("gain")
        named = weights_of(finding, recording)
        if finding.rule == "poor-initialization":
            if isinstance(gain, float) and gain > 1 and named:
                yield cls(named, float(f"{1 / gain:.2g}"))
            return
        per_step = finding.evidence.get("decades_per_step")
        if isinstance(per_step, float) and per_step > 0:
            yield cls(recurrent_weights(finding, recording), float(f"{10**-per_step:.2g}"))
        ends = branch_ends(recording)
        if len(ends) > 1:
            named = folded(ends, (held.name for held in recording.parameters.values()))
            yield from (cls(named, factor) for factor in dict.fromkeys((round(len(ends) ** -0.5, 2), 0.1)))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def shrink(weight: FirstUse, _: Generator) -> None:
            weight.tensor.mul_(self.factor)

        with started(patient, self.weights, {"matrix": shrink, "recurrent": shrink}):
            yield

    def code(self) -> str:
        return start_loop(self.weights, f"weight.data.mul_({self.factor:.3g})")
