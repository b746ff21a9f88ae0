"""What theory expects of a graph's sites, in the units in which they are measured."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from gradmedic.base.messages import Message
from gradmedic.prediction.prediction import PredictedOperation, PredictedParameter, Range
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.reading.ledger_booking import book
from gradmedic.recording.ledger import Ledger
from gradmedic.recording.site import Kind, Site
from gradmedic.theory.engine import Flow
from gradmedic.theory.finite_width import Spread
from gradmedic.theory.plan.plan import Edge
from gradmedic.theory.signals.signal import Signal

Sites = Sequence[Site | None]

NARROWEST, WIDER, MARGIN = 0.03, 1.3, 0.05
"""Of a mean square v a single initialization has ln v within 1.3 * 1.96 * sqrt(S^2 + 0.03^2) + 0.05 of the
mean's logarithm: chosen among nine such rules on 253 networks, and held to on 20 others."""

DOUBT = math.log(100.0)
"""What each operation without a rule adds to that, where it could not be measured: one decade of rms."""

MEASURED = math.log(4.0)
"""The same where it was measured, with one initialization and random gradients: a factor of two."""


class Expectation:
    """The numbers of one flow, by vertex, in the order of a backward pass; `spread`: how far starts differ."""

    def __init__(self, execution: Sequence[int], sites: Sites, flow: Flow, spread: Spread) -> None:
        self._execution = execution
        self._sites = sites
        self._flow = flow
        self._spread = spread
        self._below = _unknown_before(flow)
        self._above = _unknown_behind(flow)
        self._outputs: dict[int, tuple[Edge, ...]] = {}
        """The outputs of the plan that a vertex is."""
        for i, step in enumerate(flow.plan.steps):
            if step.vertices:
                self._outputs.update({vertex: ((i, output),) for output, vertex in enumerate(step.vertices)})
            elif step.vertex >= 0:
                self._outputs[step.vertex] = tuple((i, output) for output in range(len(flow.values[i])))
            if (last := self._named_member(i)) is not None:
                self._outputs[last] = ((i, 0),)

    def _named_member(self, i: int) -> int | None:
        """Of a recurrent module whose outputs are no sites, the last of its nodes that is one."""
        members = self._flow.plan.steps[i].attributes.get("members", ())
        named = [v for v in members if self._sites[v] is not None]
        return max(named) if named and not any(v in self._outputs for v in named) else None

    def operations(self) -> Iterator[PredictedOperation]:
        """All sites that could be told something about, in forward order."""
        members: dict[int, list[int]] = defaultdict(list)
        for vertex in self._execution:
            if (site := self._sites[vertex]) is not None and vertex in self._outputs:
                members[site.id].append(vertex)
        for vertices in members.values():
            site = self._sites[vertices[0]]
            assert site is not None
            edges = [edge for vertex in vertices for edge in self._outputs[vertex]]
            reason = next((self._flow.unknown[i] for i, _ in edges if i in self._flow.unknown), "")
            yield PredictedOperation(site, self._value(edges), self._grad(edges), self._gain(vertices), reason)

    def _value(self, edges: Sequence[Edge]) -> Range | None:
        found = [(edge, v) for edge in edges if isinstance(v := self._flow.values[edge[0]][edge[1]], Signal)]
        entries = sum(v.count * v.instances for _, v in found)
        square = sum(v.square * v.count * v.instances for _, v in found)
        if not entries:
            return None
        spread = max(self._spread.values.get(edge, 0.0) for edge, _ in found)
        return ranged(_log(square / entries), spread, max(self._below[i] for (i, _), _ in found))

    def _grad(self, edges: Sequence[Edge]) -> Range | None:
        came = {edge: self._flow.arrivals[edge] for edge in edges if edge in self._flow.arrivals}
        entries = sum(a.grad.count * a.grad.instances for a in came.values() if isinstance(a.grad, Signal))
        if not entries:
            return None
        spread = max(self._spread.grads.get(edge, 0.0) for edge in came)
        log = _joint([arrival.log_square for arrival in came.values()])
        return ranged(log - math.log(entries), spread, max(self._above[i] for i, _ in came))

    def _gain(self, vertices: Sequence[int]) -> float | None:
        """What goes on to the operand that gets most, relative to what has arrived; of repeats the mean."""
        gains = list[float]()
        for vertex in vertices:
            i = self._outputs[vertex][0][0]
            slots = range(len(self._flow.plan.steps[i].inputs))
            sent = [
                a.log_square for slot in slots if (a := self._flow.sent.get((i, slot))) and isinstance(a.grad, Signal)
            ]
            arrived = self._arrived(vertex)
            if arrived is not None and sent and arrived > -math.inf:
                gains.append((max(sent) - arrived) / math.log(100))
        return sum(gains) / len(gains) if gains else None

    def _arrived(self, vertex: int) -> float | None:
        """The logarithm of the squared norm of what arrives at a vertex."""
        came = [self._flow.arrivals[edge].log_square for edge in self._outputs[vertex] if edge in self._flow.arrivals]
        return _joint(came) if came else None

    def weights(self, name_of: Callable[[int], str]) -> Iterator[PredictedParameter]:
        """All parameters of the graph, with names by their vertex."""
        for i, step in self._flow.plan.parameters():
            assert step.law is not None
            arrival = self._flow.arrivals.get((i, 0))
            spread = self._spread.grads.get((i, 0), 0.0)
            grad = None if arrival is None else ranged(arrival.log_square, spread, self._above[i] + self._below[i])
            yield PredictedParameter(name_of(step.vertex), step.shape, math.sqrt(max(step.law.square, 0.0)), grad)

    def ledger(self, layout: Layout, leaf: int, name: str) -> Ledger | None:
        """The expected ledger of one leaf, booked as the measured one is; none where a recurrent module is one step."""
        if leaf in self._inside:
            return None
        arrivals, contributions = self._numbers
        return book(layout, self._sites, arrivals, contributions, leaf, name)

    @cached_property
    def _inside(self) -> set[int]:
        """The leaves whose gradient comes through a recurrent module that is one step of the plan."""
        behind, steps = set[int](), self._flow.plan.steps
        for i in reversed(range(len(steps))):
            if self._flow.passages[i].growth is not None or i in behind:
                behind.update(edge[0] for edge in steps[i].inputs if edge is not None)
        return {steps[i].vertex for i in behind}

    @cached_property
    def _numbers(self) -> tuple[Mapping[int, float], Mapping[tuple[int, int], float]]:
        arrived = {vertex: self._arrived(vertex) for vertex in self._outputs}
        arrivals = {vertex: _root(log) for vertex, log in arrived.items() if log is not None}
        steps = self._flow.plan.steps
        sent = {(steps[i].vertex, slot): _root(a.log_square) for (i, slot), a in self._flow.sent.items()}
        return arrivals, sent

    def notes(self) -> Iterator[Message]:
        """What each recurrent layer does to gradients through time."""
        told = set[str]()
        for i, passage in enumerate(self._flow.passages):
            if passage.growth is None:
                continue
            members = self._flow.plan.steps[i].attributes["members"]
            module = next((site.module for v in members if (site := self._sites[v]) is not None), "")
            if module not in told:
                told.add(module)
                yield _through_time(module or self._flow.plan.steps[i].op, passage.growth().factor)


def is_weight(layout: Layout, vertex: int) -> bool:
    """True for a parameter that layers apply, not for biases and gains."""
    leaf, uses = layout.vertices[vertex].leaf, layout.uses.get(vertex, [])
    return leaf is not None and leaf.dim() > 1 and any(layout.kinds[i] is Kind.WEIGHTS for i in uses)


def ranged(log: float, spread: float, doubt: float = 0.0) -> Range:
    """A size from the logarithm of its square, with the interval of single initializations."""
    reach = WIDER * 1.96 * math.hypot(spread, NARROWEST) + MARGIN + doubt
    return Range(_root(log), _root(log - reach), _root(log + reach))


def _through_time(module: str, factor: float) -> Message:
    if factor < 0.999:
        steps = math.ceil(math.log(1e-3) / math.log(factor))
        text = (
            "{module}: a gradient's norm is multiplied by {factor} per time step; after {steps} steps 1/1000 is left."
        )
        return Message(text, {"module": module, "factor": f"{factor:.3f}", "steps": steps})
    return Message(
        "{module}: a gradient's norm is multiplied by {factor} per time step.",
        {"module": module, "factor": f"{factor:.3f}"},
    )


def _log(square: float) -> float:
    return math.log(square) if square > 0 else -math.inf


def _root(log: float) -> float:
    return math.exp(log / 2) if log < 1400 else math.inf


def _joint(logs: Sequence[float]) -> float:
    """The logarithm of the sum."""
    top = max(logs)
    return top + math.log(sum(math.exp(log - top) for log in logs)) if math.isfinite(top) else top


def _unknown_before(flow: Flow) -> list[float]:
    """For each step the doubt that those without a rule on the way to it bring in, itself included."""
    found: list[float] = []
    for i, step in enumerate(flow.plan.steps):
        before = max((found[edge[0]] for edge in step.inputs if edge is not None), default=0.0)
        found.append(before + _doubt(flow, i))
    return found


def _unknown_behind(flow: Flow) -> list[float]:
    """For each step the doubt of those without a rule that its gradient has passed."""
    found = [0.0] * len(flow.plan.steps)
    for i in reversed(range(len(flow.plan.steps))):
        passed = found[i] + _doubt(flow, i)
        for edge in flow.plan.steps[i].inputs:
            if edge is not None:
                found[edge[0]] = max(found[edge[0]], passed)
    return found


def _doubt(flow: Flow, i: int) -> float:
    if i not in flow.unknown:
        return 0.0
    gauge = flow.plan.steps[i].gauge
    return MEASURED if gauge is not None and any(gauge.gains) and any(gauge.returned) else DOUBT
