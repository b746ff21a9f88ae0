"""Find the first operation that made inf or NaN, in a graph that is still alive."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from gradmedic.probe.graph import Vertex
from gradmedic.probe.layout import Layout
from gradmedic.probe.operations import operands
from gradmedic.site import Kind

LARGEST = {"float16": 65504.0, "bfloat16": 3.39e38, "float32": 3.4028235e38}


@dataclass(frozen=True)
class Culprit:
    """Where it happened. `phase` is "forward", "backward", "input" or "parameter"."""

    phase: str
    vertex: int
    operand: Tensor | None = None


def find_forward(layout: Layout, root: int) -> Culprit | None:
    """The vertex whose inputs are finite and whose output is not, on the way to a bad loss."""
    return _Search(layout).first(root)


class _Search:
    """Remembers for each vertex whether its output is known to hold something not finite."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._states: dict[int, bool | None] = {}
        self._told: dict[int, Tensor] = {}
        for vertex in layout.vertices:
            for attribute, slot in operands(vertex.name, vertex.operation).items():
                edge = vertex.inputs[slot] if slot < len(vertex.inputs) else None
                value = vertex.tensor(attribute) if edge is not None else None
                if edge is not None and isinstance(value, Tensor):
                    self._told.setdefault(edge[0], value)

    def first(self, root: int) -> Culprit | None:
        here = root
        while True:
            culprit = self._outside(here)
            if culprit is not None:
                return culprit
            onward = next((j for j in self.layout.sources(here) if self.bad(j)), None)
            if onward is None:
                return Culprit("forward", here, self._operand(here)) if here != root or self._makes(here) else None
            if self.layout.vertices[onward].leaf is not None:
                return Culprit("parameter", onward)
            here = onward

    def bad(self, i: int) -> bool:
        """True if the output of a vertex holds, or must hold, something that is not finite."""
        stack = [i]
        while stack:
            here = stack[-1]
            known = self._known(here)
            if known is None:
                waiting = [j for j in self.layout.sources(here) if j not in self._states]
                if waiting:
                    stack.extend(waiting)
                    continue
                known = any(self._states[j] for j in self.layout.sources(here)) or self._outside(here) is not None
            self._states[here] = known
            stack.pop()
        return bool(self._states[i])

    def _known(self, i: int) -> bool | None:
        """What the saved tensors say of a vertex's output; None if they say nothing."""
        if i in self._states:
            return self._states[i]
        vertex = self.layout.vertices[i]
        if vertex.leaf is not None:
            return not_finite(vertex.leaf)
        result = vertex.tensor(vertex.operation.result) if vertex.operation.result else None
        for value in (result, self._told.get(i)):
            if isinstance(value, Tensor):
                return not_finite(value)
        return True if self._makes(i) else None

    def _makes(self, i: int) -> bool:
        """True if the operand alone says that the operation's value is not finite."""
        vertex = self.layout.vertices[i]
        operand = self._operand(i)
        if operand is None or not operand.numel() or not operand.is_floating_point():
            return False
        op = vertex.operation.op
        if op in ("log", "log2", "log10"):
            return bool((operand <= 0).any())
        if op == "log1p":
            return bool((operand <= -1).any())
        if op == "div":
            return bool((operand == 0).any())
        if op in ("acos", "asin"):
            return bool((operand.abs() > 1).any())
        if op == "pow":
            return not_finite(operand) or _overflows(vertex, operand)
        return False

    def _operand(self, i: int) -> Tensor | None:
        vertex = self.layout.vertices[i]
        value = vertex.tensor(vertex.operation.operand) if vertex.operation.operand else None
        if isinstance(value, Tensor):
            return value.detach()
        behind = next((j for j in self.layout.sources(i) if self._value(j) is not None), None)
        return self._value(behind) if behind is not None else None

    def _value(self, i: int) -> Tensor | None:
        vertex = self.layout.vertices[i]
        result = vertex.tensor(vertex.operation.result) if vertex.operation.result else self._told.get(i)
        return result.detach() if isinstance(result, Tensor) else None

    def _outside(self, i: int) -> Culprit | None:
        """A tensor from outside of the graph, the input batch for one, that is bad itself."""
        vertex = self.layout.vertices[i]
        if vertex.leaf is not None:
            return None
        for attribute, slot in operands(vertex.name, vertex.operation).items():
            edge = vertex.inputs[slot] if slot < len(vertex.inputs) else None
            value = vertex.tensor(attribute) if edge is None else None
            if isinstance(value, Tensor) and not_finite(value):
                return Culprit("input", i, value.detach())
        target = vertex.tensor(vertex.operation.target) if vertex.operation.target else None
        if isinstance(target, Tensor) and not_finite(target):
            return Culprit("input", i, target.detach())
        return None


def _overflows(vertex: Vertex, operand: Tensor) -> bool:
    exponent = getattr(vertex.node, "_saved_exponent", None)
    if not isinstance(exponent, int | float):
        return False
    return not_finite(operand.detach().pow(exponent))


def not_finite(tensor: Tensor) -> bool:
    """True if any entry is inf or NaN."""
    tensor = tensor.detach()
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    return not bool(torch.isfinite(tensor).all())


def find_backward(layout: Layout, arrivals: Mapping[int, float]) -> Culprit | None:
    """The vertex that was handed a finite gradient and handed on one that is not."""
    for i in reversed(layout.execution):
        vertex = layout.vertices[i]
        if not isfinite(arrivals.get(i, 0.0)):
            givers = [j for j, _ in vertex.consumers if isfinite(arrivals.get(j, 0.0))]
            if givers and len(givers) == len(vertex.consumers):
                return Culprit("backward", givers[0])
    leaf = next((i for i, v in layout.graph.leaves() if not isfinite(arrivals.get(i, 0.0))), None)
    if leaf is None:
        return None
    return Culprit("backward", _giver(layout, leaf))


def _giver(layout: Layout, i: int) -> int:
    """The operation nearest to a leaf on the loss's side."""
    here = i
    while layout.vertices[here].consumers and not layout.is_site(here):
        here = layout.vertices[here].consumers[0][0]
    return here


def describe(layout: Layout, culprit: Culprit, numbers: Mapping[Any, float]) -> dict[str, Any]:
    """The operand's range and the reason, for the event."""
    vertex = layout.vertices[culprit.vertex]
    low, high, zero = _range(culprit, numbers)
    found: dict[str, Any] = {"phase": culprit.phase, "op": vertex.operation.op, "dtype": vertex.dtype}
    if low is not None and high is not None:
        found |= {"operand_min": low, "operand_max": high, "operand_zero": zero}
    found["reason"] = _reason(vertex, culprit.phase, low, high, layout.kinds[culprit.vertex])
    return found


def _range(culprit: Culprit, numbers: Mapping[Any, float]) -> tuple[float | None, float | None, bool]:
    tensor = culprit.operand
    if isinstance(tensor, Tensor) and tensor.numel():
        fine = tensor[torch.isfinite(tensor)].float()
        if not fine.numel():
            return None, None, False
        return float(fine.min()), float(fine.max()), bool((fine == 0).any())
    for what in ("input", "value"):
        low = numbers.get((culprit.vertex, f"{what}_min"))
        if low is not None and isfinite(low):
            high = numbers[culprit.vertex, f"{what}_max"]
            return (
                low,
                high,
                low <= 0 <= high
                and numbers[culprit.vertex, f"{what}_nonzero"] < numbers[culprit.vertex, f"{what}_numel"],
            )
    return None, None, False


def _reason(vertex: Vertex, phase: str, low: float | None, high: float | None, kind: Kind) -> str:
    """A short code for the cause; the rule turns it into a sentence."""
    op = vertex.operation.op
    if phase in ("input", "parameter"):
        return phase
    if vertex.dtype in ("float16", "bfloat16") and op not in ("log", "div", "sqrt"):
        return "overflow-reduced-precision"
    if op.startswith("log") and low is not None:
        return "log-of-negative" if low < 0 else "log-of-zero"
    if op in ("div", "reciprocal"):
        return "division-by-zero"
    if op in ("sqrt", "rsqrt", "pow", "norm") and phase == "backward":
        return "infinite-slope-at-zero"
    if op in ("sqrt", "rsqrt", "acos", "asin", "atanh", "acosh"):
        return "outside-domain"
    if op in ("exp", "expm1"):
        return "exp-overflow"
    return (
        "overflow" if kind in (Kind.WEIGHTS, Kind.ATTENTION, Kind.RESIDUAL, Kind.ARITHMETIC, Kind.LOSS) else "unknown"
    )
