"""Who gained or lost the decades: double-entry bookkeeping of one gradient's size.

From the loss to a parameter the gradient passes a chain of operations. Each multiplies its size
(the L2 norm) by a gain, and the log10 of the gains adds up to the log10 of the whole, exactly:
nothing is left over, so whatever is missing at the bottom has been booked to somebody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import fsum

from gradmedic.recording.site import Kind


@dataclass(frozen=True)
class Entry:
    """What one operation did to the gradient's size, in decades (log10 of the gain).

    Where a tensor feeds several operations the gradients of all add up; what the others add to
    the dominant one is booked to a junction: `kind` is RESIDUAL and `op` is "junction".
    """

    site: int
    name: str
    op: str
    kind: Kind
    decades: float


@dataclass(frozen=True)
class Ledger:
    """The dominant path of one gradient, from the loss (first) to its target (last)."""

    target: str
    entries: tuple[Entry, ...]
    start: float = 0.0
    """log10 of the gradient's norm where it starts: 0 for a plain `loss.backward()`."""
    cut: Entry | None = None
    """The operation behind which the gradient is exactly zero, where that happens."""

    @property
    def total(self) -> float:
        """The sum of all entries, in decades."""
        return fsum(entry.decades for entry in self.entries)

    def by_kind(self) -> dict[Kind, float]:
        """Decades per kind of operation, the largest loss or gain first."""
        kinds = {entry.kind for entry in self.entries}
        sums = {kind: fsum(e.decades for e in self.entries if e.kind is kind) for kind in kinds}
        return dict(sorted(sums.items(), key=lambda item: -abs(item[1])))

    def by_op(self) -> dict[str, float]:
        """Decades per operation name, the largest loss or gain first."""
        ops = {entry.op for entry in self.entries}
        sums = {op: fsum(e.decades for e in self.entries if e.op == op) for op in ops}
        return dict(sorted(sums.items(), key=lambda item: -abs(item[1])))

    def running(self) -> Iterator[tuple[Entry, float]]:
        """Each entry with the decades that are gone once it has been passed."""
        sofar = self.start
        for entry in self.entries:
            sofar += entry.decades
            yield entry, sofar

    def folded(self) -> Sequence[tuple[str, float, int]]:
        """Neighboring entries of one name added up: (name, decades, how many)."""
        groups = [(name, list(group)) for name, group in groupby(self.entries, key=lambda entry: entry.name)]
        return [(name, fsum(e.decades for e in group), len(group)) for name, group in groups]
