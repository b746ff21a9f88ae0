"""Targets that a prediction is given: a loss against them, and their values where a model runs on shapes alone."""

from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from gradmedic.base.errors import ProbeError, SettingsError
from gradmedic.base.interruption import let_through
from gradmedic.theory.plan.plan import Plan, Step

Named = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Named] = {
    "cross_entropy": F.cross_entropy,
    "mse": F.mse_loss,
    "bce": F.binary_cross_entropy_with_logits,
}
"""The losses that have names, of outputs and targets."""


def drawn(loss: str, output: Tensor) -> Tensor:
    """Targets at random, for want of better ones: standard normal numbers, coins, or classes of equal frequency."""
    generator = torch.Generator().manual_seed(0)
    if loss == "mse":
        return torch.randn(output.shape, generator=generator).to(output)
    if loss == "bce":
        return torch.randint(2, output.shape, generator=generator).to(output)
    rows = _rows(output)
    return torch.randint(rows.shape[1], (rows.shape[0], *rows.shape[2:]), generator=generator).to(output.device)


def named(loss: str, output: Tensor, target: Tensor) -> Tensor:
    """A named loss of an output against its targets, of more the first; raises `ProbeError` where they do not fit."""
    if loss != "cross_entropy":
        return LOSSES[loss](output, _first(target, output, output.shape).to(output))
    rows = _rows(output)
    if target.is_floating_point() and target.dim() > 1:  # probabilities of classes
        return F.cross_entropy(rows, _rows(_first(target, output, output.shape)).to(output))
    return F.cross_entropy(rows, _first(target, output, (len(rows), *rows.shape[2:])).long().to(output.device))


def _rows(output: Tensor) -> Tensor:
    """Classes are the second dimension of pictures, else the last."""
    return output if output.dim() in (2, 4, 5) else output.flatten(0, -2)


def _first(target: Tensor, output: Tensor, shape: tuple[int, ...]) -> Tensor:
    """As many targets as there are to be, in that shape."""
    found = target.flatten()[: prod(shape)]
    if len(found) < prod(shape):
        raise ProbeError(f"targets of shape {list(target.shape)} do not fit an output of shape {list(output.shape)}")
    return found.reshape(shape)


def with_values(plan: Plan, target: Tensor | None) -> Plan:
    """The plan with the targets' values where its losses know their shape alone."""
    if target is None or target.is_meta:
        return plan
    known = target
    return replace(plan, steps=tuple(_told(step, known) for step in plan.steps))


def _told(step: Step, target: Tensor) -> Step:
    blank = step.sample
    if blank is None or not blank.is_meta or not step.op.endswith(("loss", "entropy", "logits", "gather")):
        return step
    first = target.flatten()[: blank.numel()]
    return replace(step, sample=first.reshape(blank.shape)) if len(first) == blank.numel() else step


def read(file: str) -> Tensor:
    """Targets from a file: a tensor that torch has saved, a NumPy array, or a text of numbers, a row for each sample.

    Raises `SettingsError` for what is none of these.
    """
    try:
        return _read(Path(file))
    except (OSError, ValueError, RuntimeError, ImportError, EOFError) as error:
        raise SettingsError(f"cannot read targets from {file}: {error}") from None
    except Exception as error:  # torch raises pickle's errors
        let_through(error)
        raise SettingsError(f"cannot read targets from {file}: {type(error).__name__}") from None


def _read(path: Path) -> Tensor:
    if path.suffix in (".pt", ".pth"):
        found = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(found, Tensor):
            raise ValueError(f"it holds no tensor but something of type {type(found).__name__}")
        return found
    if path.suffix == ".npy":
        import numpy as np

        return torch.from_numpy(np.load(path, allow_pickle=False))
    rows = [line.replace(",", " ").split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    whole = all(number.lstrip("+-").isdigit() for row in rows for number in row)
    numbers = torch.tensor([[float(number) for number in row] for row in rows], dtype=torch.float64)
    numbers = numbers.long() if whole else numbers.float()
    return numbers[:, 0] if numbers.dim() > 1 and numbers.shape[1] == 1 else numbers


def as_tensor(name: str, found: object) -> Tensor:
    """What a name stands for as a tensor; raises `SettingsError` where it is none."""
    try:
        return torch.as_tensor(found)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingsError(f"{name} holds no targets: {error}") from None
