"""He initialization: weights whose size suits ReLU."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
class InitHe(Remedy):
    """
    ## What it does
    Draws weight matrices from N(0, gain² / fan-in) before they are used for the first time, and sets the
    biases beside them to zero. With a gain of √2 a ReLU layer hands on signals, and gradients, at the size
    that they came with. Embeddings whose entries are lost (under 0.001) or huge are drawn too.

    ## When it helps
    When weights start too small or too large for ReLU and its relatives, all alike, or with biases that
    keep units silent. PyTorch's default has a gain of 0.58, with which each ReLU layer passes on 0.41 of
    the gradient. It does not help weights that were trained: loaded ones are refused.

    ## How the dose is chosen
    All weight matrices; then only those of the layers that the finding names. The gain is √2, which is right
    for ReLU.

    ## References
    - He et al., [Delving Deep into Rectifiers](https://arxiv.org/abs/1502.01852), 2015
    """

    name: ClassVar[str] = "init-he"
    cures: ClassVar[tuple[str, ...]] = (
        "poor-initialization",
        "exploding-gradient",
        "dead-relu",
        "vanishing-gradient",
        "saturated-activation",
    )
    alters: ClassVar[Alters] = Alters.WEIGHTS

    weights: tuple[str, ...] = ()
    """Names of weights, as recordings have them; `*` stands for one part of a name. Empty: all of them."""

    gain: Positive = 2.0**0.5
    """Standard deviation x root of the fan-in."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        yield from map(cls, blamed(finding, recording))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def draw(weight: FirstUse, generator: Generator) -> None:
            normal(weight.tensor, self.gain, weight.fan_in, generator)

        with started(patient, self.weights, {"matrix": draw, "bias": zero, "table": table}):
            yield

    def code(self) -> str:
        draw = f"torch.nn.init.normal_(weight, std={self.gain:.4g} / weight[0].numel() ** 0.5)"
        return start_loop(self.weights, draw, "torch.nn.init.zeros_(weight)")
