"""Cheap statistics of one tensor, left on its device.

A reading is a short list of 0-dim float64 tensors; nothing here waits for the device. The caller
stacks the readings of a whole capture, copies once, and hands each list back to the `*_numbers`
function of its kind. A tensor that cannot be read (empty, distributed, nested, without storage)
has the reading None; nothing here raises.

Everything is accumulated in float64, in which the squares of float32 neither underflow nor
overflow: a gradient of 1e-30 has a size. So a norm that is not finite means that some entry is
not (or that a float64 entry is beyond 1e150): then, and only then, ask again with `exact=True`.
Above `LARGE` entries only the share of zeros is an estimate, from evenly spread runs of entries.
"""

from collections.abc import Sequence
from math import isfinite, sqrt

import torch
from torch import Tensor

from gradmedic.base.interruption import let_through
from gradmedic.base.storage import is_readable
from gradmedic.probe.torch_internals import is_transformed

LARGE = 1 << 20
PIECE = 1 << 18
RUN = 64
"""Neighbors that are sampled together: whole cache lines, yet short against a layer's structure."""


def grad_reading(t: Tensor, zeros: bool = False) -> list[Tensor] | None:
    """L2 norm, and on demand the count of non-zero entries."""
    try:
        entries = readable(t)
        if entries is None:
            return None
        if entries.numel() > LARGE:
            return _large_grad(entries, zeros)
        numbers = wide(entries)
        norm = torch.linalg.vector_norm(numbers)
        return [norm, wide(torch.count_nonzero(numbers))] if zeros else [norm]
    except Exception as error:
        let_through(error)
        return None


def value_reading(t: Tensor, exact: bool = False) -> list[Tensor] | None:
    """L2 norm, sum, minimum, maximum and the count of non-zero entries.

    With `exact` the first four are those of the finite entries, and their count comes sixth.
    """
    try:
        entries = readable(t if t.layout is torch.strided or not is_readable(t) else t.to_dense())
        if entries is None:
            return None
        if exact:
            return _finite_value(wide(entries))
        if entries.numel() > LARGE:
            return _large_value(entries)
        numbers = wide(entries)
        low, high = torch.aminmax(numbers)
        return [torch.linalg.vector_norm(numbers), numbers.sum(), low, high, wide(torch.count_nonzero(numbers))]
    except Exception as error:
        let_through(error)
        return None


def bad_count(t: Tensor) -> Tensor | None:
    """How many entries are not finite."""
    try:
        entries = readable(t)
        return None if entries is None else wide(torch.count_nonzero(~torch.isfinite(entries)))
    except Exception as error:
        let_through(error)
        return None


def unit_activity(t: Tensor, dim: int) -> Tensor | None:
    """For each unit along `dim`, whether any of its entries is not zero."""
    try:
        entries = readable(t)
        if entries is None or t.layout is not torch.strided:
            return None
        others = [d for d in range(t.dim()) if d != dim % t.dim()]
        if not others:
            return entries.ne(0)
        # Four times faster than `any`, and nothing the size of the tensor is allocated.
        return torch.amax(entries, others).ne(0) | torch.amin(entries, others).ne(0)
    except Exception as error:
        let_through(error)
        return None


def grad_numbers(reading: Sequence[float], entries: int) -> dict[str, float]:
    """What a `grad_reading` of a tensor of so many entries says, by column."""
    numbers = {}
    if isfinite(reading[0]):
        numbers = {"grad_rms": reading[0] / sqrt(entries), "grad_norm": reading[0], "grad_bad": 0.0}
    if len(reading) > 1:
        numbers["grad_zero"] = _share(entries - reading[1], entries)
    return numbers


def value_numbers(reading: Sequence[float], entries: int, prefix: str = "value") -> dict[str, float]:
    """What a `value_reading` of a tensor of so many entries says, by column."""
    norm, total, low, high, nonzero, *finite = reading
    count = finite[0] if finite else entries
    numbers = {f"{prefix}_zero": _share(entries - nonzero, entries)}
    if finite or isfinite(norm):
        numbers[f"{prefix}_bad"] = 1 - count / entries
    if count and isfinite(norm):
        numbers[f"{prefix}_rms"] = norm / sqrt(count)
        numbers[f"{prefix}_mean"] = total / count
        numbers |= {f"{prefix}_min": low, f"{prefix}_max": high}
    return numbers


def readable(t: Tensor) -> Tensor | None:
    """The entries that `t` stores, real and strided; None if it has none that can be read here."""
    if not is_readable(t) or t.numel() == 0 or is_transformed(t):
        return None
    t = t.detach()
    if type(t) is not Tensor:
        t = t.as_subclass(Tensor)
    if t.layout is torch.sparse_coo:
        t = t.coalesce().values()
    elif t.layout is not torch.strided:
        t = t.values()
    return t.to(torch.complex128).abs() if t.is_complex() else t


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


def _share(part: float, whole: float) -> float:
    return min(max(part / whole, 0.0), 1.0)


def _large_grad(t: Tensor, zeros: bool) -> list[Tensor]:
    flat, weight = _flat(t)
    norm = _norm(flat) * sqrt(weight)
    return [norm, _nonzero(flat) * weight] if zeros else [norm]


def _large_value(t: Tensor) -> list[Tensor]:
    flat, weight = _flat(t)
    total = torch.stack([wide(piece).sum() for piece in _pieces(flat)]).sum()
    low, high = torch.aminmax(flat)
    return [_norm(flat) * sqrt(weight), total * weight, wide(low), wide(high), _nonzero(flat) * weight]


def _finite_value(t: Tensor) -> list[Tensor]:
    finite = torch.isfinite(t)
    clean = t.where(finite, 0.0)
    low = t.where(finite, torch.inf).amin()
    high = t.where(finite, -torch.inf).amax()
    counts = [wide(torch.count_nonzero(t)), wide(torch.count_nonzero(finite))]
    return [torch.linalg.vector_norm(clean), clean.sum(), low, high, *counts]


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
    return wide(torch.count_nonzero(sample)) * (flat.numel() / sample.numel())


def _sample(flat: Tensor) -> Tensor:
    size = flat.numel()
    if size <= PIECE:
        return flat
    runs = PIECE // RUN
    # An odd distance drifts over the columns of a matrix whose width is a power of two.
    distance = ((size - RUN) // (runs - 1) - 1) | 1
    apart = flat.stride(0)
    return flat.as_strided((runs, RUN), (distance * apart, apart), flat.storage_offset())
