"""The shape of a graph: what a pass over an equal one need not work out anew.

The graph of a step is nearly always that of the step before, made of new nodes. One walk compares
them: the same operations in the same order, with the same edges, on the same parameters. Batches
may differ in size. What is kept of a graph holds none of its nodes, tensors or parameters.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any
from weakref import ref

import torch

from gradmedic.probe.graph.graph import Graph, Node, Vertex
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.graph.node_table import is_user_function
from gradmedic.probe.torch_internals import SEQUENCE_NUMBERS, sequence_of
from gradmedic.recording.site import Site

MOST = 4
"""Shapes of one stream that are kept: a batch in training, one that is cut off, one with a penalty."""

LARGEST = 20_000
"""Vertices of all shapes of one stream that are kept, at about a kilobyte each."""

PATIENCE = 16
"""Passes of a stream in a row that no shape has fitted, from which on none is kept any more."""


class GraphShape:
    """The layout and the sites of a graph, without the graph."""

    def __init__(self, layout: Layout, sites: Sequence[Site | None], holding: frozenset[int]) -> None:
        self.sites = list(sites)
        self.holding = holding
        """Leaves that hold, after a pass, what has arrived there."""
        vertices = layout.vertices
        self._bare = [Vertex(None, v.name, v.operation, 0, v.inputs, v.consumers) for v in vertices]
        self._types = [type(vertex.node) for vertex in vertices]
        self._leaves = [None if v.leaf is None else (ref(v.leaf), v.leaf.shape) for v in vertices]
        self._own = [i for i, vertex in enumerate(vertices) if vertex.leaf is None and is_user_function(vertex.node)]
        self._roots = list(layout.graph.roots)
        self._execution = layout.execution
        self._layout = layout.structure()

    def recognized(self, starts: Sequence[Node]) -> Layout | None:
        """The layout of the graph behind `starts`, if it has this shape."""
        nodes = self._nodes(starts)
        graph = None if nodes is None else self._graph(nodes)
        if graph is None or any(a > b for a, b in pairwise(graph.vertices[i].sequence for i in self._execution)):
            return None
        layout = Layout.of_structure(graph, self._layout)
        return layout if layout.agrees(self._own) else None

    def _nodes(self, starts: Sequence[Node]) -> list[Node] | None:
        """The nodes at the positions that they have in this shape, found from the loss backward."""
        if len(starts) != len(self._roots):
            return None
        nodes: list[Node] = [None] * len(self._bare)
        for i, start in zip(self._roots, starts, strict=True):
            nodes[i] = start
        for i in range(len(nodes) - 1, -1, -1):
            node, edges = nodes[i], self._bare[i].inputs
            if type(node) is not self._types[i]:
                return None
            onward = node.next_functions
            if len(onward) != len(edges):
                return None
            for (source, output), edge in zip(onward, edges, strict=True):
                if edge is None:
                    if source is not None:
                        return None
                    continue
                known = nodes[edge[0]]
                if source is None or output != edge[1] or (known is not None and known is not source):
                    return None
                nodes[edge[0]] = source
        return nodes if len(set(map(id, nodes))) == len(nodes) else None

    def _graph(self, nodes: Sequence[Node]) -> Graph | None:
        """The graph of these nodes, if they have the same names and the same leaves."""
        vertices = []
        for i, (node, bare, known) in enumerate(zip(nodes, self._bare, self._leaves, strict=True)):
            leaf = None if known is None else node.variable
            if not (node.name() == bare.name if known is None else _is_same(leaf, *known)):
                return None
            number = sequence_of(node) if SEQUENCE_NUMBERS.there else i
            vertices.append(Vertex(node, bare.name, bare.operation, number, bare.inputs, bare.consumers, leaf))
        return Graph(vertices, list(self._roots))


def _is_same(leaf: Any, weak: Any, shape: torch.Size) -> bool:
    return weak() is leaf and bool(leaf.shape == shape)


class GraphShapes:
    """The shapes that the passes of each stream have had of late."""

    def __init__(self) -> None:
        self._shapes: dict[int, list[GraphShape]] = {}
        self._misses: dict[int, int] = {}

    def recognized(self, stream: int, starts: Iterable[Node]) -> tuple[Layout, GraphShape] | None:
        """The layout of a pass, and the shape of its stream that fits; None if there is none."""
        known, roots = self._shapes.get(stream, []), list(dict.fromkeys(node for node in starts if node is not None))
        for at, shape in enumerate(known):
            layout = shape.recognized(roots)
            if layout is not None:
                known.insert(0, known.pop(at))
                self._misses[stream] = 0
                return layout, shape
        self._misses[stream] = self._misses.get(stream, 0) + 1
        return None

    def keep(self, stream: int, layout: Layout, sites: Sequence[Site | None], holding: frozenset[int]) -> None:
        """Keep the shape of a pass that no known one has fitted."""
        known = self._shapes.setdefault(stream, [])
        if self._misses.get(stream, 0) > PATIENCE:
            known.clear()
            return
        known.insert(0, GraphShape(layout, sites, holding))
        sizes = accumulate(len(shape.sites) for shape in known)
        del known[min(MOST, sum(size <= LARGEST for size in sizes)) :]
