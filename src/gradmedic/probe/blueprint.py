"""From a graph to a plan: what theory needs to know of each node, as plain data."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from torch import Tensor

from gradmedic.activations import Activation, all_activations
from gradmedic.probe.constants import constant_of
from gradmedic.probe.graph import Vertex
from gradmedic.probe.layout import Layout
from gradmedic.probe.names import Names
from gradmedic.probe.operations import is_user_function
from gradmedic.theory.laws import measured
from gradmedic.theory.plan import DATA, PARAMETER, Constant, Edge, Plan, Step

_OPS = {
    "Addmm": "addmm",
    "Mm": "mm",
    "Mv": "mv",
    "Bmm": "bmm",
    "Baddbmm": "baddbmm",
    "Addbmm": "addbmm",
    "Dot": "dot",
    "LinalgVectorNorm": "norm",
    **dict.fromkeys(
        ("ConstantPadNd", "ReflectionPad1D", "ReflectionPad2D", "ReplicationPad1D", "ReplicationPad2D"), "pad"
    ),
    **{f"UpsampleNearest{exact}{n}D": "upsample_nearest" for exact in ("", "Exact") for n in (1, 2, 3)},
    **dict.fromkeys(
        ("UpsampleLinear1D", "UpsampleBilinear2D", "UpsampleBicubic2D", "UpsampleTrilinear3D"), "upsample_linear"
    ),
}
"""Stems whose rule has another name than what users call the operation."""

_OPERANDS = {
    "addmm": {1: "mat1", 2: "mat2"},
    "mm": {0: "self", 1: "mat2"},
    "mv": {0: "self", 1: "vec"},
    "bmm": {0: "self", 1: "mat2"},
    "conv": {0: "input", 1: "weight"},
    "linear": {0: "input", 1: "weight"},
}
"""Operands that autograd keeps, by their position: data where no gradient flows."""

_KEPT = {"sdpa": "attn_mask", "embedding": "indices"}
"""The saved tensor that tells most of an operation besides its operands."""

_FACTORS = {"mul": {0: "self", 1: "other"}, "div": {1: "other"}}


Noted = Mapping[int, Constant]


class Blueprint:
    """Reads one graph.

    `data` holds the ids of leaves that are no parameters but what the user feeds in; `originals`
    the parameters that others stand in for, by the ids of these; `names` knows modules and parameters.
    """

    def __init__(
        self,
        layout: Layout,
        data: frozenset[int] = frozenset(),
        constants: Mapping[int, Noted] | None = None,
        originals: Mapping[int, Tensor] | None = None,
        names: Names | None = None,
    ) -> None:
        self._layout = layout
        self._data = data
        self._constants = constants or {}
        self._originals = originals or {}
        self._names = names
        self._steps: list[Step] = []
        self._at: list[int] = []

    def plan(self) -> Plan:
        """The plan of the graph; each vertex has one step, constants that are data have one each besides."""
        for i, vertex in enumerate(self._layout.vertices):
            step = self._leaf(i, vertex) if vertex.leaf is not None else self._operation(i, vertex)
            self._at.append(len(self._steps))
            self._steps.append(step)
        return Plan(tuple(self._steps), tuple((self._at[root], 0) for root in self._layout.graph.roots))

    def _leaf(self, i: int, vertex: Vertex) -> Step:
        shape = tuple(vertex.leaf.shape)
        if id(vertex.leaf) in self._data:
            return Step(DATA, shapes=(shape,), sample=vertex.leaf.detach(), vertex=i)
        owned = self._names.of(vertex.leaf) if self._names is not None else None
        module = owned.module() if owned is not None and owned.module is not None else None
        attributes = {"name": owned.name if owned else "", "module_type": type(module).__name__ if module else ""}
        law = measured(self._originals.get(id(vertex.leaf), vertex.leaf))
        return Step(PARAMETER, shapes=(shape,), attributes=attributes, law=law, vertex=i)

    def _operation(self, i: int, vertex: Vertex) -> Step:
        op = op_of(vertex)
        inputs = [None if edge is None else (self._at[edge[0]], edge[1]) for edge in vertex.inputs]
        attributes = dict(values(vertex))
        phi = _activation(vertex, attributes)
        if phi is not None:
            op, attributes = "activation", {"phi": phi}
        for slot, name in _OPERANDS.get(op, {}).items():
            inputs = self._constant(vertex, inputs, slot, name)
        constants = {**dict(self._factors(vertex, op)), **self._constants.get(vertex.sequence, {})}
        if constants:
            attributes["constants"] = constants
            inputs += [None] * (max(constants) + 1 - len(inputs))
        shapes = tuple(tuple(metadata.shape) for metadata in vertex.node._input_metadata)
        target = vertex.tensor(_KEPT.get(op, vertex.operation.target or "indices"))
        return Step(op, tuple(inputs), shapes, attributes, sample=target, vertex=i)

    def _constant(self, vertex: Vertex, inputs: list[Edge | None], slot: int, name: str) -> list[Edge | None]:
        """An operand without a gradient becomes a step of its own."""
        if slot >= len(inputs) or inputs[slot] is not None:
            return inputs
        kept = vertex.tensor(name)
        shape = tuple(kept.shape) if isinstance(kept, Tensor) else _shape(vertex, name)
        if shape is None:
            return inputs
        self._steps.append(Step(DATA, shapes=(shape,), sample=kept))
        return [*inputs[:slot], (len(self._steps) - 1, 0), *inputs[slot + 1 :]]

    def _factors(self, vertex: Vertex, op: str) -> Iterator[tuple[int, Constant]]:
        for slot, name in _FACTORS.get(op, {}).items():
            if slot < len(vertex.inputs) and vertex.inputs[slot] is None:
                kept = vertex.tensor(name)
                if isinstance(kept, Tensor):
                    yield slot, constant_of(kept, op, slot)


def op_of(vertex: Vertex) -> str:
    """The name of the rule that a vertex follows."""
    stem = re.sub(r"Backward\w*$", "", vertex.name.rpartition("::")[2])
    return _OPS.get(stem, vertex.operation.op)


def _shape(vertex: Vertex, name: str) -> tuple[int, ...] | None:
    sizes = getattr(vertex.node, f"_saved_{name}_sym_sizes", None)
    return tuple(sizes) if sizes else None


def values(vertex: Vertex) -> Iterator[tuple[str, Any]]:
    """What autograd has saved of a node besides tensors: strides, dims, slopes."""
    names = _NAMES.get(vertex.name)
    if names is None:
        saved = [key.removeprefix("_saved_") for key in dir(vertex.node) if key.startswith("_saved_")]
        names = _NAMES[vertex.name] = [key for key in saved if not hasattr(vertex.node, f"_raw_saved_{key}")]
    return ((name, _signed(getattr(vertex.node, f"_saved_{name}"))) for name in names)


_NAMES: dict[str, list[str]] = {}
"""Which attributes nodes of a name have; asking each node would take longer than all else."""


def _signed(value: Any) -> Any:
    """Negative dims are saved as numbers without a sign."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1 << 63:
        return value - (1 << 64)
    return tuple(map(_signed, value)) if isinstance(value, tuple) else value


def _activation(vertex: Vertex, attributes: Mapping[str, Any]) -> Activation | None:
    if is_user_function(vertex.node):
        return None
    kind = _by_op().get(vertex.operation.op)
    return None if kind is None else kind.of(attributes)


@cache
def _by_op() -> dict[str, type[Activation]]:
    return {op: kind for kind in all_activations().values() for op in kind.ops}
