"""Predict from a survey; and from the first pass of each stream of a script, while the script waits."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from math import inf
from typing import Any

import torch

from gradmedic.base.interruption import let_through
from gradmedic.prediction.constants import Constants
from gradmedic.prediction.expected_sizes import Expectation, is_weight
from gradmedic.prediction.graph_to_plan import Blueprint
from gradmedic.prediction.measured_gains import Sizes, gauged
from gradmedic.prediction.prediction import PredictedOperation, Prediction
from gradmedic.prediction.survey import Survey
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.graph.names import Names
from gradmedic.probe.hooks.sequence_intervals import Span
from gradmedic.probe.torch_internals import without_modes
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.site import Kind, Site
from gradmedic.theory.engine import Flow, propagate
from gradmedic.theory.finite_width import spread
from gradmedic.theory.plan.initializations import Init, initialized
from gradmedic.theory.reliability import reasons

MOST_STREAMS = 4
"""Places that call backward whose first pass is predicted."""


def foretold(seen: Survey, init: Init | None, recommend: bool) -> Prediction:
    """The prediction, and beside it that for the recommended initialization.

    What has no rule is measured, where there is anything to measure.
    """
    told = "as it is" if init is None else init if isinstance(init, str) else "given"
    flow = _flow(seen, init)
    unruled = {vertex for i in flow.unknown if (vertex := flow.plan.steps[i].vertex) >= 0}
    if unruled and seen.again is not None:
        seen = seen.again(unruled)
        flow = _flow(seen, init)
    found = replace(predicted(seen, flow), init=told)
    if not recommend or init == "critical":
        return found
    other = predicted(seen, _flow(seen, "critical"))
    return replace(found, recommended=replace(other, init="critical"))


def _flow(seen: Survey, init: Init | None) -> Flow:
    return propagate(seen.plan if init is None else initialized(seen.plan, init))


def predicted(seen: Survey, flow: Flow) -> Prediction:
    """What theory expects, told of the sites of a survey."""
    varies = spread(flow)
    told = Expectation(seen.layout.execution, seen.sites, flow, varies)
    leaves = [i for i in range(len(seen.layout.vertices)) if is_weight(seen.layout, i)]
    ledgers = (told.ledger(seen.layout, leaf, seen.name_of(leaf)) for leaf in leaves)
    return Prediction(
        operations=tuple(told.operations()),
        weights=tuple(told.weights(seen.name_of)),
        ledgers=tuple(ledger for ledger in ledgers if ledger is not None),
        reasons=tuple(reasons(flow, varies)),
        notes=tuple(told.notes()),
    )


class ScriptPredictor:
    """Listens to every operation of a script until the predictions of its first passes have been made.

    That costs time, other than what the probe does on its own: the script is to end soon after.
    """

    until: float = inf

    def __init__(self, init: Init | None, recommend: bool) -> None:
        self.found: dict[int, Prediction] = {}
        self.failure: Exception | None = None
        self._init = init
        self._recommend = recommend
        self._heard: tuple[Constants, Sizes] | None = None

    def start(self) -> None:
        """Listen from now on, on this thread."""
        self._heard = Constants(), Sizes()
        for mode in self._heard:
            mode.__enter__()

    def stop(self) -> None:
        """Listen no more; harmless if that is so already."""
        heard: tuple[Any, ...] = self._heard or ()
        for mode in reversed(heard):
            mode.__exit__(None, None, None)
        self._heard = None

    def keep(
        self, layout: Layout, sites: Sequence[Site | None], stream: int, names: Names, spans: Sequence[Span]
    ) -> None:
        """Predict the first pass of a stream, before it runs and before weights have moved."""
        if stream in self.found or len(self.found) >= MOST_STREAMS or self._heard is None:
            return
        constants, sizes = self._heard
        try:
            with without_modes(), torch.device("cpu"), torch.no_grad():

                def seen(unruled: Collection[int] = ()) -> Survey:
                    gauges = gauged(layout, unruled, sizes)
                    written = constants.written
                    blueprint = Blueprint(layout, frozenset(), constants.noted, {}, names, spans, gauges, written)
                    return Survey(layout, sites, names, blueprint.plan(), seen)

                told = foretold(seen(), self._init, self._recommend)
            told = replace(told, loss=_loss(sites), operations=tuple(_with_sizes(told, layout, sites, sizes)))
            self.found[stream] = told
        except Exception as error:
            let_through(error)
            self.failure = error
        constants.noted.clear()
        constants.written.clear()
        sizes.noted.clear()

    def tell(self, recorder: Recorder) -> None:
        """Nothing: what was predicted is asked for."""


def _with_sizes(
    told: Prediction, layout: Layout, sites: Sequence[Site | None], sizes: Sizes
) -> list[PredictedOperation]:
    """The operations with the measured rms of what they return; of repeats the root of the mean square."""
    found: dict[int, list[float]] = {}
    for vertex, site in zip(layout.vertices, sites, strict=True):
        square = sizes.of(vertex) if site is not None else None
        if site is not None and square is not None:
            found.setdefault(site.id, []).append(square)
    rms = {key: (sum(squares) / len(squares)) ** 0.5 for key, squares in found.items()}
    return [replace(operation, measured_value=rms.get(operation.site.id)) for operation in told.operations]


def _loss(sites: Sequence[Site | None]) -> str:
    """The operation that the loss is."""
    losses = [site for site in sites if site is not None and site.kind is Kind.LOSS]
    return max(losses, key=lambda site: site.order).op if losses else ""
