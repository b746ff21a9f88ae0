"""Learning rates that are other ones for the length of a step."""

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer


def scaled(optimizer: Optimizer, factor: float) -> Callable[[], None]:
    """Multiply all learning rates of an optimizer; what is returned puts them back."""
    return changed(optimizer, lambda rate: rate * factor)


def changed(optimizer: Optimizer, change: Callable[[Any], Any]) -> Callable[[], None]:
    """Change all learning rates of an optimizer; what is returned puts them back.

    Schedulers compute the next rate from the one that they find, and so must find their own.
    """
    before = [(group, group["lr"]) for group in optimizer.param_groups]
    for group, rate in before:
        group["lr"] = change(rate)

    def put_back() -> None:
        for group, rate in before:
            group["lr"] = rate

    return put_back
