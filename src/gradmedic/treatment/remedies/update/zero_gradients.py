"""Gradients that are zeroed at the right time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self
from weakref import ref

from torch import Tensor, nn
from torch.optim import Optimizer

from gradmedic.diagnosis.finding import Finding
from gradmedic.probe.torch_internals import version_of
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import Patient, PendingBackward
from gradmedic.treatment.patient.hooks.wrap import wrapped
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class ZeroGradients(Remedy):
    """
    ## What it does
    Clears the gradients of weights that a step has moved, right before the next backward pass: so that
    each step uses the gradients of its own batches and no others. Several backward passes before one step
    still add up. With `only`, zeroing between a backward pass and its step is ignored.

    ## When it helps
    When nobody zeroes the gradients, or not those of all optimizers, or once per epoch: the step then repeats
    all steps before it. And, with `only`, when they are zeroed right before the step, which then does nothing.

    ## How the dose is chosen
    `only` where the gradients were gone when the optimizer came for them.

    ## References
    - PyTorch, [Zeroing out gradients](https://docs.pytorch.org/tutorials/recipes/recipes/zeroing_out_gradients.html)
    """

    name: ClassVar[str] = "zero-gradients"
    cures: ClassVar[tuple[str, ...]] = ("stale-gradients", "disconnected-parameters")
    alters: ClassVar[Alters] = Alters.UPDATE
    mends: ClassVar[tuple[str, ...]] = ("stale-gradients", "disconnected-parameters")

    only: bool = False
    """Whether the script's own zeroing between a backward pass and its step is ignored."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if finding.rule == "stale-gradients":
            yield cls()
        elif "zeroed" in finding.message.text:
            yield cls(only=True)

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        book = _Book()
        with patient.after_steps(book.stepped), patient.around_backward(book.passing), ExitStack() as wraps:
            if self.only:
                wraps.enter_context(wrapped(Optimizer, "zero_grad", book.unless_waiting))
                wraps.enter_context(wrapped(nn.Module, "zero_grad", book.unless_waiting))
            yield

    def code(self) -> str:
        return "# in the loop, right before loss.backward()\noptimizer.zero_grad()"


class _Book:
    """Which gradients have been used."""

    def __init__(self) -> None:
        self._used: list[Tensor] = []
        self._seen: list[tuple[Any, int | None]] = []  # weights without optimizer, and their version at the last pass
        self._by_hand = True
        self._waiting = False

    def stepped(self, optimizer: Optimizer) -> None:
        self._used += [p for group in optimizer.param_groups for p in group["params"]]
        self._by_hand = self._waiting = False

    def passing(self, one: PendingBackward) -> Any:
        if one.returns:
            return one.proceed()
        if self._by_hand:
            self._used += [p for weak, version in self._seen if (p := weak()) is not None and version_of(p) != version]
        for weight in self._used:
            weight.grad = None
        self._used.clear()
        if self._by_hand:
            self._seen = [(ref(leaf), version_of(leaf)) for leaf in one.leaves()]
        self._waiting = True
        return one.proceed()

    def unless_waiting(self, original: Any) -> Any:
        def zero_grad(owner: Any, *args: Any, **kwargs: Any) -> Any:
            return None if self._waiting else original(owner, *args, **kwargs)

        return zero_grad
