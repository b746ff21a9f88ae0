"""Xavier initialization: weights whose size suits tanh, and layers without an activation."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Self

from torch import Generator

from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.code_places import start_loop
from gradmedic.treatment.patient import FirstUse, Patient
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.weight_draws import blamed, normal, started, table, zero


@dataclass(frozen=True)
class InitXavier(Remedy):
    """
    ## What it does
    Draws weight matrices from N(0, gain² x 2 / (fan-in + fan-out)) before they are used for the first time,
    and sets the biases beside them to zero: a compromise that keeps signals at size on the way forward and
    gradients on the way back, where slopes are near one.

    ## When it helps
    When weights start too large for tanh, sigmoid or attention, which then saturate, or too small, or where
    layers follow one another without any activation. For ReLU take He; for sigmoid nothing keeps a gradient.

    ## How the dose is chosen
    All weight matrices; then only those that the finding names. The gain is one.

    ## References
    - Glorot and Bengio, [Understanding the difficulty of training deep feedforward neural
      networks](https://proceedings.mlr.press/v9/glorot10a.html), 2010
    """

    name: ClassVar[str] = "init-xavier"
    cures: ClassVar[tuple[str, ...]] = (
        "exploding-gradient",
        "saturated-activation",
        "poor-initialization",
        "vanishing-gradient",
    )
    alters: ClassVar[Alters] = Alters.WEIGHTS

    weights: tuple[str, ...] = ()
    """Names of weights, as recordings have them; `*` stands for one part of a name. Empty: all of them."""

    gain: Positive = 1.0
    """Factor on the standard deviation."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        yield from map(cls, blamed(finding, recording))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def draw(weight: FirstUse, generator: Generator) -> None:
            normal(weight.tensor, self.gain * sqrt(2.0), weight.fan_in + weight.fan_out, generator)

        with started(patient, self.weights, {"matrix": draw, "bias": zero, "table": table}):
            yield

    def code(self) -> str:
        draw = f"torch.nn.init.xavier_normal_(weight, gain={self.gain:.4g})"
        return start_loop(self.weights, draw, "torch.nn.init.zeros_(weight)")
