"""Numbers taken on a tensor's own device and brought to the host in one copy."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from gradmedic.base.storage import is_readable
from gradmedic.probe.reading import one_pass
from gradmedic.probe.reading.statistics import Number, nonzero, norm, value_reading
from gradmedic.probe.torch_internals import norms

_COLUMNS = {
    what: [f"{what}_{name}" for name in ("norm", "sum", "min", "max", "nonzero")] for what in ("value", "input")
}


class Meter:
    """Collects 0-dimensional tensors under keys; nothing waits for the device until `numbers`."""

    def __init__(self) -> None:
        self._keys: list[Hashable] = []
        self._cells: list[Tensor] = []
        self._plain: dict[Any, float] = {}

    def note(self, key: Hashable, value: float) -> None:
        """Keep a number that is on the host already."""
        self._plain[key] = value

    def put(self, key: Hashable, cell: Number) -> None:
        """Keep one number."""
        if not isinstance(cell, Tensor):
            self._plain[key] = cell
            return
        self._keys.append(key)
        self._cells.append(cell)

    def size(self, key: Hashable, tensor: Tensor) -> None:
        """Keep the L2 norm of a tensor that has one, in float64 so that no square of a float32 underflows."""
        size = norm(tensor)
        if size is not None:
            self.put(key, size)

    def arrival(self, i: int, k: int, grad: Tensor, count: bool) -> int:
        """Keep the norm of the gradient that arrives at an output `k` of vertex `i`; the number of its entries.

        And `count` what is not zero.
        """
        told = one_pass.moments(grad)
        if told is not None:
            self._plain[i, "arrival", k] = told[0]
            if count:
                self._plain[i, "grad_nonzero"] = told[4]
            return grad.numel()
        if not grad.numel() or not is_readable(grad):
            return 0
        self.size((i, "arrival", k), grad)
        if count and not grad.is_sparse:
            self.put((i, "grad_nonzero"), nonzero(grad.detach()))
        return grad.numel()

    def values(self, i: int, what: str, tensor: Tensor) -> None:
        """Keep five numbers of what vertex `i` has made or was given."""
        reading = value_reading(tensor.detach())
        if reading is not None:
            for name, cell in zip(_COLUMNS[what], reading, strict=True):
                self.put((i, name), cell)
            self._plain[i, f"{what}_numel"] = float(tensor.numel())

    def moments_of_all(self, tensors: Mapping[Any, Tensor], size: str, count: str | None = None) -> None:
        """Keep of each tensor the norm as (key, size), and as (key, count) how many entries are not zero."""
        told = one_pass.moments_of_all(list(tensors.values()))
        for (key, tensor), one in zip(tensors.items(), told, strict=True):
            if one is None:
                if not is_readable(tensor):
                    continue
                self.size((key, size), tensor)
                if count is not None:
                    self.put((key, count), nonzero(tensor.detach()))
                continue
            self._plain[key, size] = one[0]
            if count is not None:
                self._plain[key, count] = one[4]

    def numbers(self) -> dict[Any, float]:
        """All numbers that were kept, by key."""
        found: dict[Any, float] = dict(self._plain)
        devices = {cell.device for cell in self._cells}
        for device in devices:
            chosen = [i for i, cell in enumerate(self._cells) if cell.device == device]
            stacked = torch.stack([self._cells[i].to(torch.float64) for i in chosen])
            found.update(zip((self._keys[i] for i in chosen), stacked.tolist(), strict=True))
        return found


def global_norm(optimizer: Optimizer, scale: Any) -> Tensor | None:
    """The L2 norm of all gradients, as a tensor on their device."""
    grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if not grads:
        return None
    if not all(map(is_readable, grads)):
        return None  # a norm of what is here would pass for that of all
    if any(grad.is_sparse for grad in grads):
        told = [norm(grad) for grad in grads]
        sizes = [torch.as_tensor(size, dtype=torch.float64) for size in told if size is not None]
        if len(sizes) < len(grads):
            return None
    else:
        sizes = norms([grad.detach() for grad in grads], 2, torch.float64)
    total: Tensor = torch.linalg.vector_norm(torch.stack([size.to(sizes[0].device) for size in sizes]))
    return total if scale is None else total / scale
