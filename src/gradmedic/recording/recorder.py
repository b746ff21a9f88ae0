"""Collect what is seen in a run, in bounded memory; the journal, if there is one, gets it too."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from gradmedic.base.surroundings import line_of
from gradmedic.recording import retention
from gradmedic.recording.records import SCHEMA, Capture, Event, Optimizer, Recording, Stream, Vital
from gradmedic.recording.retention import Limits, Retention
from gradmedic.recording.site import Parameter, Site
from gradmedic.recording.writer import RecordingWriter

R = TypeVar("R")
Kept = list[tuple[int, R]]
"""Records with their positions in the order in which they were seen."""


class Recorder:
    """Where the probe puts its facts, and where judges find them. Every call is cheap."""

    def __init__(self, run: dict[str, Any], journal: RecordingWriter | None = None) -> None:
        self._run = {"schema": SCHEMA, **run}
        self._journal = journal
        self._sites: dict[int, Site] = {}
        self._parameters: dict[int, Parameter] = {}
        self._streams: dict[int, Stream] = {}
        self._optimizers: dict[int, Optimizer] = {}
        self._vitals: dict[int, Retention[Kept[Vital]]] = {}
        self._captures: dict[int, Retention[Kept[Capture]]] = {}
        self._events: dict[tuple[str, int], tuple[int, Event]] = {}
        self._kinds = Counter[str]()
        self._seen_vitals = self._seen_captures = 0
        self._latest: Capture | None = None
        self._latest_vital: Vital | None = None
        if journal:
            journal.begin(self._run)

    def latest(self) -> tuple[Recording, Capture, Vital | None] | None:
        """The newest capture with what its numbers belong to, and the newest vital; None before the first capture."""
        if self._latest is None:
            return None
        known = Recording(dict(self._sites), dict(self._parameters), dict(self._streams))
        return known, self._latest, self._latest_vital

    @property
    def journal(self) -> RecordingWriter | None:
        """The journal that gets everything too."""
        return self._journal

    def site(self, site: Site) -> None:
        """Note an operation; it replaces one of the same id."""
        self._sites[site.id] = site
        if self._journal:
            self._journal.site(site)

    def parameter(self, parameter: Parameter) -> None:
        """Note a parameter; it replaces one of the same id."""
        self._parameters[parameter.id] = parameter
        if self._journal:
            self._journal.parameter(parameter)

    def stream(self, stream: Stream) -> None:
        """Note a place where backward is called; it replaces one of the same id."""
        self._streams[stream.id] = stream
        if self._journal:
            self._journal.stream(stream)

    def optimizer(self, optimizer: Optimizer) -> None:
        """Note an optimizer; it replaces one of the same id."""
        self._optimizers[optimizer.id] = optimizer
        if self._journal:
            self._journal.optimizer(optimizer)

    def vital(self, vital: Vital) -> None:
        """Note the vital of a backward pass; of a long run only some are kept."""
        history = self._vitals.get(vital.stream) or _open(self._vitals, vital.stream, retention.VITALS)
        history.place().append((self._seen_vitals, vital))
        self._latest_vital = vital
        self._seen_vitals += 1
        if self._journal:
            self._journal.vital(vital)

    def vitals(self, pile: Sequence[Vital]) -> None:
        """Note the vitals of many backward passes."""
        for stream in {vital.stream for vital in pile}:
            history = self._vitals.get(stream) or _open(self._vitals, stream, retention.VITALS)
            own = [(seen, vital) for seen, vital in enumerate(pile, self._seen_vitals) if vital.stream == stream]
            for place, which in history.places(len(own)):
                place += own[which]
        self._seen_vitals += len(pile)
        self._latest_vital = pile[-1] if pile else self._latest_vital
        if self._journal:
            self._journal.vitals(pile)

    def capture(self, capture: Capture) -> None:
        """Note a backward pass that was read whole; of a long run only some are kept."""
        history = self._captures.get(capture.stream) or _open(self._captures, capture.stream, retention.CAPTURES)
        history.place(retention.weight(capture)).append((self._seen_captures, capture))
        self._latest = capture
        self._seen_captures += 1
        if self._journal:
            self._journal.capture(capture)

    def event(self, event: Event) -> None:
        """Note an event; of the tallies only the last ones are kept."""
        slot = retention.slot(event.kind, self._kinds[event.kind])
        self._events[event.kind, slot] = (self._kinds.total(), event)
        self._kinds[event.kind] += 1
        if self._journal:
            self._journal.event(event)

    def reopen(self) -> None:
        """Go on after `close`; harmless where nothing was closed."""
        if self._journal:
            self._journal.reopen()

    def close(self, **facts: Any) -> None:
        """End the recording with facts that are known only now."""
        if lines := self._lines():
            facts["lines"] = lines
        self._run |= facts
        if self._journal:
            self._journal.close(**facts)

    def recording(self) -> Recording:
        """All that is kept so far."""
        return Recording(
            sites=dict(self._sites),
            parameters=dict(self._parameters),
            streams=dict(self._streams),
            optimizers=dict(self._optimizers),
            vitals=_in_order(self._vitals),
            captures=_in_order(self._captures),
            events=[event for _, event in sorted(self._events.values(), key=itemgetter(0))] + self._failures(),
            run=dict(self._run),
        )

    def _lines(self) -> dict[str, str]:
        """The lines of source that a report may quote: whoever judges the recording later opens no other file."""
        spots = {(site.file, site.line) for site in self._sites.values()}
        spots |= {(stream.file, stream.line) for stream in self._streams.values()}
        spots |= {(event.data.get("file"), event.data.get("line")) for _, event in self._events.values()}
        told = {f"{file}:{line}": line_of(file, line) for file, line in spots if file and line}
        return {spot: line for spot, line in sorted(told.items()) if line}

    def _failures(self) -> list[Event]:
        failure = self._journal.failure if self._journal else None
        return [Event("failure", 0, {"part": "journal", "error": failure})] if failure else []


def _open(histories: dict[int, Retention[Kept[R]]], stream: int, limits: Limits) -> Retention[Kept[R]]:
    return histories.setdefault(stream, Retention(limits, lambda _: [], lambda _: None))


def _in_order(histories: dict[int, Retention[Kept[R]]]) -> list[R]:
    segments: Iterable[Kept[R]] = chain.from_iterable(history.segments() for history in histories.values())
    return [record for _, record in sorted(chain.from_iterable(segments), key=itemgetter(0))]
