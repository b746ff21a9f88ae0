"""Say why an operation made inf or NaN: its operand's range, and a short code for the reason."""

from collections.abc import Mapping
from math import inf, isfinite, isnan
from typing import Any

import torch
from torch import Tensor

from gradmedic.probe.graph.graph import Vertex
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.nonfinite.first_operation import Culprit
from gradmedic.probe.torch_internals import saved

HALF = ("float16", "bfloat16")

Range = tuple[float, float, bool]
"""Smallest and largest finite entry, and whether a zero is among them."""


def describe(layout: Layout, culprit: Culprit, numbers: Mapping[Any, float]) -> dict[str, Any]:
    """The operand's range and the reason, for the event."""
    vertex = layout.vertices[culprit.vertex]
    span = _range(culprit, vertex, numbers)
    found: dict[str, Any] = {"phase": culprit.phase, "op": vertex.operation.op, "dtype": vertex.dtype}
    if span is not None:
        found |= {"operand_min": span[0], "operand_max": span[1], "operand_zero": span[2]}
    found["reason"] = _reason(vertex, culprit.phase, span, isnan(numbers.get((culprit.vertex, "value_norm"), 0.0)))
    return found | ({"hidden": True} if culprit.hidden else {})


def _range(culprit: Culprit, vertex: Vertex, numbers: Mapping[Any, float]) -> Range | None:
    tensor = culprit.operand
    if tensor is None and culprit.phase == "backward" and vertex.operation.operand:
        tensor = vertex.tensor(vertex.operation.operand)
    if isinstance(tensor, Tensor):
        return _span(tensor.detach())
    low, high = (numbers.get((culprit.vertex, f"input_{end}"), inf) for end in ("min", "max"))
    if not (isfinite(low) and isfinite(high)):
        return None
    return low, high, numbers[culprit.vertex, "input_nonzero"] < numbers[culprit.vertex, "input_numel"]


def _span(tensor: Tensor) -> Range | None:
    fine = tensor[torch.isfinite(tensor)].float()
    return (float(fine.min()), float(fine.max()), bool((fine == 0).any())) if fine.numel() else None


def _reason(vertex: Vertex, phase: str, span: Range | None, nan: bool) -> str:
    """A short code for the cause."""
    if phase in ("input", "parameter"):
        return phase
    low, high = span[:2] if span is not None else (1.0, 1.0)
    op = vertex.operation.op
    if op in ("log", "log2", "log10", "log1p"):
        edge = -1.0 if op == "log1p" else 0.0
        if low <= edge:
            return "log-of-negative" if low < edge else "log-of-zero"
    if op in ("div", "reciprocal"):
        return "division" if span is None else "division-by-zero" if span[2] else "overflow"
    if phase == "backward" and op in ("sqrt", "rsqrt", "pow", "norm", "linalg_vector_norm", "cdist", "std", "atan2"):
        return "infinite-slope-at-zero"
    if op in ("acos", "asin", "atanh", "acosh"):
        return "outside-domain" if max(-low, high) > 1 and op != "acosh" else "infinite-slope-at-one"
    if (op == "pow" and low < 0 and not _whole(vertex)) or (
        op in ("sqrt", "rsqrt") and (low < 0 or nan or _has_nan(vertex))
    ):
        return "outside-domain"
    if op == "rsqrt":
        return "division-by-zero"
    if op in ("std", "var"):
        return "too-few-samples"
    if op in ("softmax", "log_softmax"):
        return "fully-masked" if vertex.dtype not in HALF else "overflow-reduced-precision"
    if vertex.dtype in HALF:
        return "overflow-reduced-precision"
    return "exp-overflow" if op in ("exp", "expm1") else "overflow"


def _has_nan(vertex: Vertex) -> bool:
    """True where a root has come out as NaN: the operand itself, which is not kept, was negative."""
    result = vertex.tensor("result")
    return isinstance(result, Tensor) and bool(torch.isnan(result).any())


def _whole(vertex: Vertex) -> bool:
    exponent = saved(vertex.node, "exponent")
    return isinstance(exponent, int | float) and float(exponent).is_integer()
