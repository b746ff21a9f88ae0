"""A step that is read whole: its backward passes and its updates, until weights have moved."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from torch import Tensor

from gradmedic.probe.assemble import Sheet
from gradmedic.probe.recurrent import RecurrentReading
from gradmedic.probe.updates import Update, twins
from gradmedic.recording import Capture
from gradmedic.site import Kind, Site


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
    parameters: dict[int, dict[str, float]] = field(default_factory=dict)
    extra_sites: dict[int, dict[str, float]] = field(default_factory=dict)
    extra_profiles: dict[int, list[float]] = field(default_factory=dict)
    extra_times: dict[int, list[int]] = field(default_factory=dict)

    def read_leaves(self, id_of: Callable[[Tensor], int]) -> None:
        """Take the gradient of every leaf from what has arrived there."""
        for i, vertex in self.sheet.layout.graph.leaves():
            size = self.sheet.arrivals.get(i)
            if size is None:
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
    _updates: dict[int, tuple[Update, dict[int, Tensor]]] = field(default_factory=dict)
    _clip: float | None = None

    def clipped(self, factor: float) -> None:
        """Remember by how much the gradients of the coming step have been scaled down."""
        self._clip = factor

    def before_step(self, optimizer: object, numbered: Iterable[tuple[int, Tensor]], scale: Any) -> None:
        """Read what the optimizer is given."""
        update = Update()
        parameters = dict(numbered)
        update.before(parameters.items(), scale)
        self._updates[id(optimizer)] = (update, parameters)

    def after_step(self, optimizer: object) -> None:
        """Read what it has made of it, and hand it to the draft that its gradients came from."""
        update, parameters = self._updates.pop(id(optimizer), (None, {}))
        if update is None or not self.drafts:
            return
        update.after()
        columns = update.columns()
        draft = self._source(parameters)
        for key, tensor in parameters.items():
            column = columns[key]
            alike = twins(tensor) if draft.step < 3 else None
            if alike is not None:
                column["twins"] = float(alike)
            self._undo_clip(column)
            known = draft.parameters.get(key, {})
            # autograd.grad leaves nothing in `.grad`: what arrived counts as well.
            draft.parameters[key] = {**known, **column, "grad": max(known.get("grad", 0.0), column["grad"])}
        self._clip = None

    def _undo_clip(self, column: dict[str, float]) -> None:
        """The size before clipping, where the script has clipped."""
        if "clipped_rms" in column:
            column["grad_rms"] = column["clipped_rms"] / (self._clip or 1.0)

    def _source(self, parameters: dict[int, Tensor]) -> Draft:
        """The last draft that one of the parameters took part in."""
        for draft in reversed(self.drafts):
            if not draft.leaves.keys().isdisjoint(parameters):
                return draft
        return self.drafts[-1]
