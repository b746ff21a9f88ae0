"""Find the first operation that made inf or NaN, in a graph that is still alive."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from torch import Tensor

from gradmedic.probe.graph.graph import Vertex
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.graph.node_table import operands
from gradmedic.probe.nonfinite.recomputed_values import INNOCENT, Revival, not_finite

NEAR = 64
"""Operations before a product among which the one is looked for that made a factor infinite."""

LARGEST = {"float16": 65504.0, "bfloat16": 3.39e38, "float32": 3.4028235e38}


@dataclass(frozen=True)
class Culprit:
    """Where it happened. `phase` is "forward", "backward", "input" or "parameter"."""

    phase: str
    vertex: int
    operand: Tensor | None = None
    hidden: bool = False
    """Whether the value is bad, and the loss is not: it meets a zero in the backward pass."""


def find_forward(layout: Layout, root: int) -> Culprit:
    """The vertex whose inputs are finite and whose output is not, on the way to a bad loss."""
    return _Search(layout).first(root)


class _Search:
    """Remembers for each vertex whether its output is known to hold something not finite."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.values = Revival(layout)
        self._known: dict[int, bool | None] = {}
        self._states: dict[int, bool] = {}

    def first(self, root: int) -> Culprit:
        here = root
        while True:
            culprit = self._outside(here)
            if culprit is not None:
                return culprit
            onward = next((j for j in self.layout.sources(here) if self._bad(j)), None)
            if onward is None:
                here = self._between(here)
                return Culprit("forward", here, self._operand(here))
            if self.layout.vertices[onward].leaf is not None:
                return Culprit("parameter", onward)
            here = onward

    def _bad(self, i: int) -> bool:
        """True if the output of a vertex holds, or must hold, something that is not finite."""
        stack = [i]
        while stack:
            here = stack[-1]
            known = self._knows(here)
            if known is None:
                waiting = [j for j in self.layout.sources(here) if j not in self._states]
                if waiting:
                    stack.extend(waiting)
                    continue
                known = any(self._states[j] for j in self.layout.sources(here)) or self._outside(here) is not None
            self._states[here] = known
            stack.pop()
        return self._states[i]

    def _knows(self, i: int) -> bool | None:
        """What values say of a vertex's output; None if none is left."""
        if i not in self._known:
            value = self.values.value(i)
            self._known[i] = not_finite(value) if value is not None else None
        return self._known[i]

    def _between(self, last: int) -> int:
        """The likeliest among `last`, which is bad, and what lies before it and has left no value.

        The first whose estimated size does not fit its type; else the nearest that can make inf at all.
        """
        region, stack = {last}, [last]
        while stack:
            for j in self.layout.sources(stack.pop()):
                if j not in region and self._knows(j) is None:
                    region.add(j)
                    stack.append(j)
        region = {i for i in region if self.layout.is_site(i)} or {last}
        if len(region) > 1:
            ordered = sorted(region, key=lambda i: self.layout.vertices[i].sequence)
            for i in ordered:
                if self.values.extent(i) > LARGEST.get(self.layout.vertices[i].dtype, 1.7e308):
                    return i
            guilty = [i for i in ordered if self.layout.kinds[i] not in INNOCENT and not self._only_shrinks(i)]
            return last if last in guilty or not guilty else guilty[-1]
        return last

    def _only_shrinks(self, i: int) -> bool:
        """True for a division by numbers that are known, and none of which is below 1."""
        vertex = self.layout.vertices[i]
        divisor = vertex.tensor("other") if vertex.operation.op == "div" else None
        return isinstance(divisor, Tensor) and divisor.numel() > 0 and bool((divisor.detach().abs() >= 1).all())

    def _operand(self, i: int) -> Tensor | None:
        """What the operation was applied to; of several operands the one that its table names."""
        vertex = self.layout.vertices[i]
        named = vertex.tensor(vertex.operation.operand) if vertex.operation.operand else None
        known = [tensor for tensor in self.values.inputs(i) if tensor is not None]
        return named.detach() if isinstance(named, Tensor) else next(iter(known), None)

    def _outside(self, i: int) -> Culprit | None:
        """A tensor from outside of the graph, the input batch for one, that is bad itself."""
        vertex = self.layout.vertices[i]
        if vertex.leaf is not None:
            return None
        return next((Culprit("input", i, tensor) for tensor in _constants(vertex) if not_finite(tensor)), None)


def _constants(vertex: Vertex) -> Iterable[Tensor]:
    """Saved operands, and the target of a loss, that no gradient flows to."""
    for attribute, slot in operands(vertex.name, vertex.operation).items():
        if slot < len(vertex.inputs) and vertex.inputs[slot] is None:
            value = vertex.tensor(attribute)
            if isinstance(value, Tensor):
                yield value.detach()
    target = vertex.tensor(vertex.operation.target) if vertex.operation.target else None
    if isinstance(target, Tensor):
        yield target.detach()


def find_backward(layout: Layout, arrivals: Mapping[int, float]) -> Culprit | None:
    """The vertex that was handed a finite gradient and handed on one that is not.

    Only where that has reached a leaf: a mask behind the operation may have caught it.
    """
    bad = _badness(layout, arrivals)
    reached = [i for i, _ in layout.graph.leaves() if not isfinite(arrivals.get(i, 0.0))]
    if not reached:
        return None
    here = reached[0]
    while True:
        consumers = [j for j, _ in layout.vertices[here].consumers]
        onward = [j for j in consumers if bad(j)]
        if not onward:
            givers = [j for j in consumers if layout.is_site(j)] or [_giver(layout, here)]
            return Culprit("backward", max(givers, key=lambda j: layout.vertices[j].sequence))
        here = max(onward, key=lambda j: layout.vertices[j].sequence)


def masked(layout: Layout, culprit: Culprit, numbers: Mapping[Any, float]) -> Culprit:
    """The forward operation that made inf or NaN before, where a mask has kept that from the loss; else the culprit.

    `torch.where(x > 0, x * x.log(), 0)` is finite, but 0 times the log's infinite value is the gradient. The first of
    such operations is the one, as later ones may only have passed it on.
    """
    reached, stack = {culprit.vertex}, [culprit.vertex]
    while stack and len(reached) < NEAR:
        onward = [j for j in layout.signals[stack.pop()] if j not in reached and not layout.applies_weights(j)]
        reached.update(onward)
        stack += onward
    wrong = [j for j in reached if _spoiled(numbers, j)]
    wrong += [j for j in reached - {culprit.vertex} if _undefined(layout.vertices[j], numbers, j)]
    first = min(wrong, key=lambda j: layout.vertices[j].sequence, default=None)
    return culprit if first is None else Culprit("forward", first, hidden=True)


def _spoiled(numbers: Mapping[Any, float], i: int) -> bool:
    """True where the operation's own value was read, and is not finite."""
    return not isfinite(numbers.get((i, "value_norm"), 0.0))


def _undefined(vertex: Vertex, numbers: Mapping[Any, float], i: int) -> bool:
    """True where the operand was read, and the function is not finite for it."""
    low, high = numbers.get((i, "input_min")), numbers.get((i, "input_max"))
    if low is None or high is None:
        return False
    zero = numbers.get((i, "input_nonzero"), 0.0) < numbers.get((i, "input_numel"), 0.0)
    test = _OUTSIDE.get(vertex.operation.op)
    return test is not None and test(low, high, zero)


_OUTSIDE: dict[str, Callable[[float, float, bool], bool]] = {
    **dict.fromkeys(("log", "log2", "log10"), lambda low, high, zero: low <= 0),
    **dict.fromkeys(("acos", "asin"), lambda low, high, zero: max(-low, high) > 1),
    "div": lambda low, high, zero: zero,
    "log1p": lambda low, high, zero: low <= -1,
    "atanh": lambda low, high, zero: max(-low, high) >= 1,
    "acosh": lambda low, high, zero: low < 1,
}
"""Whether a function is inf or NaN somewhere in a range of its operand."""


def _badness(layout: Layout, arrivals: Mapping[int, float]) -> Callable[[int], bool]:
    """Whether the gradient at a vertex is bad; views, which are not read, pass on what they get."""

    def bad(i: int) -> bool:
        while i not in arrivals and layout.vertices[i].consumers:
            i = layout.vertices[i].consumers[0][0]
        return not isfinite(arrivals.get(i, 0.0))

    return bad


def _giver(layout: Layout, i: int) -> int:
    """The operation nearest to a vertex on the loss's side."""
    here = i
    while layout.vertices[here].consumers and (here == i or not layout.is_site(here)):
        here = layout.vertices[here].consumers[0][0]
    return here
