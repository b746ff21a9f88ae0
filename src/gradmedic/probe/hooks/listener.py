"""Who hears of what a script asks torch for: backward passes, steps, clipping, scaling."""

from collections.abc import Sequence
from types import FrameType
from typing import Any, Protocol

from torch import Tensor
from torch.optim import Optimizer

from gradmedic.probe.hooks.source_lines import Lines


class Watcher(Protocol):
    """What the seat reports to. Nothing but a deliberate stop may be raised from it."""

    @property
    def lines(self) -> Lines:
        """What notes lines, and rests while gradients are worked out."""

    def begin(self, tensors: Any, inputs: Any, frame: FrameType) -> Any:
        """A backward pass is about to run; what is returned is handed to `end`."""

    def trains(self, outputs: Any, inputs: Sequence[Any], higher: bool) -> bool | None:
        """Whether gradients that `autograd.grad` is asked for are there to move these inputs."""

    def end(self, look: Any, grads: Any = None) -> None:
        """The backward pass has run, or raised."""

    def cut_off(self) -> None:
        """An exception has cut `end` off, a stop for example."""

    def before_step(self, optimizer: Optimizer) -> None:
        """Gradients are complete; weights have not moved."""

    def after_step(self, optimizer: Optimizer) -> None:
        """Weights have moved."""

    def clip(self, parameters: Sequence[Tensor], total: Tensor | None, limit: float, euclidean: bool = False) -> None:
        """The script is about to clip gradients, by a total norm or, if that is None, entry by entry."""

    def scaled(self, loss: Tensor, result: Tensor, scaler: Any) -> None:
        """A GradScaler has scaled a loss."""

    def skipped(self, optimizer: Optimizer) -> None:
        """A GradScaler was asked to step an optimizer and did not."""

    def compiled(self) -> None:
        """The script has called torch.compile."""
