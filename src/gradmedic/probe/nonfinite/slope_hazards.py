"""Operations whose value is fine where their slope is not: the root of 0, the arc cosine of 1.

A loss does not tell of them, so they are looked at before every backward pass that is not read
whole. The last pass that was read has told which nodes these are and on which way from the loss
they lie; the way is gone again, and one saved tensor is compared with the bad value.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from gradmedic.probe.graph.graph import Vertex
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.graph.node_table import operation
from gradmedic.probe.torch_internals import saved

MOST = 6
"""Nodes of a stream that are looked at, those nearest to the loss: a loss by hand has a few."""

FARTHEST = 200
"""Operations on the way to such a node: each takes some tenths of a microsecond."""

LARGEST = 1 << 17
"""Entries that are looked through before every pass, which takes about 20 us."""

SHARE = 0.004
"""Share of the run's time that looking may take, and seconds that it may take before that counts."""
GRACE = 0.05

FALSE_ALARMS = 3
"""Hazards that did no harm after which a node is no longer looked at."""


@dataclass
class _Spot:
    """A node by its way from the root, as positions in `next_functions`."""

    way: tuple[int, ...]
    name: str
    alarms: int = 0

    def find(self, root: Any) -> Any:
        """The node in another graph, or None if that is built otherwise."""
        node = root
        for position in self.way:
            onward = node.next_functions
            if position >= len(onward) or onward[position][0] is None:
                return None
            node = onward[position][0]
        return node if node.name() == self.name else None


@dataclass
class Hazards:
    """The nodes to look at, by stream."""

    spots: dict[int, list[_Spot]] = field(default_factory=dict)
    spent: float = 0.0
    _began: float = field(default_factory=perf_counter)

    def learn(self, stream: int, layout: Layout) -> None:
        """Remember where the hazards of a stream lie; only on a CPU, as looking waits for a device."""
        before = {spot.way: spot.alarms for spot in self.spots.get(stream, [])}
        ways = _ways(layout) if any(_cheap(vertex) for vertex in layout.vertices) else {}
        found = [_Spot(way, layout.vertices[i].name, before.get(way, 0)) for i, way in ways.items()]
        self.spots[stream] = sorted(found, key=lambda spot: len(spot.way))[:MOST]

    def has(self, stream: int) -> bool:
        """True if there is anything to look at."""
        return bool(self.spots.get(stream))

    def show(self, stream: int, root: Tensor) -> bool:
        """True if the pass that is about to run will divide by zero, or the like."""
        spots = self.spots.get(stream)
        began = perf_counter()
        if not spots or self.spent > GRACE + SHARE * (began - self._began):
            return False
        for spot in spots:
            node = spot.find(root.grad_fn) if spot.alarms < FALSE_ALARMS else None
            if node is not None and _struck(node):
                spot.alarms += 1
                return True
        self.spent += perf_counter() - began
        return False


def _ways(layout: Layout) -> dict[int, tuple[int, ...]]:
    """The shortest way from the root to each hazard that can be tested cheaply."""
    if len(layout.graph.roots) != 1:
        return {}
    root = layout.graph.roots[0]
    far, back = {root: 0}, dict[int, tuple[int, int]]()
    for i in reversed(range(len(layout.vertices))):  # consumers come after their inputs
        for position, edge in enumerate(layout.vertices[i].inputs if i in far else ()):
            if edge is not None and far.get(edge[0], FARTHEST) > far[i] + 1:
                far[edge[0]], back[edge[0]] = far[i] + 1, (i, position)
    return {i: _way(i, back) for i in far if _cheap(layout.vertices[i])}


def _way(i: int, back: dict[int, tuple[int, int]]) -> tuple[int, ...]:
    way = []
    while i in back:
        i, position = back[i]
        way.append(position)
    return tuple(reversed(way))


def _cheap(vertex: Vertex) -> bool:
    """True for a hazard whose saved tensor is at hand and small."""
    test = _TESTS.get(vertex.operation.op)
    saved = vertex.tensor(test[0]) if test is not None and vertex.leaf is None else None
    if not isinstance(saved, Tensor) or saved.device.type != "cpu" or not 0 < saved.numel() <= LARGEST:
        return False
    return vertex.operation.op != "pow" or _is_root(vertex.node)


def _is_root(node: Any) -> bool:
    """True for a power whose slope is infinite at 0."""
    exponent = saved(node, "exponent")
    return isinstance(exponent, int | float) and exponent < 1 and exponent != 0


def _struck(node: Any) -> bool:
    vertex = Vertex(node, node.name(), operation(node.name()), 0)
    attribute, test = _TESTS[vertex.operation.op]
    saved = vertex.tensor(attribute)
    return isinstance(saved, Tensor) and saved.numel() > 0 and bool(test(saved.detach()))


def _zero(t: Tensor) -> bool:
    return int(torch.count_nonzero(t)) < t.numel()


def _inf(t: Tensor) -> bool:
    return not isfinite(float(t.sum()))


def _end(t: Tensor) -> bool:
    return float(t.abs().amax()) >= 1


_TESTS: dict[str, tuple[str, Callable[[Tensor], Any]]] = {
    "sqrt": ("result", _zero),
    "pow": ("self", _zero),
    "log": ("self", _zero),
    "log2": ("self", _zero),
    "log10": ("self", _zero),
    "div": ("other", _zero),
    "reciprocal": ("result", _inf),
    "rsqrt": ("result", _inf),
    "exp": ("result", _inf),
    "acos": ("self", _end),
    "asin": ("self", _end),
    "atanh": ("self", _end),
    "acosh": ("self", lambda t: t.min() <= 1),
    "log1p": ("self", lambda t: t.min() <= -1),
    "softmax": ("result", lambda t: ~torch.isfinite(t.sum())),
}
"""The saved tensor to look at, and what it must not hold. A value that is bad itself counts where
the loss is not: a mask may have hidden it from the loss, but not from the gradient."""
