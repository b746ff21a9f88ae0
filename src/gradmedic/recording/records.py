"""What was seen in a run: its operations and parameters, and their numbers step by step.

What each number means is said in `gradmedic.recording.columns`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gradmedic.base.value_types import Index, Size
from gradmedic.recording.ledger import Ledger
from gradmedic.recording.site import Kind, Parameter, Site

SCHEMA = 1

MEASURED = (Kind.WEIGHTS, Kind.RECURRENT, Kind.EMBEDDING)
"""Kinds of the operations that stand for a layer where the gradient is shown by depth."""


class Vital(NamedTuple):
    """What is taken of every backward pass; None is "not taken"."""

    step: Index
    stream: Index
    time: float
    loss: float | None = None
    grad_norm: Size | None = None
    max_norm: float | None = None
    lr: float | None = None
    scale: float | None = None
    skipped: bool = False


@dataclass(frozen=True)
class Stream:
    """A place in the script where backward is called: a GAN has two."""

    id: Index
    name: str = "loss"
    file: str | None = None
    line: Index | None = None


@dataclass(frozen=True)
class Optimizer:
    """An optimizer that took steps. `options` are its numeric defaults (momentum, weight_decay, ...)."""

    id: Index
    name: str
    options: Mapping[str, float] = field(default_factory=dict)
    parameters: Index = 0


@dataclass(frozen=True)
class Event:
    """Something that happened once: `gradmedic.recording.columns.EVENTS` has the kinds."""

    kind: str
    step: Index
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Capture:
    """One backward pass, read whole. Keys of `sites` and `parameters` are their ids.

    `profiles` maps a site that is run once per time step to the rms of the gradient at each step
    in the order of time, thinned to 64 points at most; `times` tells which steps these are.
    """

    step: Index
    stream: Index = 0
    time: float = 0.0
    loss: float | None = None
    sites: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    parameters: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    profiles: Mapping[int, Sequence[float]] = field(default_factory=dict)
    times: Mapping[int, Sequence[int]] = field(default_factory=dict)
    ledgers: tuple[Ledger, ...] = ()


@dataclass(frozen=True)
class Recording:
    """All that was seen, in the order in which it was seen. `run` holds the facts of run.json."""

    sites: Mapping[int, Site] = field(default_factory=dict)
    parameters: Mapping[int, Parameter] = field(default_factory=dict)
    streams: Mapping[int, Stream] = field(default_factory=dict)
    optimizers: Mapping[int, Optimizer] = field(default_factory=dict)
    vitals: Sequence[Vital] = ()
    captures: Sequence[Capture] = ()
    events: Sequence[Event] = ()
    run: Mapping[str, Any] = field(default_factory=dict)

    def events_of(self, kind: str) -> list[Event]:
        """The events of one kind, in order."""
        return [event for event in self.events if event.kind == kind]

    @property
    def tallies(self) -> Mapping[str, float]:
        """The counters as they last stood."""
        told = self.events_of("tallies")
        return told[-1].data if told else {}

    def captures_of(self, stream: int) -> list[Capture]:
        """The captures of one stream, in order."""
        return [capture for capture in self.captures if capture.stream == stream]

    @property
    def last_step(self) -> int:
        """The step of the newest vital; 0 before the first."""
        return self.vitals[-1].step if self.vitals else 0

    def losses(self, stream: int) -> list[tuple[int, float]]:
        """(step, loss) of one stream, non-finite losses included."""
        return [(v.step, v.loss) for v in self.vitals if v.stream == stream and v.loss is not None]

    def site_series(self, site: int, column: str) -> list[tuple[int, float]]:
        """(step, value) of one number of a site, over the captures that have it."""
        return [(c.step, c.sites[site][column]) for c in self.captures if column in c.sites.get(site, {})]

    def parameter_series(self, parameter: int, column: str) -> list[tuple[int, float]]:
        """(step, value) of one number of a parameter, over the captures that have it."""
        return [
            (c.step, c.parameters[parameter][column])
            for c in self.captures
            if column in c.parameters.get(parameter, {})
        ]

    def in_order(self, stream: int) -> Iterator[Site]:
        """The sites of one stream in the order of the forward pass."""
        yield from sorted((s for s in self.sites.values() if s.stream == stream), key=lambda site: site.order)

    def arriving(self, capture: Capture) -> list[tuple[str, float]]:
        """(name, rms of the gradient that arrives) of each layer with weights, in the order of the forward pass.

        Where the operations are hidden, as `torch.compile` does, the weights' own gradients stand in.
        """
        sites = [site for site in self.in_order(capture.stream) if site.kind in MEASURED]
        seen = [(s.name, capture.sites[s.id]["grad_rms"]) for s in sites if "grad_rms" in capture.sites.get(s.id, {})]
        if len(seen) > 1:
            return seen
        rows = [(self.parameters.get(id), row) for id, row in capture.parameters.items() if "grad_rms" in row]
        # A damaged table may not hold a parameter any more.
        return [(it.name, row["grad_rms"]) for it, row in rows if it is not None and len(it.shape) > 1]
