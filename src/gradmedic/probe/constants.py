"""What a forward pass adds, multiplies and masks with, where autograd keeps no trace of it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gradmedic.probe.intervals import current_number
from gradmedic.theory.laws import Law, measured

_NOTED = {"add", "add_", "sub", "sub_", "rsub", "mul", "mul_", "div", "div_", "where", "masked_fill", "masked_fill_"}

Constant = tuple[Law, tuple[int, ...]]
"""What the entries are like, and the shape."""


class Constants(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the operands without a gradient, by the sequence number of the node that autograd makes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.noted: dict[int, dict[int, Constant]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.partition("::")[2]
        if name in _NOTED and torch.is_grad_enabled() and any(_carries(arg) for arg in args):
            found = {slot: constant_of(arg) for slot, arg in enumerate(_operands(name, args)) if not _carries(arg)}
            if found:
                self.noted[current_number() - 1] = found
        return out

    def of(self, sequence: int) -> Mapping[int, Constant]:
        """The constants of a node, by the position of the operand."""
        return self.noted.get(sequence, {})


def _operands(name: str, args: Any) -> tuple[Any, ...]:
    """The operands in the order of the node's inputs: a condition and a mask are none."""
    if name == "where":
        return tuple(args[1:3])
    return (args[0], args[2]) if name.startswith("masked_fill") else tuple(args[:2])


def _carries(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def constant_of(value: Any) -> Constant:
    """The law of a number, or of the finite entries of a tensor."""
    if not isinstance(value, Tensor):
        return Law(float(value), float(value) ** 2), ()
    if value.is_floating_point() and not value.is_meta:
        value = value[value.isfinite()] if not bool(value.isfinite().all()) else value
    return measured(value, certain=True), tuple(value.shape)
