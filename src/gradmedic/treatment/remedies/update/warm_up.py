"""Warm-up: learning rates that begin low."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from torch.optim import Optimizer

from gradmedic.base.value_types import Count
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.learning_rate_doses import is_from_start, run_length
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.scaled_rates import scaled


@dataclass(frozen=True)
class WarmUp(Remedy):
    """
    ## What it does
    Raises all learning rates from near zero to what the script wants, in even steps over the first `steps`
    steps of each optimizer.

    ## When it helps
    When only the first steps are too large: gradients are largest when training begins, and Adam's averages
    know nothing yet. Units that die and weights that are thrown away in the first ten steps stay so.

    ## How the dose is chosen
    A tenth of the run, and a third of it; at least ten steps.

    ## References
    - Goyal et al., [Accurate, Large Minibatch SGD](https://arxiv.org/abs/1706.02677), 2017
    - Liu et al., [On the Variance of the Adaptive Learning Rate and Beyond](https://arxiv.org/abs/1908.03265), 2020
    """

    name: ClassVar[str] = "warm-up"
    cures: ClassVar[tuple[str, ...]] = (
        "loss-spike",
        "learning-rate-too-high",
        "dead-relu",
        "exploding-gradient",
        "saturated-activation",
    )
    alters: ClassVar[Alters] = Alters.UPDATE

    steps: Count
    """Steps until the whole learning rate."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if is_from_start(finding) or not recording.optimizers:
            return
        length = run_length(recording)
        yield from map(cls, dict.fromkeys((max(10, length // 10), max(10, length // 3))))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        made: defaultdict[int, int] = defaultdict(int)

        def warm(optimizer: Optimizer) -> Callable[[], None]:
            made[id(optimizer)] += 1
            return scaled(optimizer, min(1.0, made[id(optimizer)] / self.steps))

        with patient.around_steps(warm):
            yield

    def code(self) -> str:
        return (
            "# behind the line that makes the optimizer\n"
            "warm_up = torch.optim.lr_scheduler.LinearLR(\n"
            f"    optimizer, start_factor={1 / self.steps:.6g}, total_iters={max(1, self.steps - 1)}\n"
            ")\n"
            "# after optimizer.step()\n"
            "warm_up.step()"
        )
