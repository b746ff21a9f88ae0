"""What a model is trained on when the loop is ours: one batch, or batches as they come, and the loss of each."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from gradmedic.base.errors import ProbeError


def loss_of(model: nn.Module, batch: Any, loss_fn: Callable[..., Tensor]) -> Tensor:
    """`loss_fn(model(inputs), target)` of a batch that is a pair, of any other `loss_fn(model, batch)`.

    Raises `ProbeError` if that is not a scalar that depends on a parameter.
    """
    if isinstance(batch, tuple | list) and len(batch) == 2:
        loss = loss_fn(model(batch[0]), batch[1])
    else:
        loss = loss_fn(model, batch)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise ProbeError("loss_fn has to return a tensor with one number; reduce it with .mean() or .sum()")
    if loss.grad_fn is None:
        raise ProbeError("the loss does not depend on any parameter that requires a gradient")
    return loss


def endless(data: Any) -> Iterator[Any]:
    """The one batch again and again, or the batches of a loader, from the start again after the last one."""
    if not is_loader(data):
        while True:
            yield data
    while True:
        empty = True
        for batch in data:
            empty = False
            yield batch
        if empty:
            raise ProbeError("the loader has no batch, or can be gone through only once: give a list or a DataLoader")


def is_loader(data: Any) -> bool:
    """True for what holds several batches; a tensor, a mapping, a tuple and a list of tensors are one batch."""
    if isinstance(data, Tensor | Mapping | tuple | str) or not isinstance(data, Iterable):
        return False
    return not (isinstance(data, list) and any(isinstance(part, Tensor) for part in data))
