"""What has been read of one backward pass, as plain numbers: nothing of the script's stays alive for it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any
from weakref import ref

from torch import Tensor

from gradmedic.probe.reading.capture_columns import Sheet
from gradmedic.probe.recurrent.tap import RecurrentReading
from gradmedic.recording.ledger import Ledger
from gradmedic.recording.records import Capture
from gradmedic.recording.site import Kind, Site

Columns = dict[int, dict[str, float]]


@dataclass
class Draft:
    """A capture whose parameters have not moved yet."""

    step: int
    stream: int
    time: float
    loss: float | None
    leaves: Mapping[int, Any]
    """Weak references to the parameters that took part, by their id in the recording."""
    sites: Columns
    profiles: dict[int, list[float]]
    times: dict[int, list[int]]
    ledgers: Sequence[Ledger] = ()
    parameters: Columns = field(default_factory=dict)
    known: bool = False
    """True if its graph has the shape of one before, so that nobody new takes part."""

    def alive(self) -> dict[int, Tensor]:
        """The parameters that took part and are still there."""
        return {key: leaf for key, weak in self.leaves.items() if (leaf := weak()) is not None}

    def capture(self) -> Capture:
        """The finished capture."""
        return Capture(
            step=self.step,
            stream=self.stream,
            time=self.time,
            loss=self.loss if self.loss is not None and self.loss - self.loss == 0 else None,
            sites=self.sites,
            parameters=self.parameters,
            profiles=self.profiles,
            times=self.times,
            ledgers=tuple(self.ledgers),
        )


@dataclass
class Sheets:
    """The numbers of a pass, and of passes inside of it, as long as its graph is there."""

    sheet: Sheet
    inner: Sequence[Sheet]

    def draft(
        self,
        step: int,
        stream: int,
        time: float,
        loss: float | None,
        leaves: Mapping[int, Tensor],
        name_of: Callable[[int], str],
    ) -> Draft:
        """Everything that a capture needs of them."""
        sites = self.sheet.sites_columns()
        for sheet in self.inner:
            sites.update(sheet.sites_columns())
        profiles, times = self.sheet.profiles()
        weak = {key: ref(leaf) for key, leaf in leaves.items()}
        draft = Draft(step, stream, time, loss, weak, sites, profiles, times, self.sheet.ledgers(name_of))
        numbers = {id(leaf): key for key, leaf in leaves.items()}
        for sheet in (*self.inner, self.sheet):
            draft.parameters.update(_gradients(sheet, numbers))
        return draft

    def add_recurrent(
        self, draft: Draft, readings: Iterable[RecurrentReading], paths: Mapping[int, str], scale: float
    ) -> None:
        """Add what the replay of fused recurrent layers has found to the site that stands for each."""
        for reading in readings:
            site = self._representative(paths.get(id(reading.module), ""))
            if site is None:
                continue
            draft.profiles[site.id] = [size / scale for size in reading.profile]
            draft.times[site.id] = list(reading.times)
            columns = {f"gate_{gate}": share for gate, share in reading.gates.items()}
            if reading.forget_mean is not None:
                columns["forget_mean"] = reading.forget_mean
            if reading.saturated is not None and site.kind is Kind.RECURRENT:
                columns["saturated"] = reading.saturated
            draft.sites[site.id] = {**draft.sites.get(site.id, {}), **columns}

    def _representative(self, path: str) -> Site | None:
        """The fused operation of a module, or the one that applies its recurrent weights."""
        inside = [site for site in self.sheet.sites if site is not None and site.module == path]
        recurrent = {users[0] for users in self.sheet.layout.recurrences.values()}
        chosen = [s for s in inside if s.kind is Kind.RECURRENT]
        chosen += [s for i in sorted(recurrent) if (s := self.sheet.sites[i]) is not None and s.module == path]
        return next(iter(chosen + inside), None)


def _gradients(sheet: Sheet, numbers: Mapping[int, int]) -> Columns:
    """The gradient of every leaf, from what has arrived there."""
    found: Columns = {}
    for i, vertex in sheet.layout.graph.leaves():
        size = sheet.arrivals.get(i)
        if size is None or id(vertex.leaf) not in numbers:
            continue
        column: dict[str, float] = {"grad": 1.0}
        if size - size != 0:
            column["grad_bad"] = 1.0
        else:
            column |= {"grad_norm": size, "grad_rms": size / sqrt(max(1, vertex.leaf.numel()))}
        found[numbers[id(vertex.leaf)]] = column
    return found
