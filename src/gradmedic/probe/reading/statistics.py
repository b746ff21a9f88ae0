"""Cheap statistics of one tensor, left on its device.

A reading is a number or a short list of them: a 0-dim float64 tensor, since nothing here waits for
the device, or a float where the numbers are on the host anyway. The caller stacks the tensors of a
whole capture and copies once. A tensor that cannot be read (empty,
distributed, nested, without storage, of a format that torch does not compute with) has the reading
None. What else goes wrong is raised: the caller reports it.

Everything is accumulated in float64, in which the squares of float32 neither underflow nor
overflow: a gradient of 1e-30 has a size. So a norm that is not finite means that some entry is
not (or that a float64 entry is beyond 1e150). On the CPU a C library reads what it knows; what is
said here of torch is for all else. Above `LARGE` entries only torch's share of zeros is an estimate,
from evenly spread runs of entries.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from math import sqrt
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from gradmedic.base.interruption import let_through
from gradmedic.base.storage import is_readable
from gradmedic.probe.reading import one_pass
from gradmedic.probe.torch_internals import is_transformed

FEW = 1 << 11
LARGE = 1 << 20
PIECE = 1 << 18
RUN = 64
"""Neighbors that are sampled together: whole cache lines, yet short against a layer's structure."""


Number = Tensor | float
"""A 0-dim tensor on its device, or what is on the host."""

P = ParamSpec("P")
R = TypeVar("R")


def none_if_unsupported(read: Callable[P, R]) -> Callable[P, R | None]:
    """Decorate a reading: None where torch has no kernel for the tensor's layout, number format or device."""

    @wraps(read)
    def reading(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return read(*args, **kwargs)
        except RuntimeError as error:
            let_through(error)
            if not isinstance(error, NotImplementedError) and "not implemented for" not in str(error):
                raise  # torch 2.6 says so of some number formats in a RuntimeError
            return None

    return reading


@none_if_unsupported
def norm(t: Tensor) -> Number | None:
    """The L2 norm of all entries."""
    if (told := one_pass.moments(t)) is not None:
        return told[0]
    entries = readable(t)
    if entries is None:
        return None
    if entries.numel() > LARGE:
        flat, weight = _flat(entries)
        return _norm(flat) * sqrt(weight)
    size: Tensor = torch.linalg.vector_norm(wide(entries))
    return size


@none_if_unsupported
def value_reading(t: Tensor) -> Sequence[Number] | None:
    """L2 norm, sum, minimum, maximum and the count of non-zero entries."""
    if (told := one_pass.moments(t)) is not None:
        return told
    entries = dense(t)
    if entries is None:
        return None
    if entries.numel() > LARGE:
        return _large_value(entries)
    numbers, (low, high) = wide(entries), torch.aminmax(entries)
    return [torch.linalg.vector_norm(numbers), numbers.sum(), wide(low), wide(high), _nonzero_by_torch(entries)]


def nonzero(t: Tensor) -> Number:
    """How many entries of `t` are not zero, in float64."""
    if (told := one_pass.moments(t)) is not None:
        return told[4]
    return _nonzero_by_torch(t)


def _nonzero_by_torch(t: Tensor) -> Tensor:
    if t.numel() < FEW or t.device.type != "cpu" or is_transformed(t):
        return wide(torch.count_nonzero(t))
    if t.numel() <= LARGE:
        return _count(t)
    flat, weight = _flat(t)
    return torch.stack([_count(piece) for piece in _pieces(flat)]).sum() * weight


def _count(t: Tensor) -> Tensor:
    # A sum of ones in float32 is exact up to 2^24 of them, and 17 times faster than `count_nonzero`.
    return wide(torch.ne(t, 0, out=torch.empty(t.shape, dtype=torch.float32, device=t.device)).sum())


@none_if_unsupported
def unit_activity(t: Tensor, dim: int) -> Tensor | None:
    """For each unit along `dim`, whether any of its entries is not zero."""
    entries = dense(t)
    if entries is None:
        return None
    others = [d for d in range(t.dim()) if d != dim % t.dim()]
    if not others:
        return entries.ne(0)
    # Four times faster than `any`, and nothing the size of the tensor is allocated.
    return torch.amax(entries, others).ne(0) | torch.amin(entries, others).ne(0)


def readable(t: Tensor) -> Tensor | None:
    """The entries that `t` stores, real and strided; None if it has none that can be read here."""
    if not is_readable(t) or t.numel() == 0 or is_transformed(t) or t.is_quantized or t.is_mkldnn:
        return None
    t = t.detach()
    if type(t) is not Tensor:
        t = t.as_subclass(Tensor)
    if t.layout is torch.sparse_coo:
        t = t.coalesce().values()
    elif t.layout is not torch.strided:
        t = t.values()
    return t.to(torch.complex128).abs() if t.is_complex() else t


def dense(t: Tensor) -> Tensor | None:
    """The entries of `t` if it stores them all."""
    return readable(t) if t.layout is torch.strided else None


def wide(t: Tensor) -> Tensor:
    """The same numbers in float64, where the device knows it."""
    try:
        return t.double()
    except TypeError as error:  # Apple's GPUs know no float64
        let_through(error)
        return t.float()


def evenly(t: Tensor) -> Tensor:
    """All entries of `t`, or many that are evenly spread over it if it is large."""
    return t if t.numel() <= PIECE else _sample(_flat(t.detach())[0])


def _large_value(t: Tensor) -> list[Tensor]:
    flat, weight = _flat(t)
    total = torch.stack([wide(piece).sum() for piece in _pieces(flat)]).sum()
    low, high = torch.aminmax(flat)
    return [_norm(flat) * sqrt(weight), total * weight, wide(low), wide(high), _nonzero(flat) * weight]


def _flat(t: Tensor) -> tuple[Tensor, float]:
    """All entries in one row, in the order of memory, and how often each of them counts."""
    size = t.numel()
    for dim in range(t.dim()):
        if t.stride(dim) == 0:  # expanded, as the gradient of a sum is
            t = t.narrow(dim, 0, 1)
    order = sorted(range(t.dim()), key=t.stride, reverse=True)
    return t.permute(order).reshape(-1), size / t.numel()


def _pieces(flat: Tensor) -> Sequence[Tensor]:
    # In float64 the whole would not fit into caches, and above 32 MB every page of it would be new.
    return torch.split(flat, PIECE if flat.device.type == "cpu" else 16 * PIECE)


def _norm(flat: Tensor) -> Tensor:
    norms = [torch.linalg.vector_norm(wide(piece)) for piece in _pieces(flat)]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return norm


def _nonzero(flat: Tensor) -> Tensor:
    sample = _sample(flat)
    return _nonzero_by_torch(sample) * (flat.numel() / sample.numel())


def _sample(flat: Tensor) -> Tensor:
    size = flat.numel()
    if size <= PIECE:
        return flat
    runs = PIECE // RUN
    # An odd distance drifts over the columns of a matrix whose width is a power of two.
    distance = ((size - RUN) // (runs - 1) - 1) | 1
    apart = flat.stride(0)
    return flat.as_strided((runs, RUN), (distance * apart, apart), flat.storage_offset())
