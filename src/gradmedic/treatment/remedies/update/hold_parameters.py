"""The missing parameters, given to the optimizer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from torch import Tensor
from torch.optim import Optimizer

from gradmedic.base.name_patterns import folded
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import Patient, PendingBackward
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class HoldParameters(Remedy):
    """
    ## What it does
    Adds the named parameters to the optimizer that makes the first step after a gradient has reached them, with
    the options of its first group. They stay where they are: layers in a plain list work too, and those that
    were made after the optimizer.

    ## When it helps
    When the gradient arrives but no optimizer holds the weights: layers that `parameters()` does not see, one
    of two models forgotten, a layer or a whole model replaced after the optimizer was made.

    ## How the dose is chosen
    All parameters that the finding names.

    ## References
    - PyTorch, [ModuleList](https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html)
    """

    name: ClassVar[str] = "hold-parameters"
    cures: ClassVar[tuple[str, ...]] = ("disconnected-parameters",)
    alters: ClassVar[Alters] = Alters.UPDATE
    mends: ClassVar[tuple[str, ...]] = ("disconnected-parameters",)

    parameters: tuple[str, ...]
    """Names of parameters, with `*` for one part of a name."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        owners = {place.name for place in finding.places}
        lost = [p for p in recording.parameters.values() if p.requires_grad and p.optimizer is None]
        named = tuple(p.name for p in lost if p.name in owners or p.name.rpartition(".")[0] in owners)
        if named and ("No optimizer holds" in finding.message.text or "old tensors" in finding.message.text):
            yield cls(folded(named, (held.name for held in recording.parameters.values())))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        book = _Book(patient, self.parameters)
        try:
            with patient.around_backward(book.passing), patient.on_gradients(book.hold):
                yield
        finally:
            book.undo()

    def code(self) -> str:
        owners = ", ".join(dict.fromkeys(name.rpartition(".")[0] or name for name in self.parameters))
        return (
            f"# missing: {owners}. Layers in a list or dict belong into nn.ModuleList or nn.ModuleDict;\n"
            "# make the optimizer when the network is complete, with the parameters of all its parts\n"
            "optimizer = type(optimizer)(model.parameters(), **optimizer.defaults)"
        )


@dataclass
class _Book:
    """Which of the wanted parameters have been found, and where they were added."""

    patient: Patient
    wanted: tuple[str, ...]
    found: list[Tensor] = field(default_factory=list)
    added: list[tuple[Optimizer, Tensor]] = field(default_factory=list)
    known: set[int] = field(default_factory=set)

    def passing(self, one: PendingBackward) -> Any:
        for leaf in one.leaves():
            if id(leaf) not in self.known:
                self.known.add(id(leaf))
                if self.patient.is_one_of(leaf, self.wanted):
                    self.found.append(leaf)
        return one.proceed()

    def hold(self, optimizer: Optimizer) -> bool:
        """True where something was added."""
        if not self.found:
            return False
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        fresh = [p for p in self.found if id(p) not in held]
        self.found.clear()
        optimizer.param_groups[0]["params"] += fresh  # schedulers do not bear a new group
        self.added += [(optimizer, p) for p in fresh]
        return bool(fresh)

    def undo(self) -> None:
        for optimizer, parameter in self.added:
            group = optimizer.param_groups[0]
            group["params"][:] = [p for p in group["params"] if p is not parameter]
            optimizer.state.pop(parameter, None)
