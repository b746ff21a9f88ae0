"""Forward values of a graph that is still alive: saved, told by a neighbor, or worked out again.

Autograd saves what derivatives need, which is some value next to almost every operation. What lies
between is worked out from those, exactly where all operands are known; else its size is estimated.
"""

from collections.abc import Callable
from math import exp, inf, sqrt
from typing import Any

import torch
from torch import Tensor

from gradmedic.base.interruption import let_through
from gradmedic.base.storage import is_readable
from gradmedic.probe.graph.graph import Vertex
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.graph.node_table import operands
from gradmedic.probe.torch_internals import saved
from gradmedic.recording.site import Kind

DEEP = 6
"""Operations in a row that are worked out again; every other one saves something."""

UNARY = frozenset(
    (
        *("log", "log2", "log10", "log1p", "exp", "expm1", "sqrt", "rsqrt", "reciprocal", "abs", "neg", "square"),
        *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
        *("sigmoid", "relu", "softplus", "erf", "erfinv", "lgamma", "digamma"),
    )
)
"""Functions of one number, which torch knows by the same name."""

RESHAPES = frozenset(("view", "unsafe_view", "reshape", "reshape_alias", "unsqueeze", "squeeze", "alias", "clone"))


class Revival:
    """Values by vertex; nothing large is kept."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.told: dict[int, tuple[int, str]] = {}
        """For a vertex the consumer that has saved its output, and under which name."""
        for i, vertex in enumerate(layout.vertices):
            for attribute, slot in operands(vertex.name, vertex.operation).items():
                edge = vertex.inputs[slot] if slot < len(vertex.inputs) else None
                if edge is not None and edge[1] == 0 and isinstance(vertex.tensor(attribute), Tensor):
                    self.told.setdefault(edge[0], (i, attribute))

    def value(self, i: int, deep: int = DEEP) -> Tensor | None:
        """The output of a vertex, or None where it is lost."""
        vertex = self.layout.vertices[i]
        if vertex.leaf is not None:
            return vertex.leaf.detach() if is_readable(vertex.leaf) else None
        saved = self.saved(i)
        if saved is not None or deep == 0:
            return saved
        inputs = self.inputs(i, deep - 1)
        try:
            return _again(vertex, inputs)
        except RuntimeError as error:  # shapes of constants that have been guessed wrong
            let_through(error)
            return None

    def saved(self, i: int) -> Tensor | None:
        """The output of a vertex if it or one of its consumers has saved it."""
        vertex = self.layout.vertices[i]
        found = vertex.tensor(vertex.operation.result) if vertex.operation.result else None
        if not isinstance(found, Tensor) and i in self.told:
            consumer, attribute = self.told[i]
            found = self.layout.vertices[consumer].tensor(attribute)
        return found.detach() if isinstance(found, Tensor) else None

    def inputs(self, i: int, deep: int = DEEP) -> list[Tensor | None]:
        """The operands of a vertex: constants too where they are saved."""
        vertex = self.layout.vertices[i]
        saved = {slot: vertex.tensor(name) for name, slot in operands(vertex.name, vertex.operation).items()}
        found: list[Tensor | None] = []
        for slot, edge in enumerate(vertex.inputs):
            kept = saved.get(slot)
            if isinstance(kept, Tensor):
                found.append(kept.detach())
            else:
                found.append(self.value(edge[0], deep) if edge is not None and edge[1] == 0 else None)
        return found

    def extent(self, i: int, deep: int = 2 * DEEP) -> float:
        """How large the entries of a vertex's output are, roughly."""
        vertex = self.layout.vertices[i]
        known = self.value(i, 0)
        if known is not None or deep == 0:
            return largest(known) if known is not None else 1.0
        sizes = [
            largest(tensor) if tensor is not None else self.extent(edge[0], deep - 1) if edge is not None else None
            for tensor, edge in zip(self.inputs(i, 0), vertex.inputs, strict=True)
        ]
        return _grown(self.layout, i, [size for size in sizes if size is not None] or [1.0])


def _again(vertex: Vertex, inputs: list[Tensor | None]) -> Tensor | None:
    """The operation once more, on operands that are known."""
    known = [tensor for tensor in inputs if tensor is not None]
    if not known or len(known) < len(inputs):
        return None
    op = vertex.operation.op
    if len(known) == 1:
        if op in UNARY:
            return _unary(op)(known[0])
        exponent = saved(vertex.node, "exponent")
        if op == "pow" and isinstance(exponent, int | float):
            return known[0].pow(exponent)
        if op in RESHAPES:
            return known[0].reshape(vertex.shape)
        if op in ("sum", "mean") and not vertex.shape:
            return getattr(known[0], op)()  # type: ignore[no-any-return]
        return known[0].t() if op == "t" else None
    if len(known) == 2:
        if op in ("add", "sub"):
            return getattr(torch, op)(*known, alpha=saved(vertex.node, "alpha"))  # type: ignore[no-any-return]
        if op == "div":
            return torch.div(*known, rounding_mode=saved(vertex.node, "rounding_mode"))
        function = _BINARY.get(op)
        return function(known[0], known[1]) if function is not None else None
    if vertex.name.startswith("Addmm"):
        factors = {name: factor for name in ("alpha", "beta") if (factor := saved(vertex.node, name)) is not None}
        return torch.addmm(*known, **factors)
    return None


def _unary(op: str) -> Callable[[Tensor], Tensor]:
    function: Callable[[Tensor], Tensor] = getattr(torch, op) if op != "softplus" else torch.nn.functional.softplus
    return function


_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mul": torch.mul,
    "matmul": torch.matmul,
    "bmm": torch.bmm,
    "atan2": torch.atan2,
}


def _grown(layout: Layout, i: int, sizes: list[float]) -> float:
    vertex = layout.vertices[i]
    op = vertex.operation.op
    first = sizes[0]
    if op == "mul":
        return first * (sizes[1] if len(sizes) > 1 else 1.0)
    if op == "div":
        return first / sizes[1] if len(sizes) > 1 and sizes[1] else first
    if op in ("matmul", "bmm", "linear") and len(sizes) > 1:
        own = vertex.tensor("mat1") if vertex.name.startswith("Addmm") else vertex.tensor("self")
        return sizes[-1] * sizes[-2] * sqrt(own.shape[-1] if isinstance(own, Tensor) and own.dim() else 1)
    if op == "pow":
        exponent = saved(vertex.node, "exponent")
        return _safe(lambda: first ** float(exponent if isinstance(exponent, int | float) else 2))
    if op in ("exp", "expm1", "cosh", "sinh"):
        return _safe(lambda: exp(first))
    if op in ("add", "sub"):
        return sum(sizes)
    if op == "sum":
        source = next(layout.sources(i), i)
        return first * sqrt(_numel(layout.vertices[source]) / max(1, _numel(vertex)))
    return max(sizes)


def _numel(vertex: Vertex) -> int:
    count = 1
    for size in vertex.shape:
        count *= size
    return count


def _safe(power: Callable[[], Any]) -> float:
    try:
        return float(power())
    except OverflowError:
        return inf


def largest(tensor: Tensor) -> float:
    """The largest absolute value; inf where anything is not finite."""
    tensor = tensor.detach()
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
    if not tensor.numel():
        return 0.0
    size = float(tensor.abs().max())
    return size if size == size else inf


def not_finite(tensor: Tensor) -> bool:
    """True if any entry is inf or NaN."""
    tensor = tensor.detach()
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    return not bool(torch.isfinite(tensor).all())


INNOCENT = frozenset((Kind.ACTIVATION, Kind.SHAPE, Kind.POOLING, Kind.DROPOUT))
"""Kinds of operations that give finite values for finite ones."""
