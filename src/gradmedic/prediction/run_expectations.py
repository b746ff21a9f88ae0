"""What theory expects of a run: plans are kept as training begins, and worked out when it is over.

Working a plan out takes about as long as some hundred small training steps, so it waits until
nothing of the script's is left to be slowed. What is kept meanwhile is plain data: of weights
their law, of the batch a copy where that is small; no node of the graph stays alive.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gradmedic.base.interruption import let_through
from gradmedic.base.storage import is_readable
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.graph.names import Names
from gradmedic.probe.hooks.sequence_intervals import Span
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Event
from gradmedic.recording.site import Site

if TYPE_CHECKING:  # theory is loaded where there is a pass to read: a script that does not train has none
    from gradmedic.prediction.prediction import PredictedOperation
    from gradmedic.theory.plan.plan import Plan, Step

MOST_STREAMS = 2
"""Places that call backward whose first pass is worked out: a GAN has two."""

LONGEST = 3000
"""Steps of a plan that is worked out; more take seconds."""

LARGEST = 1 << 18
"""Entries of a tensor of the batch that is kept, and of all weights together that are looked at."""

HEAVIEST = 1 << 25
"""Entries of all parameters together from which looking at them all would be felt."""


@dataclass(frozen=True)
class _Kept:
    execution: Sequence[int]
    sites: Sequence[Site | None]
    plan: "Plan"


EARLY = 8
"""Steps within which the first pass of a stream counts as before training: a WGAN's generator waits for some."""


class RunExpectations:
    """The plans of a run's first passes, by stream."""

    until: float = EARLY

    def __init__(self) -> None:
        self._kept: dict[int, _Kept | None] = {}

    def keep(
        self, layout: Layout, sites: Sequence[Site | None], stream: int, names: Names, spans: Sequence[Span]
    ) -> None:
        """Read the plan of a stream's first pass, before the first step has changed the weights."""
        if stream in self._kept or len(self._kept) >= MOST_STREAMS:
            return
        from gradmedic.prediction.graph_to_plan import Blueprint

        self._kept[stream] = None
        weights = sum(vertex.leaf.numel() for _, vertex in layout.graph.leaves())
        if len(layout.vertices) <= LONGEST and weights <= HEAVIEST:
            try:
                plan = Blueprint(layout, names=names).plan()
            except Exception as error:  # a graph that theory cannot read is one of which nothing is expected
                let_through(error)
                return
            steps = tuple(_light(step) for step in plan.steps)
            self._kept[stream] = _Kept(layout.execution, list(sites), replace(plan, steps=steps))

    def tell(self, recorder: Recorder) -> None:
        """Record the sites anew, with what is expected of them."""
        with torch.device("cpu"), torch.no_grad():  # whatever the script has made the default
            for stream, kept in self._kept.items():
                try:
                    for site in _expected(kept) if kept is not None else ():
                        recorder.site(site)
                except Exception as error:  # sizes that no number can hold, or a fault of theory
                    let_through(error)
                    recorder.event(Event("unforeseen", 0, {"stream": stream, "error": repr(error)}))


def _expected(kept: _Kept) -> Iterator[Site]:
    """With the weights as they were, and the gains that critical ones would have."""
    from gradmedic.theory.plan.initializations import initialized

    ideal = {op.site.id: op.gain for op in _operations(kept, initialized(kept.plan, "critical"))}
    for found in _operations(kept, kept.plan):
        yield replace(
            found.site,
            expected_value=found.value.middle if found.value else None,
            expected_grad=found.grad.middle if found.grad else None,
            expected_gain=None if found.unknown else found.gain,
            critical_gain=None if found.unknown else ideal.get(found.site.id),
        )


def _operations(kept: _Kept, plan: "Plan") -> Iterator["PredictedOperation"]:
    from gradmedic.prediction.expected_sizes import Expectation
    from gradmedic.theory.engine import propagate
    from gradmedic.theory.finite_width import spread

    flow = propagate(plan)
    return Expectation(kept.execution, kept.sites, flow, spread(flow)).operations()


def _light(step: "Step") -> "Step":
    """The step with a copy of its sample, which may be a batch; without it where that is large or elsewhere."""
    sample = step.sample
    if not isinstance(sample, Tensor):
        return step
    small = sample.device.type == "cpu" and sample.numel() <= LARGEST and is_readable(sample)
    return replace(step, sample=sample.detach().clone() if small else None)
