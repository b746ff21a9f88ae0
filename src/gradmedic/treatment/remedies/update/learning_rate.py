"""Another learning rate: all rates of the script, multiplied."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from torch.optim import Optimizer

from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.learning_rate_doses import factors
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.scaled_rates import scaled


@dataclass(frozen=True)
class LearningRate(Remedy):
    """
    ## What it does
    Multiplies every learning rate by `factor`, after the script's own schedule: warm-up and decay keep
    their shape. Where a script makes its steps by hand, its gradients are multiplied instead, which is
    the same for plain gradient descent.

    ## When it helps
    When steps are too large (the loss leaps, units die, weights run off) or too small (nothing moves).

    ## How the dose is chosen
    From the true size of the updates: a thousandth to a hundredth of the weights' size per step is usual,
    and the factor is what is missing to that. Then ten and three times more and less.

    ## References
    - Bengio, [Practical recommendations for gradient-based training of deep
      architectures](https://arxiv.org/abs/1206.5533), 2012
    - Smith, [Cyclical Learning Rates for Training Neural Networks](https://arxiv.org/abs/1506.01186), 2017
    """

    name: ClassVar[str] = "learning-rate"
    cures: ClassVar[tuple[str, ...]] = (
        "learning-rate-too-high",
        "learning-rate-too-low",
        "dead-relu",
        "exploding-gradient",
        "loss-spike",
        "saturated-activation",
        "non-finite",
        "vanishing-gradient",
    )
    alters: ClassVar[Alters] = Alters.UPDATE

    factor: Positive
    """What the script's learning rates are multiplied by."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        yield from map(cls, factors(finding, recording))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def scale(optimizer: Optimizer) -> Callable[[], None]:
            return scaled(optimizer, self.factor)

        with patient.around_steps(scale), patient.scaled_by_hand(self.factor):
            yield

    def code(self) -> str:
        return (
            "# behind the line that makes the optimizer, before any scheduler\n"
            "for group in optimizer.param_groups:\n"
            f'    group["lr"] *= {self.factor:.3g}'
        )
