"""Predict from a survey; and from the first pass of each stream of a script, while the script waits."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from gradmedic.prediction import Operation, Prediction
from gradmedic.probe.blueprint import Blueprint
from gradmedic.probe.constants import Constants
from gradmedic.probe.expectation import Expectation
from gradmedic.probe.intervals import Span, current_number
from gradmedic.probe.layout import Layout
from gradmedic.probe.names import Names
from gradmedic.probe.survey import Survey
from gradmedic.site import Kind, Site
from gradmedic.theory.engine import propagate
from gradmedic.theory.initial import Init, initialized
from gradmedic.theory.plan import Plan
from gradmedic.theory.reliability import reasons
from gradmedic.theory.spread import spread

MOST_STREAMS = 4
"""Places that call backward whose first pass is predicted."""


def foretold(seen: Survey, init: Init | None, recommend: bool) -> Prediction:
    """The prediction, and beside it that for the recommended initialization."""
    plan = seen.plan if init is None else initialized(seen.plan, init)
    told = "as it is" if init is None else init if isinstance(init, str) else "given"
    found = replace(predicted(seen, plan), init=told)
    if not recommend or init == "critical":
        return found
    other = predicted(seen, initialized(seen.plan, "critical"))
    return replace(found, recommended=replace(other, init="critical"))


def predicted(seen: Survey, plan: Plan) -> Prediction:
    """What theory expects of a plan, told of the sites of its survey."""
    flow = propagate(plan)
    varies = spread(flow)
    told = Expectation(seen.layout, seen.sites, flow, varies)
    leaves = [i for i, vertex in enumerate(seen.layout.vertices) if vertex.leaf is not None and told.is_weight(i)]
    ledgers = (told.ledger(leaf, seen.name_of(leaf)) for leaf in leaves)
    return Prediction(
        operations=tuple(told.operations()),
        weights=tuple(told.weights(seen.name_of)),
        ledgers=tuple(ledger for ledger in ledgers if ledger is not None),
        reasons=tuple(reasons(flow, varies)),
        notes=tuple(told.notes()),
    )


class Foretelling:
    """Listens to every operation of a script until the predictions of its first passes have been made.

    That costs time, other than what the probe does on its own: the script is to end soon after.
    """

    def __init__(self, init: Init | None, recommend: bool) -> None:
        self.found: dict[int, Prediction] = {}
        self.failure: Exception | None = None
        self._init = init
        self._recommend = recommend
        self._heard: tuple[Constants, _Sizes] | None = None

    def start(self) -> None:
        """Listen from now on, on this thread."""
        self._heard = Constants(), _Sizes()
        for mode in self._heard:
            mode.__enter__()  # type: ignore[no-untyped-call]

    def stop(self) -> None:
        """Listen no more; harmless if that is so already."""
        for mode in reversed(self._heard or ()):
            mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        self._heard = None

    def keep(
        self, layout: Layout, sites: Sequence[Site | None], stream: int, names: Names, spans: Sequence[Span]
    ) -> None:
        """Predict the first pass of a stream, before it runs and before weights have moved."""
        if stream in self.found or len(self.found) >= MOST_STREAMS or self._heard is None:
            return
        constants, sizes = self._heard
        try:
            with _disable_current_modes(), torch.device("cpu"), torch.no_grad():
                plan = Blueprint(layout, constants=constants.noted, names=names, spans=spans).plan()
                told = foretold(Survey(layout, sites, names, plan), self._init, self._recommend)
            told = replace(told, loss=_loss(sites), operations=tuple(_with_sizes(told, layout, sites, sizes)))
            self.found[stream] = told
        except Exception as error:
            self.failure = error
        constants.noted.clear()
        sizes.noted.clear()


class _Sizes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the mean square of what each operation returns, by the sequence number of its node."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.noted: dict[int, tuple[tuple[int, ...], float]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return "torch._dynamo" in sys.modules  # torch would load its compiler, which takes two seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        first = out[0] if isinstance(out, tuple | list) and out else out
        if torch.is_grad_enabled() and isinstance(first, Tensor) and _is_read(first) and any(map(_carries, args)):
            square = float(first.detach().double().square().mean())
            self.noted[current_number() - 1] = (tuple(first.shape), square)
        return out


def _is_read(tensor: Tensor) -> bool:
    plain = tensor.is_floating_point() and tensor.layout is torch.strided
    return plain and not tensor.is_meta and tensor.numel() > 0


def _carries(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return any(map(_carries, value))
    return isinstance(value, Tensor) and value.requires_grad


def _with_sizes(told: Prediction, layout: Layout, sites: Sequence[Site | None], sizes: _Sizes) -> list[Operation]:
    """The operations with the measured rms of what they return; of repeats the root of the mean square."""
    found: dict[int, list[float]] = {}
    for vertex, site in zip(layout.vertices, sites, strict=True):
        shape, square = sizes.noted.get(vertex.sequence, ((), 0.0))
        if site is not None and vertex.sequence in sizes.noted and shape == tuple(vertex.shape):
            found.setdefault(site.id, []).append(square)
    rms = {key: (sum(squares) / len(squares)) ** 0.5 for key, squares in found.items()}
    return [replace(operation, measured_value=rms.get(operation.site.id)) for operation in told.operations]


def _loss(sites: Sequence[Site | None]) -> str:
    """The operation that the loss is."""
    losses = [site for site in sites if site is not None and site.kind is Kind.LOSS]
    return max(losses, key=lambda site: site.order).op if losses else ""
