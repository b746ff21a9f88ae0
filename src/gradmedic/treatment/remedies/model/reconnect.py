"""A graph that was cut, joined again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

import torch

from gradmedic.base.name_patterns import folded
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.patient.graph_cuts import Cuts
from gradmedic.treatment.patient.hooks.wrap import wrapped
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class Reconnect(Remedy):
    """
    ## What it does
    Finds, in the first training step, where the way from the named weights to the loss is cut: a `detach()`, a
    `.data`, a tensor made anew of another one's numbers, a `no_grad()` around a part of the network. From then
    on these lines hand the gradient through. Other uses of detach, in logs or for targets, are left alone.

    ## When it helps
    When a layer is used, and no gradient arrives at it. What was rounded, or has gone through NumPy's own
    functions, `argmax` or `item()`, cannot be joined: that is told.

    ## How the dose is chosen
    The weights that the finding names, at the lines that turn out to cut them off.

    ## References
    - PyTorch, [Autograd mechanics](https://docs.pytorch.org/docs/stable/notes/autograd.html)
    """

    name: ClassVar[str] = "reconnect"
    cures: ClassVar[tuple[str, ...]] = ("disconnected-parameters",)
    alters: ClassVar[Alters] = Alters.MODEL
    mends: ClassVar[tuple[str, ...]] = ("disconnected-parameters",)

    parameters: tuple[str, ...]
    """Names of the weights that get no gradient; `*` stands for one part of a name."""

    lines: tuple[str, ...] = ()
    """Where it is cut, such as "train.py:27". Empty: found in the first step."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if not finding.message.text.startswith(("No gradient arrives at", "The optimizer holds {first}{more} (")):
            return
        owners = {place.name for place in finding.places}
        held = [p for p in recording.parameters.values() if p.requires_grad and p.optimizer is not None]
        cut = tuple(p.name for p in held if p.name in owners or p.name.rpartition(".")[0] in owners)
        if cut:
            yield cls(folded(cut, (held.name for held in recording.parameters.values())))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        cuts = Cuts(patient, self.parameters, self.lines)
        with (
            patient.around_operations((), cuts.look),
            patient.around_modules(cuts.enter, cuts.leave),
            patient.around_backward(cuts.passing),
            wrapped(torch, "from_numpy", cuts.from_numpy),
        ):
            yield

    def code(self) -> str:
        places = f" at {', '.join(self.lines)}" if self.lines else ""
        return f"features = encoder(x)  # without .detach(), .data, torch.tensor(...) and torch.no_grad(){places}"
