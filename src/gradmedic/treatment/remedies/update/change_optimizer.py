"""Another optimizer in the place of the script's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch.optim import LBFGS, Optimizer

from gradmedic.base.errors import RemedyError
from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.optimizer_names import check_name, optimizer_named
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.patient.hooks.replace_optimizer import exchange
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.scaled_rates import scaled


@dataclass(frozen=True)
class ChangeOptimizer(Remedy):
    """
    ## What it does
    Has the script's optimizers step like `to` does, with a learning rate of `rate` in the place of the one
    that they began with. The optimizer stays the same object, so that schedulers, which go on scaling the rate,
    and everything else that holds it do not notice.

    ## When it helps
    When one learning rate cannot suit all layers because their gradients differ by decades, or when the scale
    of the loss makes any usual rate of plain SGD absurd: Adam divides each gradient by its own size. It lifts
    small gradients as long as they are well above its `eps` of 1e-8.

    ## How the dose is chosen
    AdamW at 1e-3 and 3e-3, for scripts that use SGD.

    ## References
    - Kingma and Ba, [Adam](https://arxiv.org/abs/1412.6980), 2015
    - Loshchilov and Hutter, [Decoupled Weight Decay Regularization](https://arxiv.org/abs/1711.05101), 2019
    """

    name: ClassVar[str] = "change-optimizer"
    cures: ClassVar[tuple[str, ...]] = (
        "learning-rate-too-high",
        "exploding-gradient",
        "vanishing-gradient",
        "learning-rate-too-low",
        "poor-initialization",
    )
    alters: ClassVar[Alters] = Alters.UPDATE

    to: str = "AdamW"
    """A class of torch.optim, such as AdamW or RMSprop, or one that the script imports, such as lion_pytorch.Lion."""

    rate: Positive = 1e-3
    """The learning rate in the place of the first one."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if any(held.name == "SGD" for held in recording.optimizers.values()):
            yield from (cls(rate=rate) for rate in (1e-3, 3e-3, 1e-2))

    def __post_init__(self) -> None:
        check_name(self.to)

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        firsts: dict[int, float] = {}
        undo: list[Callable[[], None]] = []

        def change(optimizer: Optimizer) -> bool:
            if isinstance(optimizer, LBFGS):
                raise RemedyError("LBFGS calls the loss several times in a step; another optimizer cannot take over")
            firsts[id(optimizer)] = _first_rate(optimizer)
            undo.append(_exchanged(optimizer, self.to))
            return True

        def rescale(optimizer: Optimizer) -> Any:
            first = firsts.get(id(optimizer))
            return scaled(optimizer, self.rate / first) if first else None

        try:
            with patient.on_optimizers(change), patient.around_steps(rescale):
                yield
        finally:
            for back in reversed(undo):
                back()

    def code(self) -> str:
        kind = self.to if "." in self.to else f"torch.optim.{self.to}"
        return f"optimizer = {kind}(model.parameters(), lr={self.rate:.3g})"


def _exchanged(optimizer: Optimizer, name: str) -> Callable[[], None]:
    """Have an optimizer step like the one of that name; what is returned takes it back."""
    try:
        return exchange(optimizer, optimizer_named(name))
    except (TypeError, ValueError) as error:  # it has arguments without a default, or wants tensors of another shape
        raise RemedyError(f"{name} cannot take over: {error}") from error


def _first_rate(optimizer: Optimizer) -> float:
    """The learning rate that an optimizer began with, before any scheduler: that is what `rate` stands for."""
    return float(optimizer.param_groups[0].get("initial_lr", optimizer.param_groups[0]["lr"]))
