"""Decay: learning rates that fall over the run."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from torch.optim import Optimizer

from gradmedic.base.value_types import Count
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.learning_rate_doses import run_length
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.scaled_rates import scaled


@dataclass(frozen=True)
class DecayLearningRate(Remedy):
    """
    ## What it does
    Halves all learning rates every `half_life` steps of their optimizer, smoothly, on top of the script's own
    schedule.

    ## When it helps
    When a run is sound at first and restless later: spikes that recur, a loss that no longer falls, a
    schedule that raises the rate.

    ## How the dose is chosen
    A quarter of the run: a sixteenth of the rate is left in the end. Then half of the run.

    ## References
    - Loshchilov and Hutter, [SGDR](https://arxiv.org/abs/1608.03983), 2017
    """

    name: ClassVar[str] = "decay-learning-rate"
    cures: ClassVar[tuple[str, ...]] = ("loss-spike", "learning-rate-too-high")
    alters: ClassVar[Alters] = Alters.UPDATE

    half_life: Count
    """Steps in which the learning rate halves."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        length = run_length(recording)
        yield from map(cls, dict.fromkeys((max(10, length // 4), max(10, length // 2))))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        made: defaultdict[int, int] = defaultdict(int)

        def decay(optimizer: Optimizer) -> Callable[[], None]:
            made[id(optimizer)] += 1
            return scaled(optimizer, 0.5 ** ((made[id(optimizer)] - 1) / self.half_life))

        with patient.around_steps(decay):
            yield

    def code(self) -> str:
        gamma = 0.5 ** (1 / self.half_life)
        return (
            "# behind the line that makes the optimizer\n"
            f"decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma={gamma:.6g})\n"
            "# after optimizer.step()\n"
            "decay.step()"
        )
