"""What can be read off a graph's shape alone: weights, feeders, uses, tails, recurrences."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from gradmedic.probe.graph.graph import Graph, Vertex
from gradmedic.probe.graph.node_table import is_user_function
from gradmedic.recording.site import Kind

_LAYERS = {Kind.WEIGHTS, Kind.EMBEDDING, Kind.RECURRENT}

CHECKPOINT = "checkpoint_function"
"""The one node that reentrant checkpointing leaves of a part of the forward pass."""

CRITERIA = {"log_softmax", "mse_loss", "l1_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"}
"""Operations of which it can be said what they add to the loss, beside squares that are written by hand."""

RECURS = 4
"""Uses of one weight, each behind the last, from which they count as time steps: two or three
are as likely a block that is applied again."""


_SILENT_SHAPES = {
    "view",
    "unsafe_view",
    "reshape",
    "t",
    "transpose",
    "permute",
    "unsqueeze",
    "squeeze",
    "alias",
    "clone",
}
"""Reshapes through which a gradient passes with its norm unchanged: nothing to measure."""

MANY_USES = 64
"""Uses of one leaf above which the single contributions are no longer measured: an RNN over a
thousand steps would copy its weights' gradient a thousand times."""

STEEPEST = {"relu": 1.0, "sigmoid": 0.25, "tanh": 1.0}
"""The largest slope of activations whose result autograd keeps, and checkpointing packs away."""


class Layout:
    """The structure of one graph; every list is indexed by vertex position.

    A graph that lies `within` another one, as a checkpoint's, does not end in the loss. Leaves with
    an id in `data` are no parameters, but what the user feeds in.
    """

    def __init__(self, graph: Graph, within: bool = False, data: frozenset[int] = frozenset()) -> None:
        self.graph = graph
        self._within = within
        self.reads: list[Any] | None = None
        """What readers have found to be worth reading at each vertex."""
        self.vertices = graph.vertices
        self.kinds = [self._kind(vertex) for vertex in self.vertices]
        self.parameter = [-1] * len(self.vertices)
        """The leaf that a vertex is or merely reshapes, else -1."""
        for i, vertex in enumerate(self.vertices):
            if vertex.leaf is not None:
                self.parameter[i] = -1 if id(vertex.leaf) in data else i
            elif self.kinds[i] is Kind.SHAPE or vertex.operation.op in ("weight_norm_interface", "to_copy"):
                sources = {self.parameter[j] for j in self.sources(i)}
                self.parameter[i] = sources.pop() if len(sources) == 1 else -1
        for i in range(len(self.vertices)):
            self._settle_kind(i)

    def structure(self) -> dict[str, Any]:
        """What has been worked out so far, all of which holds for any graph of the same shape."""
        return {name: value for name, value in vars(self).items() if name not in ("graph", "vertices")}

    @classmethod
    def of_structure(cls, graph: Graph, structure: Mapping[str, Any]) -> "Layout":
        """The layout of a graph whose shape is that of another one, by the `structure` of that."""
        layout = cls.__new__(cls)
        vars(layout).update(structure, graph=graph, vertices=graph.vertices)
        return layout

    def agrees(self, functions: Iterable[int]) -> bool:
        """True if the user's own `functions` are of the kind that they are taken for: their shapes decide on it."""
        return all(self._kind(self.vertices[i]) is self.kinds[i] for i in functions)

    def sources(self, i: int) -> Iterator[int]:
        """Positions of the vertices that feed a vertex."""
        return (edge[0] for edge in self.vertices[i].inputs if edge is not None)

    def _kind(self, vertex: Vertex) -> Kind:
        if vertex.operation.op == CHECKPOINT:
            return Kind.OPAQUE
        if vertex.leaf is None and is_user_function(vertex.node):
            edge = vertex.inputs[0] if vertex.inputs else None
            same = edge is not None and self.vertices[edge[0]].shape == vertex.shape
            return Kind.ACTIVATION if same else Kind.OPAQUE
        if vertex.operation.op == "maximum" and None not in vertex.inputs:
            return Kind.ARITHMETIC  # of two signals, neither of which is a floor
        return vertex.operation.kind

    def _settle_kind(self, i: int) -> None:
        """A product without a parameter is no weight; a sum of two signals is a junction."""
        if self.kinds[i] is Kind.WEIGHTS and not self.own_parameters(i):
            many = sum(edge is not None for edge in self.vertices[i].inputs) > 1
            self.kinds[i] = Kind.ATTENTION if many else Kind.ARITHMETIC  # a constant matrix mixes neighbors
        elif self.vertices[i].operation.op == "add" and sum(self.parameter[j] < 0 for j in self.sources(i)) > 1:
            self.kinds[i] = Kind.RESIDUAL

    def own_parameters(self, i: int) -> list[int]:
        """The leaves that a vertex applies: those of most dimensions first, of two the right factor."""
        if self.parameter[i] >= 0:
            return []
        slots = {self.parameter[e[0]]: slot for slot, e in enumerate(self.vertices[i].inputs) if e is not None}
        leaves = [(leaf, slot) for leaf, slot in slots.items() if leaf >= 0]
        return [leaf for leaf, slot in sorted(leaves, key=lambda p: (-self.vertices[p[0]].leaf.dim(), -p[1]))]

    def is_site(self, i: int) -> bool:
        """True for what is worth a name: not a leaf, not a reshape, not a parameter's own view."""
        return self.vertices[i].leaf is None and self.kinds[i] is not Kind.SHAPE and self.parameter[i] < 0

    def applies_weights(self, i: int) -> bool:
        """True where a parameter of two dimensions or more meets the signal."""
        return self.kinds[i] in _LAYERS

    @cached_property
    def execution(self) -> list[int]:
        """Positions of all sites in the order of the forward pass."""
        return sorted(filter(self.is_site, range(len(self.vertices))), key=lambda i: self.vertices[i].sequence)

    @cached_property
    def feeder(self) -> list[int]:
        """The nearest layer (weights or normalization) upstream, itself included; -1 for none."""
        return self._upstream(_LAYERS | {Kind.NORMALIZATION})

    @cached_property
    def weights(self) -> list[int]:
        """The nearest vertex upstream that applies weights, itself included; -1 for none."""
        return self._upstream(_LAYERS)

    def _upstream(self, kinds: set[Kind]) -> list[int]:
        found: list[int] = []
        for i in range(len(self.vertices)):
            behind = (found[j] for j in self.sources(i) if found[j] >= 0)
            found.append(i if self.kinds[i] in kinds else next(behind, -1))
        return found

    @cached_property
    def uses(self) -> dict[int, list[int]]:
        """For each leaf the vertices that apply it, in the order of the forward pass."""
        uses: dict[int, list[int]] = {}
        for i in self.execution:
            for leaf in self.own_parameters(i):
                uses.setdefault(leaf, []).append(i)
        return uses

    @cached_property
    def use(self) -> list[int]:
        """How often the weight that feeds a vertex had been applied before."""
        count = {i: n for users in self.uses.values() for n, i in enumerate(users)}
        return [count.get(layer, 0) for layer in self.weights]

    @cached_property
    def tail(self) -> list[bool]:
        """True where no weights stand between a vertex and the loss."""
        tail = [True] * len(self.vertices)
        for i in reversed(range(len(self.vertices))):
            users = self.vertices[i].consumers
            ends = bool(users) or not self._within
            tail[i] = ends and all(tail[j] and not self.applies_weights(j) for j, _ in users)
        return tail

    @cached_property
    def signals(self) -> list[tuple[int, ...]]:
        """The sites that feed a vertex, reshapes skipped."""
        behind: list[tuple[int, ...]] = []
        for i in range(len(self.vertices)):
            found: dict[int, None] = {}
            for j in self.sources(i):
                found.update(dict.fromkeys((j,) if self.is_site(j) else behind[j]))
            behind.append(tuple(found)[:64])
        return behind

    @cached_property
    def forks(self) -> list[list[int]]:
        """The inputs of a vertex whose source has other consumers too: the dominant one must be found."""
        users = [len(vertex.consumers) for vertex in self.vertices]
        return [
            [slot for slot, edge in enumerate(v.inputs) if edge is not None and 1 < users[edge[0]] <= MANY_USES]
            for v in self.vertices
        ]

    @cached_property
    def bent(self) -> list[bool]:
        """True for an activation that may have to be told by its slopes."""
        return [
            v.operation.op in STEEPEST or (kind is Kind.ACTIVATION and is_user_function(v.node))
            for v, kind in zip(self.vertices, self.kinds, strict=True)
        ]

    @cached_property
    def measured(self) -> list[bool]:
        """False for a reshape that hands on to one vertex what has arrived: its norm is known there."""
        silent = [v.operation.kind is Kind.SHAPE and v.operation.op in _SILENT_SHAPES for v in self.vertices]
        return [not still or len(v.consumers) != 1 for still, v in zip(silent, self.vertices, strict=True)]

    @cached_property
    def criteria(self) -> frozenset[int]:
        """Where outputs meet targets: the first such operations that are met from the loss backward."""
        found, seen, waiting = set(), set(), [*self.graph.roots]
        while waiting:
            i = waiting.pop()
            if i in seen or not self.tail[i]:
                continue
            seen.add(i)
            if self._is_criterion(i):
                found.add(i)
            else:
                waiting += self.sources(i)
        return frozenset(found)

    def _is_criterion(self, i: int) -> bool:
        op = self.vertices[i].operation.op
        subtracts = op == "pow" and any(self.vertices[j].operation.op == "sub" for j in self.signals[i])
        return op in CRITERIA or subtracts

    @cached_property
    def recurrences(self) -> dict[int, list[int]]:
        """Weights that are applied again and again, each time behind the last: leaf -> uses in time."""
        chains = {}
        for leaf, users in self.uses.items():
            if len(users) >= RECURS and self.vertices[leaf].leaf.dim() > 1 and self._chained(users):
                chains[leaf] = users
        return chains

    def _chained(self, users: list[int]) -> bool:
        """True if nearly every use lies behind the one before."""
        members, longest = set(users), [0] * len(self.vertices)
        for i in range(len(self.vertices)):
            longest[i] = max((longest[j] for j in self.sources(i)), default=0) + (i in members)
        return max(longest) >= 0.9 * len(users)

    def fan_in(self, i: int) -> int | None:
        """Inputs per unit of the weights that a vertex applies, where that is plain."""
        own = self.own_parameters(i)
        if not own or self.kinds[i] is not Kind.WEIGHTS:
            return None
        weight = self.vertices[own[0]].leaf
        if weight.dim() != 2:
            return int(weight[0].numel()) if weight.dim() > 2 else None
        # A product sums over the rows of its right factor and over the columns of its left one.
        edges = [(slot, e[0]) for slot, e in enumerate(self.vertices[i].inputs) if e is not None]
        slot, source = next((slot, j) for slot, j in edges if self.parameter[j] == own[0])
        right = slot == len(self.vertices[i].inputs) - 1 and self.vertices[i].name != "LinearBackward0"
        turned = source != own[0]
        return int(weight.shape[0 if right != turned else 1])
