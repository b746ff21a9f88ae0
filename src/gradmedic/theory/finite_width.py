"""How far one initialization lies from the mean of all, to first order in 1/width.

Each layer's units are a sample: the mean of their squares, and of the squared slopes on the way
back, vary by about 1/units from draw to draw. These accidents add up in the logarithm of what
comes after them (Hanin & Nica 2020 for ReLU; here for any activation, and for any plan).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import torch
from torch import Tensor

from gradmedic.theory.engine import Flow, Gradient
from gradmedic.theory.plan.plan import Edge
from gradmedic.theory.shared_weights import repeats
from gradmedic.theory.signals.signal import Signal


@dataclass
class Spread:
    """Standard deviations, over initializations, of the logarithm of a mean square: of values, and of gradients."""

    values: dict[Edge, float] = field(default_factory=dict)
    grads: dict[Edge, float] = field(default_factory=dict)
    sent: dict[tuple[int, int], float] = field(default_factory=dict)
    widest: float = 0.0
    """The largest of all that has come together on the way, forward or back; what few units vary by themselves is
    not in it."""
    repeated: float = 0.0
    """What is owed to weights that are applied many times in a row, at most."""
    steepest: float = 1.0
    """By how much an accident grows at most on its way forward; beyond two the first order is no guide."""


def spread(flow: Flow) -> Spread:
    """Follow every layer's accident through the plan, forward and back."""
    return _Accidents(flow).spread()


class _Accidents:
    """Three accidents per layer, in this order: that of its units as the next layer sees them, that of its gradient
    as the layer before sees it, and that of what it mixes itself where that is not the units of one layer.
    One more for each sum, and for each value whose gradients add up: the parts are independent, but not orthogonal;
    and for each normalization, that divides by what its operand's size happens to be."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        mixing = [i for i, passage in enumerate(flow.passages) if passage.mixes is not None]
        self.place = {i: n for n, i in enumerate(mixing)}
        self.count = len(mixing)
        self.sums = {i: 3 * self.count + n for n, i in enumerate(self._with_sums())}
        self.senders = _senders(flow)
        last = 3 * self.count + len(self.sums)
        self.junctions = {edge: last + n for n, edge in enumerate(self.senders)}
        self.repeats = repeats(flow)
        last += len(self.junctions)
        self.sizes = {i: last + n for n, i in enumerate(i for i, p in enumerate(flow.passages) if p.sized)}
        last += len(self.sizes)
        # For weights that are used again and again: how often a gradient has come through them, and what that does.
        self.ages = {i: last + 2 * repeat.number for i, repeat in self.repeats.items()}
        self.size = max(self.ages.values(), default=last - 2) + 2
        self.variance = self._nothing()
        # The same for one instance: what a sum over all instances goes by, such as a parameter's gradient.
        self.twice = torch.zeros(self.size, dtype=torch.bool)
        for at in self.ages.values():
            self.variance[at + 1], self.twice[at + 1] = 1.0, True
        self.alone = self.variance.clone()
        self.cross = torch.zeros(self.count, dtype=torch.float64)
        self.found = Spread()
        self.up: dict[Edge, Tensor] = {}
        self.down: dict[Edge, Tensor] = {}

    def spread(self) -> Spread:
        """Forward, then back."""
        for i in range(len(self.flow.plan.steps)):
            self._forward(i)
        for edge in self.flow.plan.roots:
            self.down[edge] = self._nothing()
        for i in reversed(range(len(self.flow.plan.steps))):
            self._back(i)
        return self.found

    def _nothing(self) -> Tensor:
        return torch.zeros(self.size, dtype=torch.float64)

    def _with_sums(self) -> list[int]:
        return [i for i, step in enumerate(self.flow.plan.steps) if step.op in ("add", "sub", "rsub")]

    def _value(self, edge: Edge | None) -> Signal | None:
        value = None if edge is None else self.flow.values[edge[0]][edge[1]]
        return value if isinstance(value, Signal) else None

    def _forward(self, i: int) -> None:
        step, passage = self.flow.plan.steps[i], self.flow.passages[i]
        total = self._nothing()
        for slot, edge in enumerate(step.inputs):
            x = self._value(edge)
            if x is None or edge is None:
                continue
            weight = passage.elastic[slot] if slot < len(passage.elastic) else float(slot == 0)
            total += weight * self.up.get(edge, 0.0)
            if slot == passage.mixes:
                total[self._source(i, x)] += weight
        if i in self.sums:
            parts = [x for edge in step.inputs if (x := self._value(edge))]
            self._add(total, self.sums[i], [(x.square, x) for x in parts])
        self.found.steepest = max(self.found.steepest, float(total[: self.count].abs().max()) if self.count else 1.0)
        for output, value in enumerate(self.flow.values[i]):
            if isinstance(value, Signal):
                self.up[i, output] = total
                own, come = value.looseness / value.count, self._variance(total)
                self.found.values[i, output] = math.sqrt(come + own)
                self.found.widest = max(self.found.widest, math.sqrt(come))

    def _add(self, total: Tensor, at: int, parts: Sequence[tuple[float, Signal]]) -> None:
        """The accident of a sum of signals of these sizes: twice the product of each two, whose mean is zero."""
        whole = sum(square for square, _ in parts)
        if 0 < whole < math.inf:
            crossed = sum(4 * p * q * _alike(a, b) / a.count for (p, a), (q, b) in combinations(parts, 2))
            self.variance[at] = self.alone[at] = crossed / whole / whole
            total[at] += 1.0

    def _source(self, i: int, x: Signal) -> int:
        """The accident of the units that a layer mixes; they are those of one layer, or have come together."""
        at = self.place.get(x.layer, 2 * self.count + self.place[i])
        self._note(at, x)
        if at < self.count:
            self.cross[at] = x.cross / x.count
        return at

    def _note(self, at: int, x: Signal) -> None:
        self.variance[at] = x.looseness / x.count
        self.alone[at] = max(float(x.blended().kurtosis[0, 0]) - 1.0, 0.0) / x.count

    def _variance(self, weights: Tensor, *, alone: bool = False) -> float:
        if not self.count:
            return 0.0
        first, second = weights[: self.count], weights[self.count : 2 * self.count]
        own = self.alone if alone else self.variance
        return max(float(weights**2 @ own + 2 * (first * second) @ self.cross), 0.0)

    def _back(self, i: int) -> None:
        came = {edge: log for edge in self._outputs(i) if (log := self._log_square(edge)) > -math.inf}
        if not came:
            return
        largest = max(came, key=lambda edge: came[edge])
        for edge in came:
            total = self._come(i, edge)
            grad = self.flow.arrivals[edge].grad
            if isinstance(grad, Signal):
                self._book(i, edge, total, grad)
            if edge == largest:
                self._send_all(i, total)

    def _log_square(self, edge: Edge) -> float:
        arrival = self.flow.arrivals.get(edge)
        return arrival.log_square if arrival is not None else -math.inf

    def _come(self, i: int, edge: Edge) -> Tensor:
        """What has come to an output on the way back."""
        total = self._arrived(edge).clone()
        if edge in self.junctions:
            self._add(total, self.junctions[edge], self.senders[edge])
        if i in self.ages:
            repeat, age = self.repeats[i], float(total[self.ages[i]])
            total[self.ages[i] + 1] = math.hypot(repeat.accident(age), repeat.drift * age)
            self.found.repeated = max(self.found.repeated, repeat.accident(age))
        return total

    def _book(self, i: int, edge: Edge, total: Tensor, grad: Signal) -> None:
        """Note how far the gradient at an output spreads; a layer that mixes has its own accident here."""
        if self.flow.passages[i].mixes is None:
            self.found.grads[edge] = math.sqrt(self._variance(total) + grad.looseness / grad.count)
            return
        at = self.count + self.place[i]
        self._note(at, grad)
        total[at] += 1.0
        self.found.grads[edge] = math.sqrt(self._variance(total))
        once = torch.where(self.twice, 0.0, total)
        self.found.widest = max(self.found.widest, math.sqrt(self._variance(once)))

    def _send_all(self, i: int, total: Tensor) -> None:
        if i in self.ages:
            total[self.ages[i]] += 1.0
        for slot, source in enumerate(self.flow.plan.steps[i].inputs):
            sent = self.flow.sent.get((i, slot))
            if source is not None and sent is not None:
                self._send(i, slot, source, sent, total)

    def _outputs(self, i: int) -> list[Edge]:
        return [(i, output) for output in range(len(self.flow.values[i]))]

    def _arrived(self, edge: Edge) -> Tensor:
        return self.down.get(edge, self._nothing())

    def _send(self, i: int, slot: int, source: Edge, sent: Gradient, total: Tensor) -> None:
        passage, inputs = self.flow.passages[i], self.flow.plan.steps[i].inputs
        passed = total.clone()
        for to, on, weight in passage.bends:
            edge = inputs[on]
            if to == slot and edge is not None and edge in self.up:
                passed += weight * self.up[edge]
                if passage.sized and (x := self._value(edge)) is not None:
                    passed[self._size(i, x)] += weight
        if isinstance(sent.grad, float):
            self._weight(i, slot, source, sent, passed)
            return
        self.found.sent[i, slot] = math.sqrt(self._variance(passed))
        if slot >= passage.told:
            self.down[source] = self._arrived(source) + self._share(sent, source) * passed

    def _size(self, i: int, x: Signal) -> int:
        """The accident of the size that a normalization divides by, and what its rule leaves out."""
        at = self.sizes[i]
        if x.layer in self.place:  # a layer's weights that are large by chance send as much more back
            self.variance[at] = self.alone[at] = 0.0
        else:
            self._note(at, x)
        self.variance[at] += self.flow.passages[i].doubt ** 2
        self.alone[at] += self.flow.passages[i].doubt ** 2
        return at

    def _weight(self, i: int, slot: int, source: Edge, sent: Gradient, passed: Tensor) -> None:
        """A weight's gradient varies as the gradient and the signal that it is made of do."""
        mixes = self.flow.passages[i].mixes
        edge = self.flow.plan.steps[i].inputs[mixes] if mixes is not None else None
        if edge is not None and self.flow.passages[i].weight == slot:
            passed = passed + self.up.get(edge, 0.0)
            x = self._value(edge)
            if x is not None and x.layer in self.place:
                passed[self.place[x.layer]] += 1.0
        self.down[source] = self._arrived(source) + self._share(sent, source) * passed
        self.found.grads[source] = math.sqrt(self._variance(self.down[source], alone=True))

    def _share(self, sent: Gradient, source: Edge) -> float:
        arrival = self.flow.arrivals.get(source)
        if arrival is None or arrival.log_square == -math.inf:
            return 0.0
        return math.exp(min(sent.log_square - arrival.log_square, 0.0))


def _senders(flow: Flow) -> dict[Edge, list[tuple[float, Signal]]]:
    """The gradients that add up to one, where these are several, and how large they are beside each other."""
    found: dict[Edge, list[tuple[float, Signal]]] = {}
    for (i, slot), sent in flow.sent.items():
        edge = flow.plan.steps[i].inputs[slot]
        if edge in flow.arrivals and isinstance(sent.grad, Signal):
            share = math.exp(min(sent.log_square - flow.arrivals[edge].log_square, 0.0))
            found.setdefault(edge, []).append((share, sent.grad))
    return {edge: grads for edge, grads in found.items() if len(grads) > 1}


def _alike(a: Signal, b: Signal) -> float:
    """The mean over all pairs of instances of how the two of a pair agree in both signals."""
    same = 1.0 / a.instances
    across = [float(x.share @ x.apart(x.k)) / x.square if x.square > 0 else 0.0 for x in (a, b)]
    return same + (1 - same) * max(across[0] * across[1], 0.0)
