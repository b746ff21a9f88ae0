"""Learning rates that a schedule can move only so far."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from torch.optim import Optimizer

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.scaled_rates import changed


@dataclass(frozen=True)
class BoundLearningRate(Remedy):
    """
    ## What it does
    Keeps every learning rate between `least` and `most`, whatever the script's schedule makes of it.

    ## When it helps
    When the schedule is the fault: a factor above one that raises the rate until training falls apart, a
    scheduler that is stepped for every batch in place of every epoch, a warm-up that never ends.

    ## How the dose is chosen
    Where the rate was raised: the rate at which the loss was best, and a third of it, as the upper bound.
    Where it was taken away: a third and all of the highest rate that the schedule had, as the lower bound.

    ## References
    - Loshchilov and Hutter, [SGDR](https://arxiv.org/abs/1608.03983), 2017
    """

    name: ClassVar[str] = "bound-learning-rate"
    cures: ClassVar[tuple[str, ...]] = ("learning-rate-too-high", "learning-rate-too-low")
    alters: ClassVar[Alters] = Alters.UPDATE

    least: float = 0.0
    """No learning rate is lower."""

    most: float = 1e9
    """No learning rate is higher."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        best, top = finding.evidence.get("learning_rate_best"), finding.evidence.get("learning_rate")
        if isinstance(best, float):
            yield from (cls(most=float(f"{best * share:.2g}")) for share in (1.0, 0.3, 0.1))
        elif "learning_rate_last" in finding.evidence and isinstance(top, float):
            yield from (cls(least=float(f"{top * share:.2g}")) for share in (0.3, 1.0, 0.1))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def bound(optimizer: Optimizer) -> Callable[[], None]:
            return changed(optimizer, lambda rate: min(max(rate, self.least), self.most))

        with patient.around_steps(bound):
            yield

    def code(self) -> str:
        return (
            "# right before optimizer.step(); better: correct the schedule\n"
            "for group in optimizer.param_groups:\n"
            f'    group["lr"] = min(max(group["lr"], {self.least:.3g}), {self.most:.3g})'
        )
