"""What an initialization has changed, and the way back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType

import torch
from torch import Tensor, nn

from gradmedic.base.messages import Message
from gradmedic.prediction.init.change import WeightChange
from gradmedic.prediction.init.table import table

Before = Mapping[str, tuple[nn.Parameter, Tensor]]
"""Parameters with what they were, by names."""


def put_back(before: Before) -> None:
    """Give parameters what they were."""
    with torch.no_grad():
        for parameter, values in before.values():
            parameter.copy_(values)


@dataclass
class Initialized:
    """What an initialization did to a model. Printed, it is a table; `undo` puts everything back bit for bit.

    As a context manager it does that at the end of the block. It holds a copy of all that it has changed, until it
    is gone or has been undone.
    """

    method: str
    how: Message
    """How the uses of weights were found out."""
    changes: tuple[WeightChange, ...] = ()
    _before: Before = field(default_factory=dict, repr=False)

    def undo(self) -> None:
        """Put the weights back to what they were before, whatever has been done to them since."""
        put_back(self._before)
        self._before = {}

    def __enter__(self) -> "Initialized":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def __len__(self) -> int:
        return len(self.changes)

    def __getitem__(self, name: str) -> WeightChange:
        """The change of one weight, by its name."""
        return next(change for change in self.changes if change.name == name)

    def to_text(self, lang: str = "en") -> str:
        """The table, in a language."""
        return table(self.method, self.how, self.changes, lang)

    def __str__(self) -> str:
        return self.to_text()
