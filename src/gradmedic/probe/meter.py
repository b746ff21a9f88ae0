"""Numbers taken on a tensor's own device and brought to the host in one copy."""

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor


class Meter:
    """Collects 0-dimensional tensors under keys; nothing waits for the device until `numbers`."""

    def __init__(self) -> None:
        self._keys: list[Hashable] = []
        self._cells: list[Tensor] = []

    def put(self, key: Hashable, cell: Tensor) -> None:
        """Keep one number."""
        self._keys.append(key)
        self._cells.append(cell)

    def size(self, key: Hashable, tensor: Tensor) -> None:
        """Keep the L2 norm of a tensor, in float64 so that no square of a float32 underflows."""
        self.put(key, norm(tensor))

    def numbers(self) -> dict[Any, float]:
        """All numbers that were kept, by key."""
        found: dict[Any, float] = {}
        devices = {cell.device for cell in self._cells}
        for device in devices:
            chosen = [i for i, cell in enumerate(self._cells) if cell.device == device]
            stacked = torch.stack([self._cells[i].to(torch.float64) for i in chosen])
            found.update(zip((self._keys[i] for i in chosen), stacked.tolist(), strict=True))
        return found


def norm(tensor: Tensor) -> Tensor:
    """The L2 norm of all entries as a 0-dimensional float64 tensor."""
    tensor = tensor.detach()
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    size: Tensor = torch.linalg.vector_norm(tensor, dtype=torch.float64)
    return size
