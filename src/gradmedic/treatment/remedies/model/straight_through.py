"""Steps that pass a gradient as if they were no steps."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.operation_names import spots
from gradmedic.treatment.patient import FunctionCall, Patient
from gradmedic.treatment.remedies import Alters, Remedy

STEPS = ("round", "sign", "sgn", "floor", "ceil", "trunc", "heaviside")


@dataclass(frozen=True)
class StraightThrough(Remedy):
    """
    ## What it does
    Lets the gradient pass round, sign, floor and the like at `sites` unchanged; the values stay those of the
    step.

    ## When it helps
    When something is made discrete in the middle of a network: the slope of a step is zero everywhere, so that
    nothing in front of it learns.

    ## How the dose is chosen
    All such operations of the recording.

    ## References
    - Bengio, Léonard and Courville, [Estimating or Propagating Gradients Through Stochastic
      Neurons](https://arxiv.org/abs/1308.3432), 2013
    """

    name: ClassVar[str] = "straight-through"
    cures: ClassVar[tuple[str, ...]] = ("disconnected-parameters", "vanishing-gradient")
    alters: ClassVar[Alters] = Alters.MODEL
    mends: ClassVar[tuple[str, ...]] = ("disconnected-parameters",)

    sites: tuple[str, ...]
    """Where, such as "train.py:22/round"; `*` stands for one part of a name."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        found = [site for site in recording.sites.values() if site.op in STEPS]
        if found:
            yield cls(spots(recording, found))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def straight(call: FunctionCall) -> Any:
            operand, result = call.operand, call.proceed()
            if not isinstance(operand, Tensor) or call.in_place:
                return result
            return operand + (result - operand).detach()

        with patient.around_calls(self.sites, straight):
            yield

    def code(self) -> str:
        return "q = torch.round(z)\nq = z + (q - z).detach()  # the gradient of z, the value of q"
