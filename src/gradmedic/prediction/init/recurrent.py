"""Starts for torch's own recurrent layers, whose weights no plan shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from gradmedic.base.messages import Message
from gradmedic.theory.activations import Activation, activation

KINDS = (nn.RNNBase, nn.RNNCellBase)
GATES = {"LSTM": 4, "GRU": 3}
KEEPS = {"LSTM": 1, "GRU": 1}
"""Which gate keeps the state: an LSTM's stand as i, f, g, o, those of a GRU as r, z, n."""
OPEN = 1.0
"""The bias of the gate that keeps, where nobody knows how long sequences are (Jozefowicz et al. 2015)."""


@dataclass(frozen=True)
class RecurrentParameter:
    """One tensor of a recurrent layer: `state` tells whether it mixes the state (else the inputs, or is a bias)."""

    gates: int
    width: int
    state: bool
    phi: Activation | None
    """What bends the sum, if that is one function."""
    keeps: int | None = None
    """The gate that keeps the state, where this is the bias that opens it."""
    lets_in: int | None = None
    """The gate that is closed by as much, in an LSTM."""


def part_of(owner: nn.Module, leaf: str) -> RecurrentParameter | None:
    """What a tensor of a recurrent module is; None for other modules' tensors."""
    if not isinstance(owner, KINDS):
        return None
    kind = type(owner).__name__.removesuffix("Cell")
    gates = GATES.get(kind, 1)
    phi = None if gates > 1 else activation("relu" if "relu" in _bends(owner) else "tanh")
    opens = gates > 1 and leaf.startswith("bias_ih")
    lets_in = 0 if opens and kind == "LSTM" else None
    return RecurrentParameter(gates, owner.hidden_size, "_hh" in leaf, phi, KEEPS[kind] if opens else None, lets_in)


def _bends(owner: nn.Module) -> str:
    return str(getattr(owner, "mode", "") or getattr(owner, "nonlinearity", "")).lower()


def opened(
    part: RecurrentParameter, steps: int | None, shape: tuple[int, ...], generator: Generator, device: torch.device
) -> Tensor:
    """Biases with the gate that keeps the state open for 1 to `steps` - 1 time steps (Tallec & Ollivier 2018)."""
    values = torch.zeros(shape, device=device)
    gates = values.view(part.gates, -1)
    if part.keeps is None:
        return values
    if steps is None or steps < 3:
        gates[part.keeps] = OPEN
        return values
    gates[part.keeps].uniform_(1.0, steps - 1.0, generator=generator).log_()
    if part.lets_in is not None:
        gates[part.lets_in] = -gates[part.keeps]
    return values


def told(part: RecurrentParameter, steps: int | None) -> Message:
    """Why a bias starts as it does."""
    if part.keeps is None:
        return Message("no bias")
    if steps is None or steps < 3:
        return Message("the gate that keeps the state is open")
    return Message("the gate that keeps the state is open for 1 to {steps} time steps", {"steps": steps - 1})


@contextmanager
def steps_counted(model: nn.Module) -> Iterator[dict[str, int]]:
    """How many time steps go through each recurrent layer, by the name of its module."""
    counted: dict[str, int] = {}

    def counting(path: str, module: nn.RNNBase) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
            if args and isinstance(args[0], PackedSequence):
                counted[path] = len(args[0].batch_sizes)
            elif args and isinstance(args[0], Tensor):
                time = 1 if module.batch_first and args[0].dim() == 3 else 0
                counted[path] = int(args[0].shape[time])

        return hook

    found = [(path, module) for path, module in model.named_modules() if isinstance(module, nn.RNNBase)]
    hooks = [module.register_forward_pre_hook(counting(path, module)) for path, module in found]
    try:
        yield counted
    finally:
        for hook in hooks:
            hook.remove()
