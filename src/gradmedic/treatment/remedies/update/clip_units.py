"""Adaptive gradient clipping: each unit's gradient by the size of that unit's weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from torch.optim import Optimizer

from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.clip import clip_units, scale_of
from gradmedic.treatment.learning_rate_doses import is_from_start
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class ClipUnits(Remedy):
    """
    ## What it does
    Scales the gradient of each output unit down to `ratio` times the norm of that unit's own weights. Units
    are rows of a weight matrix and filters of a convolution; what starts at zero may move by a thousandth.

    ## When it helps
    When layers differ by decades, so that one limit for all is too high for some and too low for others:
    deep networks without normalization, large steps on raw inputs. It bounds what a step can do to a unit.

    ## How the dose is chosen
    0.01 is the authors' choice for large batches; 0.1 lets more through.

    ## References
    - Brock et al., [High-Performance Large-Scale Image Recognition Without
      Normalization](https://arxiv.org/abs/2102.06171), 2021
    """

    name: ClassVar[str] = "clip-units"
    cures: ClassVar[tuple[str, ...]] = ("loss-spike", "dead-relu", "exploding-gradient")
    alters: ClassVar[Alters] = Alters.UPDATE

    ratio: Positive = 0.01
    """The largest gradient of a unit over the size of its weights."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if is_from_start(finding) or not recording.optimizers:
            return
        yield from map(cls, (0.01, 0.1))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def clip(optimizer: Optimizer) -> None:
            held = (p for group in optimizer.param_groups for p in group["params"])
            clip_units(held, self.ratio * scale_of(optimizer))

        with patient.on_gradients(clip):
            yield

    def code(self) -> str:
        return (
            "# behind the line that makes the optimizer\n"
            "import gradmedic as gm\n\n"
            f"clip = gm.clip.units(optimizer, ratio={self.ratio:.3g})"
        )
