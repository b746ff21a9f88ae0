"""Weights that a chain applies again and again: what one draw of them does, it does at every step."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from gradmedic.theory.engine import Flow
from gradmedic.theory.plan.plan import PARAMETER, Edge
from gradmedic.theory.recurrent.gradient_growth import TURNED
from gradmedic.theory.signals.signal import Signal

DRIFT = 0.008
"""Of a recurrent layer's factor per step: its norm was within 1 %, 95 times in 100, in what was measured."""

FEWEST = 4
"""Uses of the same weights below which it makes no difference that they are the same."""


@dataclass(frozen=True)
class Repeat:
    """A step that applies weights which others apply too: which ones (by number), how wide, and how coherently.

    `drift` is how far the factor of one use may be off: a standard deviation of the square's logarithm.
    """

    number: int
    width: int
    coherence: float
    drift: float = 0.0

    def accident(self, age: float) -> float:
        """The standard deviation of the logarithm of a square after so many uses of one random matrix.

        It grows as uses^2 / width at first, and in the end, when but the largest eigenvalue counts, as
        uses / sqrt(width): 0.78 u^2 / (u + 1.15) with u = uses / sqrt(width), a fit to simulations.
        """
        u = age / math.sqrt(self.width)
        return self.coherence * 0.78 * u * u / (u + 1.15)


def repeats(flow: Flow) -> dict[int, Repeat]:
    """All steps that apply weights which at least three others do."""
    uses: dict[Edge, list[int]] = defaultdict(list)
    for i, weight in _applied(flow):
        uses[weight].append(i)
    found: dict[int, Repeat] = {}
    for number, steps in enumerate(steps for steps in uses.values() if len(steps) >= FEWEST):
        found.update({i: _repeat(flow, i, number) for i in steps})
    return found


def _applied(flow: Flow) -> Iterator[tuple[int, Edge]]:
    for i, passage in enumerate(flow.passages):
        if passage.weight is None or not isinstance(flow.values[i][0], Signal):
            continue
        if (edge := flow.plan.steps[i].inputs[passage.weight]) is not None:
            yield i, _origin(flow, edge)


def _origin(flow: Flow, edge: Edge) -> Edge:
    """The parameter that a transposed or reshaped weight is."""
    step = flow.plan.steps[edge[0]]
    while step.op != PARAMETER and step.inputs and step.inputs[0] is not None:
        edge = step.inputs[0]
        step = flow.plan.steps[edge[0]]
    return edge


def _repeat(flow: Flow, i: int, number: int) -> Repeat:
    value, growth = flow.values[i][0], flow.passages[i].growth
    assert isinstance(value, Signal)
    turned, drift = value.exact == 1.0, DRIFT if growth else 0.0
    return Repeat(number, value.count, growth().coherence if growth else TURNED if turned else 1.0, drift)
