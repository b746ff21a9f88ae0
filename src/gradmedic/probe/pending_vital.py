"""A vital in the making."""

from math import hypot
from typing import Any

from torch import Tensor

from gradmedic.recording.records import Vital


class PendingVital:
    """A vital in the making; `waiting` is a loss that is still on its device."""

    __slots__ = (
        "grad_norm",
        "loss",
        "lr",
        "max_norm",
        "norms",
        "scaler",
        "skipped",
        "step",
        "stream",
        "time",
        "waiting",
    )

    def __init__(self, step: int, stream: int, time: float, scaler: Any) -> None:
        self.step = step
        self.stream = stream
        self.time = time
        self.scaler = scaler
        self.loss: float | None = None
        self.grad_norm: Any = None
        self.max_norm: float | None = None
        self.lr: float | None = None
        self.norms: list[Tensor] = []
        self.skipped: Any = False
        self.waiting: Tensor | None = None

    def vital(self) -> Vital:
        """The finished row, with what is on a device fetched."""
        size = hypot(*map(float, self.norms)) if self.norms else self.grad_norm
        return Vital(
            self.step,
            self.stream,
            self.time,
            self.loss,
            None if size is None else float(size),
            self.max_norm,
            self.lr,
            None if self.scaler is None else self.scaler.get_scale(),
            bool(self.skipped),
        )
