"""Tell whether a tensor's numbers are in memory: reading freed memory kills the process, and nothing can catch that."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def is_readable(tensor: "Tensor") -> bool:
    """True if the numbers of a tensor are here, and operations on it stay within this process.

    False for a tensor whose storage has been freed or is shorter than its sizes, strides and offset need (FSDP
    and offloading free weights between their uses), and for one without numbers of its own: on the meta device,
    nested, inside vmap, or of a subclass that takes operations over (DTensor answers with collective calls).
    The parts of a sparse tensor are not asked: nothing frees them.
    """
    if is_taken_over(tensor) or tensor.is_meta or tensor.is_nested:
        return False
    return _is_sparse(tensor) or _is_whole(tensor)


def is_taken_over(tensor: "Tensor") -> bool:
    """True for a subclass to which torch hands each operation, instead of carrying it out."""
    return type(tensor).__torch_dispatch__ is not _not_taken_over()


def _is_sparse(tensor: "Tensor") -> bool:
    return tensor.layout is not _strided()


def _is_whole(tensor: "Tensor") -> bool:
    """True if the storage reaches as far as the last entry does."""
    try:
        held = tensor.untyped_storage().nbytes()
    except (RuntimeError, ValueError):  # what stands for many tensors, inside vmap; a lazy layer's parameter
        return False
    entries = tensor.numel()
    if entries and not tensor.is_contiguous():
        entries = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return not entries or (tensor.storage_offset() + entries) * tensor.element_size() <= held


@cache  # a statement that imports costs more than all else that is asked here
def _not_taken_over() -> Any:
    from torch import Tensor

    return Tensor.__torch_dispatch__


@cache
def _strided() -> Any:
    from torch import strided

    return strided
