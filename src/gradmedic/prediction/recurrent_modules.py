"""Recurrent modules in a graph: all nodes of one call make one step of the plan."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gradmedic.base.storage import is_readable
from gradmedic.probe.graph.graph import Vertex
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.hooks.sequence_intervals import Span
from gradmedic.theory.recurrent.population import LayerLaws
from gradmedic.theory.signals.parameter_law import ParameterLaw, measured

KINDS = {"LSTM": "lstm", "GRU": "gru"}
LITTLE = 0.1
"""Size of what a recurrent matrix has beside its diagonal, relative to that, below which it is a multiple of one."""

Edge = tuple[int, int]
Originals = Mapping[int, Tensor]
"""The parameters that others stand in for, by the ids of these."""


@dataclass(frozen=True)
class RecurrentSubgraph:
    """One call of a recurrent module: its vertices, what comes in from outside, and what goes out."""

    module: nn.RNNCellBase | nn.RNNBase
    members: frozenset[int]
    outputs: tuple[int, ...]
    """Members that others use: the states, the one computed last first."""

    @property
    def last(self) -> int:
        """The position at which all of it has been seen."""
        return max(self.members)

    @property
    def kind(self) -> str:
        """As `LayerLaws` calls it."""
        mode = getattr(self.module, "mode", None) or type(self.module).__name__.removesuffix("Cell")
        mode = mode.removesuffix("_TANH").removesuffix("_RELU")
        if mode in KINDS:
            return KINDS[mode]
        phi = str(getattr(self.module, "nonlinearity", "tanh"))
        return f"rnn_{phi}"


def calls(layout: Layout, spans: Sequence[Span]) -> Iterator[RecurrentSubgraph]:
    """The calls of recurrent cells that can be taken as one step each."""
    roots = set(layout.graph.roots)
    numbered = sorted((v.sequence, i) for i, v in enumerate(layout.vertices) if v.leaf is None)
    for span in spans:
        if not isinstance(span.owner, nn.RNNCellBase | nn.RNNBase):
            continue
        inside = [i for _, i in numbered[bisect_left(numbered, (span.start,)) : bisect_left(numbered, (span.stop,))]]
        members = frozenset(i for i in inside if layout.parameter[i] < 0)
        users = {i: [j for j, _ in layout.vertices[i].consumers if j not in members] for i in members}
        outside = [i for i in members if users[i] or i in roots]
        if outside and all(j > max(members) for i in outside for j in users[i]):
            states = sorted(outside, key=lambda i: -layout.vertices[i].sequence)
            yield RecurrentSubgraph(span.owner, members, tuple(states))


@dataclass(frozen=True)
class Operands:
    """The edges that a call gets, and the leaves of its parameters; None for what is no part of the graph."""

    x: Edge | None
    x_kept: Any
    h: Edge | None
    c: Edge | None
    parameters: tuple[int | None, ...]


def operands(layout: Layout, call: RecurrentSubgraph, originals: Originals) -> Operands:
    """Find what a call is made of, by the parameters that meet it."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    leaves = {id(originals.get(id(v.leaf), v.leaf)): i for i, v in layout.graph.leaves()}
    found = tuple(leaves.get(id(getattr(call.module, name, None))) for name in names)
    by_weight = {leaf: i for i in call.members for leaf in layout.own_parameters(i)[:1]}
    into, back = (by_weight.get(leaf) if leaf is not None else None for leaf in found[:2])
    x, kept = _signal(layout, into)
    h, _ = _signal(layout, back)
    others = [
        edge
        for i in sorted(call.members)
        for edge in layout.vertices[i].inputs
        if edge is not None and edge[0] not in call.members and layout.parameter[edge[0]] < 0 and edge not in (x, h)
    ]
    return Operands(x, kept, h, others[0] if others and call.kind == "lstm" else None, found)


def _signal(layout: Layout, at: int | None) -> tuple[Edge | None, Any]:
    """What weights are applied to: an edge, or the tensor that was kept."""
    if at is None:
        return None, None
    vertex: Vertex = layout.vertices[at]
    slot, name = (1, "mat1") if vertex.name.startswith("Addmm") else (0, "self")
    edge = vertex.inputs[slot] if slot < len(vertex.inputs) else None
    return edge, vertex.tensor(name)


@dataclass(frozen=True)
class LayerOperands:
    """The operands of a call of a whole layer: what goes in, and for each layer and direction the leaves and laws."""

    x: Edge | None
    x_kept: Any
    parameters: tuple[int | None, ...]
    weights: tuple[tuple[LayerLaws, ...], ...]
    roles: tuple[str, ...]
    """Of each output: "output", or "h" and "c" for the last states."""


def layers(layout: Layout, call: RecurrentSubgraph, originals: Originals) -> LayerOperands:
    """Find what a call of nn.RNN, nn.LSTM or nn.GRU is made of."""
    module = call.module
    assert isinstance(module, nn.RNNBase)
    leaves = {id(originals.get(id(v.leaf), v.leaf)): i for i, v in layout.graph.leaves()}
    suffixes = ["", "_reverse"][: 1 + module.bidirectional]
    found, weights = list[int | None](), list[tuple[LayerLaws, ...]]()
    for layer in range(module.num_layers):
        names = [tuple(f"{name}_l{layer}{suffix}" for name in _NAMES) for suffix in suffixes]
        found += [leaves.get(id(getattr(module, name, None))) for group in names for name in group]
        weights.append(tuple(weights_of(call, g[1], g[0], (g[2], g[3])) for g in names))
    x, kept = _entering(layout, call, found[0])
    roles = tuple(_role(module, layout.vertices[i].shape) for i in call.outputs)
    return LayerOperands(x, kept, tuple(found), tuple(weights), roles)


_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _role(module: nn.RNNBase, shape: tuple[int, ...]) -> str:
    states = module.num_layers * (1 + module.bidirectional)
    whole = shape[-1] == module.hidden_size * (1 + module.bidirectional)
    return "output" if whole and (len(shape) < 3 or shape[0] != states or states > 1) else "h"


def _entering(layout: Layout, call: RecurrentSubgraph, leaf: int | None) -> tuple[Edge | None, Any]:
    """What goes in: followed from the first weights, or from the fused node, out of the call."""
    fused = next((i for i in call.members if "Rnn" in layout.vertices[i].name), None)
    if fused is not None:
        edge, kept = layout.vertices[fused].inputs[0], layout.vertices[fused].tensor("input")
    else:
        at = next((i for i in sorted(call.members) if leaf in layout.own_parameters(i)[:1]), None)
        edge, kept = _signal(layout, at)
    while edge is not None and edge[0] in call.members:
        edge = layout.vertices[edge[0]].inputs[0]
    return edge, kept


def weights_of(
    call: RecurrentSubgraph, h: str = "weight_hh", x: str = "weight_ih", bias: tuple[str, str] = ("bias_ih", "bias_hh")
) -> LayerLaws:
    """The laws of a module's parameters, gate by gate where that matters."""
    into, back = getattr(call.module, x), getattr(call.module, h)
    hidden, gates = back.shape[1], back.shape[0] // back.shape[1]
    none = ParameterLaw(0.0, 0.0)
    biases = tuple(
        tuple(measured(b[g * hidden : (g + 1) * hidden]) if isinstance(b, Tensor) else none for b in _both(call, bias))
        for g in range(gates)
    )
    diagonal, rest = _diagonal(back) if gates == 1 else (0.0, back)
    return LayerLaws(
        call.kind,
        hidden,
        into.shape[1],
        measured(into),
        measured(rest),
        tuple((pair[0], pair[1]) for pair in biases),
        diagonal,
    )


def _both(call: RecurrentSubgraph, names: tuple[str, str]) -> list[Any]:
    return [getattr(call.module, name, None) for name in names]


def _diagonal(matrix: Tensor) -> tuple[float, Tensor]:
    """What a matrix has on its diagonal, if little else, and the rest."""
    if not is_readable(matrix):
        return 0.0, matrix
    values = matrix.detach().double()
    middle = float(values.diagonal().mean())
    rest = values - middle * torch.eye(len(values), dtype=values.dtype, device=values.device)
    size = float(rest.square().mean().sqrt()) * len(values) ** 0.5
    return (middle, rest) if size < LITTLE * abs(middle) else (0.0, matrix)
