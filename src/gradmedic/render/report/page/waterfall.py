"""The ledger of a gradient as a waterfall: each operation's decades, from the loss to the layer, beside theory's."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from math import fsum

from markupsafe import Markup

from gradmedic.recording.ledger import Entry, Ledger
from gradmedic.recording.records import Recording
from gradmedic.render.layer_ranges import ranged
from gradmedic.render.page.bars import span

ROWS = 40
"""Rows of the waterfall; neighbors of a longer ledger are added up."""


@dataclass(frozen=True)
class Stage:
    """Neighboring entries added up: their decades, what theory expected of them, and the sum so far."""

    name: str
    kind: str
    count: int
    decades: float
    expected: float | None
    total: float
    bar: Markup


def stages(ledger: Ledger, recording: Recording) -> list[Stage]:
    """At most `ROWS` stages, the loss first; their decades and the ledger's start sum to its total."""
    runs = [list(run) for _, run in groupby(ledger.entries, key=lambda entry: (entry.name, entry.kind))]
    size = max(1, -(-len(runs) // ROWS))
    merged = [[entry for run in runs[at : at + size] for entry in run] for at in range(0, len(runs), size)]
    sums = [fsum(entry.decades for entry in run) for run in merged]
    totals = [ledger.start, *(ledger.start + fsum(sums[: i + 1]) for i in range(len(sums)))]
    low, high = min(0.0, *totals), max(0.0, *totals)
    room = (high - low) or 1.0
    return [
        Stage(
            _name(run),
            ", ".join(dict.fromkeys(str(entry.kind) for entry in run)),
            len(run),
            change,
            _expected(run, recording),
            totals[i + 1],
            span((totals[i] - low) / room, (totals[i + 1] - low) / room, "loss" if change < 0 else "gain"),
        )
        for i, (run, change) in enumerate(zip(merged, sums, strict=True))
    ]


def _name(run: list[Entry]) -> str:
    first, last = run[0], run[-1]
    return first.name if first.name == last.name else ranged(first.name, last.name)


def _expected(run: list[Entry], recording: Recording) -> float | None:
    gains = list(_gains(run, recording))
    known = [gain for gain in gains if gain is not None]
    return fsum(known) if known and len(known) == len(gains) else None


def _gains(run: list[Entry], recording: Recording) -> Iterator[float | None]:
    for entry in run:
        site = recording.sites.get(entry.site)
        yield site.expected_gain if site is not None else None
