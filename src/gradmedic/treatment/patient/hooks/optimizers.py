"""Which optimizers a script has made, and whether it makes its steps by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from torch.optim import Optimizer

from gradmedic.treatment.patient.hooks.wrap import wrapped


class OptimizerHook:
    """Notes the optimizers that are made while anybody asks."""

    def __init__(self, optimizer: Optimizer | None) -> None:
        self._made: WeakSet[Optimizer] = WeakSet([optimizer] if optimizer is not None else [])

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the optimizers that are made inside of the block."""
        with wrapped(Optimizer, "__init__", self._init):
            yield

    def optimizers(self) -> list[Optimizer]:
        """All that are alive."""
        return list(self._made)

    def _init(self, original: Any) -> Any:
        def init(optimizer: Optimizer, *args: Any, **kwargs: Any) -> None:
            original(optimizer, *args, **kwargs)
            self._made.add(optimizer)

        return init
