"""Take the same few rows of the batch from every tensor that a recurrent module takes or gives."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

MOST = 8
"""Rows per call: enough for a root mean square, few enough to be cheap."""


class Rows(ABC):
    """Some rows of a batch; what is taken is copied, steps first, and free of autograd."""

    alive: Tensor | None = None
    """(T, R, 1): which rows have not ended yet; None if all have the same length."""

    @abstractmethod
    def steps(self, t: Tensor) -> Tensor:
        """(T, R, features) of an input, an output, or a gradient of one."""

    @abstractmethod
    def states(self, t: Tensor) -> Tensor:
        """(layers times directions, R, units) of a state or its gradient."""


class PlainRows(Rows):
    """Rows of a padded batch, evenly spread, or the only one of an unbatched sequence."""

    def __init__(self, x: Tensor, batch_first: bool) -> None:
        self.unbatched = x.dim() == 2
        self.batch_first = batch_first
        size = 1 if self.unbatched else x.shape[0 if batch_first else 1]
        self.picked = slice(0, None, -(-size // MOST))

    def steps(self, t: Tensor) -> Tensor:
        t = t.detach()
        if self.unbatched:
            return t.unsqueeze(1).clone()
        return (t.transpose(0, 1) if self.batch_first else t)[:, self.picked].clone()

    def states(self, t: Tensor) -> Tensor:
        t = t.detach()
        return t.unsqueeze(1).clone() if self.unbatched else t[:, self.picked].clone()


class PackedRows(Rows):
    """Rows of a PackedSequence, evenly spread over its lengths, the longest among them."""

    def __init__(self, x: PackedSequence) -> None:
        sizes = x.batch_sizes
        kept = torch.arange(0, int(sizes[0]), -(-int(sizes[0]) // MOST))
        alive = kept < sizes.unsqueeze(1)
        index = (sizes.cumsum(0) - sizes).unsqueeze(1) + kept
        device = x.data.device
        self.index = torch.where(alive, index, 0).to(device)
        self.taken = alive.unsqueeze(2).to(device)
        self.alive = None if bool(alive.all()) else self.taken
        # States are in the order of the user's batch, the data in that of the lengths.
        self.original = kept.to(device) if x.sorted_indices is None else x.sorted_indices[kept.to(device)]

    def steps(self, t: Tensor) -> Tensor:
        return torch.where(self.taken, t.detach()[self.index], 0)

    def states(self, t: Tensor) -> Tensor:
        return t.detach().index_select(1, self.original)


def rows_of(x: Any, batch_first: bool) -> Rows:
    """The rows to take from a call with this input."""
    return PackedRows(x) if isinstance(x, PackedSequence) else PlainRows(x, batch_first)
