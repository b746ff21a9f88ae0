"""A step that is read whole: its backward passes and its updates, until weights have moved."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from torch import Tensor, nn

from gradmedic.probe.participants import People
from gradmedic.probe.reading.capture_columns import Sheet
from gradmedic.probe.reading.statistics import norm
from gradmedic.probe.recurrent.tap import RecurrentReading
from gradmedic.probe.updates import Update
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Capture
from gradmedic.recording.site import Kind, Site


@dataclass
class Draft:
    """A capture whose parameters have not moved yet."""

    step: int
    stream: int
    time: float
    loss: float | None
    sheet: Sheet
    leaves: dict[int, Tensor]
    """The parameters that took part, by their id in the recording."""
    inner: Sequence[Sheet] = ()
    """What was read of passes inside of this one."""
    parameters: dict[int, dict[str, float]] = field(default_factory=dict)
    extra_sites: dict[int, dict[str, float]] = field(default_factory=dict)
    extra_profiles: dict[int, list[float]] = field(default_factory=dict)
    extra_times: dict[int, list[int]] = field(default_factory=dict)

    def read_leaves(self, id_of: Callable[[Tensor], int]) -> None:
        """Take the gradient of every leaf from what has arrived there."""
        for sheet in (*self.inner, self.sheet):
            self._read_leaves(sheet, id_of)

    def _read_leaves(self, sheet: Sheet, id_of: Callable[[Tensor], int]) -> None:
        known = {id(leaf) for leaf in self.leaves.values()}
        for i, vertex in sheet.layout.graph.leaves():
            size = sheet.arrivals.get(i)
            if size is None or id(vertex.leaf) not in known:
                continue
            column: dict[str, float] = {"grad": 1.0}
            if size - size != 0:
                column["grad_bad"] = 1.0
            else:
                column |= {"grad_norm": size, "grad_rms": size / sqrt(max(1, vertex.leaf.numel()))}
            self.parameters[id_of(vertex.leaf)] = column

    def read_recurrent(self, readings: Iterable[RecurrentReading], paths: Mapping[int, str], scale: float) -> None:
        """Add what the replay of fused recurrent layers has found to the site that stands for each."""
        for reading in readings:
            site = self._representative(paths.get(id(reading.module), ""))
            if site is None:
                continue
            self.extra_profiles[site.id] = [size / scale for size in reading.profile]
            self.extra_times[site.id] = list(reading.times)
            columns = {f"gate_{gate}": share for gate, share in reading.gates.items()}
            if reading.forget_mean is not None:
                columns["forget_mean"] = reading.forget_mean
            if reading.saturated is not None and site.kind is Kind.RECURRENT:
                columns["saturated"] = reading.saturated
            self.extra_sites[site.id] = columns

    def _representative(self, path: str) -> Site | None:
        """The fused operation of a module, or the one that applies its recurrent weights."""
        inside = [site for site in self.sheet.sites if site is not None and site.module == path]
        recurrent = {users[0] for users in self.sheet.layout.recurrences.values()}
        chosen = [s for s in inside if s.kind is Kind.RECURRENT]
        chosen += [s for i in sorted(recurrent) if (s := self.sheet.sites[i]) is not None and s.module == path]
        return next(iter(chosen + inside), None)

    def capture(self, name_of: Callable[[int], str]) -> Capture:
        """The finished capture."""
        sites = self.sheet.sites_columns()
        for sheet in self.inner:
            sites.update(sheet.sites_columns())
        for site, columns in self.extra_sites.items():
            sites[site] = {**sites.get(site, {}), **columns}
        profiles, times = self.sheet.profiles()
        names = {i: name_of(id(v.leaf)) for i, v in self.sheet.layout.graph.leaves()}
        return Capture(
            step=self.step,
            stream=self.stream,
            time=self.time,
            loss=self.loss if self.loss is not None and self.loss - self.loss == 0 else None,
            sites=sites,
            parameters=self.parameters,
            profiles={**profiles, **self.extra_profiles},
            times={**times, **self.extra_times},
            ledgers=self.sheet.ledgers(names),
        )


@dataclass
class Window:
    """The drafts and updates of one step."""

    step: int
    drafts: list[Draft] = field(default_factory=list)
    streams: set[int] = field(default_factory=set)
    called: list[nn.Module] = field(default_factory=list)
    _updates: dict[int, tuple[Update, dict[int, Tensor]]] = field(default_factory=dict)
    _early: list[tuple[Update, dict[int, Tensor]]] = field(default_factory=list)
    _unclipped: dict[int, Tensor] = field(default_factory=dict)

    def add(self, draft: Draft) -> None:
        """Take in a pass that has been read; what was stepped while it ran belongs to it."""
        self.drafts.append(draft)
        self.streams.add(draft.stream)
        for update, parameters in self._early:
            _enter(draft, update, parameters)
        self._early.clear()

    def clipping(self, numbered: Iterable[tuple[int, Tensor]], scale: float) -> None:
        """Read gradients that the script is about to clip; they may still carry a scaler's factor."""
        for key, tensor in numbered:
            size = norm(tensor.grad) if tensor.grad is not None and key not in self._unclipped else None
            if size is not None:
                self._unclipped[key] = size / scale

    def before_step(self, optimizer: object, numbered: Iterable[tuple[int, Tensor]], scale: Any) -> None:
        """Read what the optimizer is given."""
        update = Update()
        parameters = dict(numbered)
        update.before(parameters.items(), scale)
        self._updates[id(optimizer)] = (update, parameters)

    def after_step(self, optimizer: object, running: bool = False) -> None:
        """Read what it has made of it; if no pass is `running`, its gradients came from one that is over."""
        if id(optimizer) not in self._updates:
            return
        update, parameters = self._updates.pop(id(optimizer))
        for key in parameters.keys() & self._unclipped.keys():
            update.meter.put((key, "unclipped"), self._unclipped.pop(key))
        update.after(with_twins=self.step < 3)
        if running:
            self._early.append((update, parameters))
        elif self.drafts:
            _enter(self._source(parameters), update, parameters)

    def hand_in(self, people: People, recorder: Recorder) -> None:
        """Record what was read."""
        people.announce((leaf for draft in self.drafts for leaf in draft.leaves.values()), self.called)
        for draft in self.drafts:
            recorder.capture(draft.capture(people.name_of))

    def _source(self, parameters: dict[int, Tensor]) -> Draft:
        """The last draft that one of the parameters took part in."""
        for draft in reversed(self.drafts):
            if not draft.leaves.keys().isdisjoint(parameters):
                return draft
        return self.drafts[-1]


def _enter(draft: Draft, update: Update, parameters: Iterable[int]) -> None:
    columns = update.columns()
    for key in parameters:
        column, known = columns.get(key), draft.parameters.get(key, {})
        if column is None:  # its weights cannot be read here
            continue
        # autograd.grad leaves nothing in `.grad`: what arrived counts as well.
        draft.parameters[key] = {**known, **column, "grad": max(known.get("grad", 0.0), column["grad"])}


class Windows:
    """At most one window is `open`; the one that is `leaving` is handed in with the next pass.

    Until then another optimizer may step on the same gradients.
    """

    def __init__(self, recorder: Recorder, people: People) -> None:
        self.open: Window | None = None
        self.leaving: Window | None = None
        self._recorder = recorder
        self._people = people

    def begin(self, step: int) -> None:
        """Open the window of a step."""
        self.open = Window(step)

    def is_new(self, stream: int) -> bool:
        """True if the step is to be read and this stream of it has not been."""
        return self.open is not None and stream not in self.open.streams

    def add(self, draft: Draft) -> None:
        """Keep a draft; a pass may have been read for what it is, outside of any window."""
        self.open = self.open or Window(draft.step)
        self.open.add(draft)

    def receiving(self, looking: bool) -> Window | None:
        """The window that a step of an optimizer now belongs to."""
        if self.open is not None and (self.open.drafts or looking):
            return self.open
        return self.leaving

    def close(self, called: Iterable[nn.Module]) -> None:
        """Let the open window go; `called` are the modules that took part in its step."""
        self.leaving, self.open = self.open, None
        if self.leaving is not None:
            self.leaving.called = list(called)

    def hand_in(self) -> int:
        """Record the window that is leaving; the number of captures."""
        window, self.leaving = self.leaving, None
        if window is None or not window.drafts:
            return 0
        window.hand_in(self._people, self._recorder)
        return len(window.drafts)
