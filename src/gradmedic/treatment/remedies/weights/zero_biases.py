"""Biases that start at zero."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.weight_draws import started, zero


@dataclass(frozen=True)
class ZeroBiases(Remedy):
    """
    ## What it does
    Sets biases to zero before their first use, the shifts of normalizations included. Weights stay as they are.

    ## When it helps
    When biases hold all units of a layer below zero, so that a ReLU never fires; or hold squashing units at
    their flat ends.

    ## How the dose is chosen
    All biases. There is no network that needs others to begin with, but for the forget gates of an LSTM, and an
    output whose bias is set to the targets' mean.

    ## References
    - Lu et al., [Dying ReLU and Initialization](https://arxiv.org/abs/1903.06733), 2019
    """

    name: ClassVar[str] = "zero-biases"
    cures: ClassVar[tuple[str, ...]] = ("dead-relu", "saturated-activation")
    alters: ClassVar[Alters] = Alters.WEIGHTS

    parameters: tuple[str, ...] = ()
    """Names of biases, as recordings have them; `*` stands for one part of a name. Empty: all of them."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if finding.rank == 1:  # from the start
            yield cls()

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        with started(patient, self.parameters, {"bias": zero, "shift": zero}):
            yield

    def code(self) -> str:
        return (
            "# behind the line that makes the model\n"
            "for name, parameter in model.named_parameters():\n"
            '    if name.endswith("bias"):\n'
            "        torch.nn.init.zeros_(parameter)"
        )
