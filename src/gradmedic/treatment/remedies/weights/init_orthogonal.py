"""Orthogonal recurrent weights: they keep the size of a state over many steps."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Generator

from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.features.structure import recurrent_weights
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.code_places import is_named
from gradmedic.treatment.patient import FirstUse, Patient
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.weight_draws import identity, orthogonal, started


@dataclass(frozen=True)
class InitOrthogonal(Remedy):
    """
    ## What it does
    Draws the hidden-to-hidden matrices of recurrent layers orthogonal (those of gates each for itself) before
    they are used for the first time. All their singular values are then `gain`; a random matrix of the same
    size loses the gradient step by step, one that is twice as large doubles it.

    ## When it helps
    When the gradient vanishes or explodes through time in a plain recurrent layer, or in a cell that is
    written by hand. Gated layers owe more to the bias of their forget gates.

    ## How the dose is chosen
    The weights that the finding names, with a gain of one. A tanh takes some more away: 1.2 for that. ReLU cells,
    which have nothing to bound them, start as the identity, which adds up what comes in.

    ## References
    - Saxe et al., [Exact solutions to the nonlinear dynamics of learning](https://arxiv.org/abs/1312.6120), 2014
    - Le et al., [A Simple Way to Initialize Recurrent Networks of Rectified Linear
      Units](https://arxiv.org/abs/1504.00941), 2015
    """

    name: ClassVar[str] = "init-orthogonal"
    cures: ClassVar[tuple[str, ...]] = ("exploding-gradient", "vanishing-through-time")
    alters: ClassVar[Alters] = Alters.WEIGHTS

    weights: tuple[str, ...] = ()
    """Names of weights, as recordings have them; `*` stands for one part of a name. Empty: all recurrent ones."""

    gain: Positive = 1.0
    """The singular values of the matrices."""

    identity: bool = False
    """Whether the matrices are the identity, times the gain, and not random."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        named = recurrent_weights(finding, recording)
        if finding.rule == "vanishing-through-time":
            yield from (cls(named, gain) for gain in (1.0, 1.2))
        elif "decades_per_step" in finding.evidence:
            bounded = any(site.op in ("tanh", "sigmoid", "lstm", "gru") for site in recording.sites.values())
            yield from (cls(named, 1.0, not bounded), cls(named, 1.0, bounded), cls(named, 0.9))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def draw(weight: FirstUse, generator: Generator) -> None:
            if self.identity:
                identity(weight.tensor, self.gain)
            else:
                orthogonal(weight.tensor, self.gain, generator)

        draws = {"recurrent": draw, "matrix": draw} if self.weights else {"recurrent": draw}
        with started(patient, self.weights, draws):
            yield

    def code(self) -> str:
        if self.identity:
            draw = f"block.copy_({self.gain:.3g} * torch.eye(*block.shape))"
        else:
            draw = f"torch.nn.init.orthogonal_(block, gain={self.gain:.3g})"
        wanted = is_named(self.weights) if self.weights else '"weight_hh" in name'
        imports = "import re\n\n" if any("*" in name for name in self.weights) else ""
        return (
            f"# behind the line that makes the model\n{imports}"
            "for name, parameter in model.named_parameters():\n"
            f"    if {wanted}:\n"
            "        for block in parameter.data.split(parameter.shape[1]):  # each gate for itself\n"
            f"            {draw}"
        )
