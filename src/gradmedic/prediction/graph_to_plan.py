"""From a graph to a plan: what theory needs to know of each node, as plain data."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from torch import Tensor, nn

from gradmedic.base.storage import is_readable
from gradmedic.prediction.constants import constant_of
from gradmedic.prediction.recurrent_modules import RecurrentSubgraph, calls, layers, operands, weights_of
from gradmedic.probe.graph.graph import Vertex
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.graph.names import Names
from gradmedic.probe.graph.node_table import is_user_function
from gradmedic.probe.hooks.sequence_intervals import Span
from gradmedic.probe.torch_internals import outputs_of, saved, saved_constants
from gradmedic.theory.activations import Activation, all_activations
from gradmedic.theory.plan.plan import DATA, PARAMETER, Constant, Edge, Gauge, Plan, Step
from gradmedic.theory.signals.parameter_law import measured

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

_KEPT = {"sdpa": "attn_mask", "embedding": "indices", "gather": "index"}
"""The saved tensor that tells most of an operation besides its operands."""

_WEIGHTS = {
    "nll_loss": ("weight",),
    "binary_cross_entropy": ("weight",),
    "binary_cross_entropy_with_logits": ("weight", "pos_weight"),
}
"""Saved tensors that weigh what a loss asks for."""

_CHOICES = {"masked_fill": "mask", "where": "condition"}
"""The saved tensor that tells what an operation chooses."""

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
        spans: Sequence[Span] = (),
        gauges: Mapping[int, Gauge] | None = None,
        written: Mapping[int, tuple[str, int]] | None = None,
    ) -> None:
        self._layout = layout
        self._data = data
        self._constants = constants or {}
        self._originals = originals or {}
        self._names = names
        self._gauges = gauges or {}
        self._written = written or {}
        self._steps: list[Step] = []
        self._at: dict[int, Edge] = {}
        """For each vertex the step that it is, and which output of it comes first."""
        self._calls = list(calls(layout, spans))
        self._inside = {i: call for call in self._calls for i in call.members}

    def plan(self) -> Plan:
        """The plan of the graph; each vertex has one step, constants that are data have one each besides."""
        for i, vertex in enumerate(self._layout.vertices):
            call = self._inside.get(i)
            if call is None:
                step = self._leaf(i, vertex) if vertex.leaf is not None else self._operation(i, vertex)
                self._at[i] = (len(self._steps), 0)
                self._steps.append(step)
            elif i == call.last:
                self._call(call)
        return Plan(tuple(self._steps), tuple(self._at[root] for root in self._layout.graph.roots))

    def _edge(self, edge: Edge | None) -> Edge | None:
        """An edge of the graph as one of the plan."""
        if edge is None or edge[0] not in self._at:
            return None
        step, first = self._at[edge[0]]
        return step, first + edge[1]

    def _call(self, call: RecurrentSubgraph) -> None:
        """All vertices of a recurrent module's call as one step."""
        if isinstance(call.module, nn.RNNBase):
            self._layer(call)
            return
        found = operands(self._layout, call, self._originals)
        x = self._entering(found.x, found.x_kept)
        weights = weights_of(call)
        parameters = [None if leaf is None else self._edge((leaf, 0)) for leaf in found.parameters]
        laws = [None if edge is None else self._steps[edge[0]].law for edge in parameters]
        attributes = {"weights": weights, "back_law": laws[1], "bias_laws": tuple(laws[2:]), "members": call.members}
        inputs = (x, self._edge(found.h), self._edge(found.c), *parameters)
        shape = self._layout.vertices[call.outputs[0]].shape
        for output, i in enumerate(call.outputs):
            self._at[i] = (len(self._steps), output)
        shapes = (shape,) * (2 if call.kind == "lstm" else 1)
        self._steps.append(
            Step("recurrent_cell", inputs, shapes, attributes, vertex=call.outputs[0], vertices=call.outputs)
        )

    def _entering(self, edge: Edge | None, kept: Any) -> Edge | None:
        """What goes into a call; data becomes a step of its own."""
        known = self._edge(edge)
        if known is not None or not isinstance(kept, Tensor):
            return known
        self._steps.append(Step(DATA, shapes=(tuple(kept.shape),), sample=kept))
        return len(self._steps) - 1, 0

    def _layer(self, call: RecurrentSubgraph) -> None:
        """A call of nn.RNN, nn.LSTM or nn.GRU."""
        found = layers(self._layout, call, self._originals)
        x = self._entering(found.x, found.x_kept)
        parameters = [None if leaf is None else self._edge((leaf, 0)) for leaf in found.parameters]
        laws = [None if edge is None else self._steps[edge[0]].law for edge in parameters]
        first = bool(call.module.batch_first) and found.x is not None
        attributes = {
            "layers": found.weights,
            "laws": [tuple(laws[i : i + 4]) for i in range(0, len(laws), 4)],
            "roles": found.roles,
            "batch_first": bool(call.module.batch_first),
            "x_first": first,
            "members": call.members,
        }
        shapes = tuple(self._layout.vertices[i].shape for i in call.outputs)
        for output, i in enumerate(call.outputs):
            self._at[i] = (len(self._steps), output)
        step = Step(
            "recurrent_layer", (x, *parameters), shapes, attributes, vertex=call.outputs[0], vertices=call.outputs
        )
        self._steps.append(step)

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
        inputs = [self._edge(edge) for edge in vertex.inputs]
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
        if kept := {name: held for name in _WEIGHTS.get(op, ()) if isinstance(held := vertex.tensor(name), Tensor)}:
            attributes["kept"] = kept
        if op == "copy_slices":  # its node is made right after that of the operation in place
            attributes["writes"] = self._written.get(vertex.sequence - 1)
        if op in _CHOICES:
            attributes["share"] = share_of(vertex.tensor(_CHOICES[op]))
        shapes = tuple(tuple(metadata.shape) for metadata in outputs_of(vertex.node))
        target = vertex.tensor(_KEPT.get(op, vertex.operation.target or "indices"))
        return Step(op, tuple(inputs), shapes, attributes, sample=target, vertex=i, gauge=self._gauges.get(i))

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


def share_of(mask: Any) -> float:
    """The share of a mask's entries that are true; half of those of one that nobody can read."""
    return (
        0.5
        if not isinstance(mask, Tensor) or not mask.numel() or not is_readable(mask)
        else float(mask.double().mean())
    )


def _shape(vertex: Vertex, name: str) -> tuple[int, ...] | None:
    sizes = saved(vertex.node, f"{name}_sym_sizes")
    return tuple(sizes) if sizes else None


def values(vertex: Vertex) -> Iterator[tuple[str, Any]]:
    """What autograd has saved of a node besides tensors: strides, dims, slopes."""
    names = _NAMES.get(vertex.name)
    if names is None:
        names = _NAMES[vertex.name] = saved_constants(vertex.node)
    return ((name, _signed(saved(vertex.node, name))) for name in names)


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
