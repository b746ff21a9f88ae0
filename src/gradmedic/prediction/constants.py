"""What a forward pass adds, multiplies and masks with, where autograd keeps no trace of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gradmedic.base.interruption import let_through
from gradmedic.base.storage import is_readable
from gradmedic.prediction.dispatch_mode import Dispatched
from gradmedic.probe.torch_internals import current_number
from gradmedic.theory.plan.plan import Constant
from gradmedic.theory.signals.parameter_law import ParameterLaw, measured

_NOTED = {
    "cat",
    "stack",
    "add",
    "add_",
    "sub",
    "sub_",
    "rsub",
    "mul",
    "mul_",
    "div",
    "div_",
    "where",
    "masked_fill",
    "masked_fill_",
}

LOW = -1e4
"""What is below counts as a mask: softmax makes nothing of it."""


class Constants(Dispatched):
    """Notes the operands without a gradient, by the sequence number of the node that autograd makes."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: dict[int, dict[int, Constant]] = {}
        self.written: dict[int, tuple[str, int]] = {}
        """Operations in place: what each does, and to how many entries, by the sequence number of its node."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.name().partition("::")[2].partition(".")[0]
        if name.endswith("_") and torch.is_grad_enabled() and args and isinstance(args[0], Tensor):
            self.written[current_number() - 1] = (name.removesuffix("_"), args[0].numel())
        if name in _NOTED and torch.is_grad_enabled() and any(map(_carries, _operands(name, args))):
            try:
                self._note(name, args)
            except Exception as error:  # what cannot be read is unknown, and nothing that stops a forward pass
                let_through(error)
        return out

    def _note(self, name: str, args: Any) -> None:
        operands = enumerate(_operands(name, args))
        found = {slot: constant_of(arg, name, slot) for slot, arg in operands if not _carries(arg)}
        if name.startswith("masked_fill") and 1 in found:
            found[1] = replace(found[1], hidden=_covered(args[1]) if found[1].hidden else 0.0)
        if found:
            self.noted[current_number() - 1] = found

    def of(self, sequence: int) -> Mapping[int, Constant]:
        """The constants of a node, by the position of the operand."""
        return self.noted.get(sequence, {})


def _operands(name: str, args: Any) -> tuple[Any, ...]:
    """The operands in the order of the node's inputs: a condition and a mask are none."""
    if name in ("cat", "stack"):
        return tuple(args[0])
    if name == "where":
        return tuple(args[1:3])
    return (args[0], args[2]) if name.startswith("masked_fill") else tuple(args[:2])


def _carries(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _covered(mask: Any) -> float:
    """The share of entries that a mask covers; of one that cannot be read, half."""
    if not isinstance(mask, Tensor) or not is_readable(mask):
        return 0.5
    return float(mask.double().mean())


def _kept_samples(value: Tensor) -> float | None:
    """By how much the kept samples are multiplied where a mask drops a branch for whole samples (stochastic depth)."""
    if value.dim() < 2 or value.numel() != value.shape[0] or value.numel() < 2:
        return None
    largest = float(value.max())
    only = bool(((value == 0) | (value == largest)).all())
    return largest if only and largest > 1 and float(value.min()) == 0 else None


def constant_of(value: Any, name: str = "", slot: int = 0) -> Constant:
    """The law of a number, or of the entries of a tensor that are no mask; of a divisor that of its reciprocal."""
    if name.startswith("div") and slot == 1:
        return constant_of(value.reciprocal() if isinstance(value, Tensor) else 1.0 / value)
    if not isinstance(value, Tensor):
        hidden = 1.0 if float(value) < LOW else 0.0
        return Constant(ParameterLaw(float(value), float(value) ** 2), (), hidden)
    if not value.is_floating_point() or not value.numel() or not is_readable(value):
        return Constant(measured(value, certain=True), tuple(value.shape))
    if (kept := _kept_samples(value)) is not None:
        return Constant(ParameterLaw(1.0, kept), tuple(value.shape))
    low = value < LOW
    share = float(low.double().mean())
    law = measured(value[~low], certain=True) if share else measured(value, certain=True)
    return Constant(law, tuple(value.shape), share)
