"""Read tensors on the CPU by a small C library, in one pass over their bytes.

What the library does not know (other devices, layouts, number formats and classes), and what cannot
be read at all, has no reading here, nor has anything where the library is not there, because no
compiler was at hand: then torch reads, and finds the same numbers to within rounding.
"""

import ctypes
import zlib
from array import array
from collections.abc import Mapping, Sequence
from ctypes import c_double, c_float, c_int, c_int64, c_uint8, c_uint32, c_void_p
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter

from gradmedic.probe.torch_internals import is_transformed

FORMATS: Mapping[torch.dtype, int] = {
    torch.float32: 0,
    torch.float64: 1,
    torch.bfloat16: 2,
    torch.float16: 3,
    torch.bool: 4,
    torch.uint8: 4,
}
"""Number formats as the library numbers them."""

MOST_DIMS = 16

Moments = tuple[float, float, float, float, float]
"""L2 norm, sum, minimum, maximum, and how many entries are not zero."""

_FUNCTIONS: Mapping[str, tuple[Any, ...]] = {
    "read": (c_void_p, c_int, c_int64, c_void_p),
    "read_strided": (c_void_p, c_int, c_int, c_void_p, c_void_p, c_void_p),
    "read_all": (c_int64, c_void_p, c_void_p, c_void_p, c_void_p),
    "units": (c_void_p, c_int, c_int64, c_int64, c_int64, c_void_p, c_void_p, c_void_p),
    "outside": (c_void_p, c_int64, c_float, c_float),
    "log_probabilities": (c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_void_p),
    "distances": (c_int64, c_void_p, c_void_p, c_void_p, c_void_p),
}
_Five, _Two, _Eight = c_double * 5, c_double * 2, c_double * 8


class Library:
    """The functions of the library, by their names without the prefix."""

    def __init__(self, path: Path) -> None:
        loaded = ctypes.CDLL(str(path))
        loaded.gradmedic_source.restype = c_uint32
        self.source = int(loaded.gradmedic_source())
        found = {}
        for name, arguments in _FUNCTIONS.items():
            function = found[name] = getattr(loaded, f"gradmedic_{name}")
            function.argtypes, function.restype = arguments, c_int64 if name == "outside" else None
        self.read, self.read_strided, self.read_all = (found[name] for name in ("read", "read_strided", "read_all"))
        self.log_probabilities = found["log_probabilities"]
        self.units, self.outside, self.distances = (found[name] for name in ("units", "outside", "distances"))


def load(path: Path, source: Path) -> Library | None:
    """The library, if it is there and was built from this very source."""
    try:
        library = Library(path)
        return library if library.source == zlib.crc32(source.read_bytes()) else None
    except (OSError, AttributeError):
        return None


LIBRARY = load(Path(__file__).with_name("one_pass.shared"), Path(__file__).with_name("one_pass.c"))


def address(t: Tensor) -> int:
    """Where the entries of a tensor lie that the library knows; 0 for others, and for what cannot be read."""
    if LIBRARY is None or (t.__class__ is not Tensor and t.__class__ is not Parameter):
        return 0
    if not t.is_cpu or t.dtype not in FORMATS or t.layout is not torch.strided or t.is_nested or is_transformed(t):
        return 0
    entries = t.numel()
    if not entries or t.is_neg():
        return 0
    if not t.is_contiguous():
        entries = 1 + sum((size - 1) * stride for size, stride in zip(t.shape, t.stride(), strict=True))
    if (t.storage_offset() + entries) * t.element_size() > t.untyped_storage().nbytes():
        return 0
    return t.data_ptr()


def moments(t: Tensor) -> Moments | None:
    """Five numbers of all entries."""
    at = address(t)
    if not at or LIBRARY is None:
        return None
    told = _Five()
    if t.is_contiguous():
        LIBRARY.read(at, FORMATS[t.dtype], t.numel(), told)
    else:
        dims = t.dim()
        if dims > MOST_DIMS:
            return None
        numbers = c_int64 * dims
        LIBRARY.read_strided(at, FORMATS[t.dtype], dims, numbers(*t.shape), numbers(*t.stride()), told)
    return told[0], told[1], told[2], told[3], told[4]


def moments_of_all(tensors: Sequence[Tensor | None]) -> list[Moments | None]:
    """The same of several tensors, those that lie side by side in one call."""
    found: list[Moments | None] = [None] * len(tensors)
    if LIBRARY is None:
        return found
    chosen, places, lengths, formats = [], array("q"), array("q"), array("q")
    for k, t in enumerate(tensors):
        at = address(t) if t is not None else 0
        if t is None or not at:
            continue
        if not t.is_contiguous():
            found[k] = moments(t)
            continue
        chosen.append(k)
        places.append(at)
        lengths.append(t.numel())
        formats.append(FORMATS[t.dtype])
    told = array("d", bytes(40 * len(chosen)))
    tables = (table.buffer_info()[0] for table in (places, lengths, formats, told))
    LIBRARY.read_all(len(chosen), *tables)
    for at, k in enumerate(chosen):
        one = told[5 * at : 5 * at + 5]
        found[k] = one[0], one[1], one[2], one[3], one[4]
    return found


def distances(some: Sequence[Tensor], others: Sequence[Tensor]) -> list[float | None]:
    """The L2 norms of the differences of tensors of float32, of as many entries each and side by side."""
    found: list[float | None] = [None] * len(some)
    if LIBRARY is None:
        return found
    chosen, ours, theirs, lengths = [], array("q"), array("q"), array("q")
    for k, (t, other) in enumerate(zip(some, others, strict=True)):
        here, there = address(t), address(other)
        plain = t.dtype is other.dtype is torch.float32 and t.is_contiguous() and other.is_contiguous()
        if here and there and plain and t.numel() == other.numel():
            chosen.append(k)
            ours.append(here)
            theirs.append(there)
            lengths.append(t.numel())
    told = array("d", bytes(8 * len(chosen)))
    LIBRARY.distances(len(chosen), *(table.buffer_info()[0] for table in (ours, theirs, lengths, told)))
    for k, far in zip(chosen, told, strict=True):
        found[k] = far
    return found


def active_units(t: Tensor, dim: int, ever: Tensor) -> tuple[float, float] | None:
    """How many units along `dim` have an entry that is not zero, and how many had one `ever`, where these are added."""
    at = address(t)
    if not at or LIBRARY is None or not t.is_contiguous():
        return None
    shape, dim = t.shape, dim % t.dim()
    units = shape[dim]
    told = _Two()
    outer, inner = prod(shape[:dim]), prod(shape[dim + 1 :])
    LIBRARY.units(at, FORMATS[t.dtype], outer, units, inner, (c_uint8 * units)(), ever.data_ptr(), told)
    return told[0], told[1]


class Weighted(NamedTuple):
    """A sum of log-probabilities, each with a weight."""

    adds: float
    """The sum itself."""
    top: float
    """The largest weight."""
    number: float
    """Samples that count, which are those whose weights are negative in all."""
    total: float
    """What all samples count for."""
    low: float
    high: float
    """The least and the most that one of those samples counts for."""
    there: float
    """Classes that count."""
    spread: float
    """The sum of x log x, where x is what a class counts for."""


def log_probabilities(weights: Tensor, told: Tensor) -> Weighted | None:
    """What is known of a weighted sum of log-probabilities of float32, classes last."""
    ours, theirs = address(weights), address(told)
    plain = weights.dtype is told.dtype is torch.float32 and weights.is_contiguous() and told.is_contiguous()
    if not ours or not theirs or LIBRARY is None or not plain or weights.shape != told.shape or not told.dim():
        return None
    classes = told.shape[-1]
    found = _Eight()
    LIBRARY.log_probabilities(ours, theirs, told.numel() // classes, classes, (c_double * classes)(), found)
    return Weighted(*found)


def outside(t: Tensor, center: float, radius: float) -> float | None:
    """How many entries of float32 are further than `radius` from `center`."""
    if t.dtype is not torch.float32 or not t.is_contiguous():
        return None
    at = address(t)
    return float(LIBRARY.outside(at, t.numel(), center, radius)) if at and LIBRARY is not None else None
