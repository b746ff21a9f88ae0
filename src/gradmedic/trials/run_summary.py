"""What a run looked like inside: gradients by depth, who lost them, dead and flat units, at a few of its steps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from statistics import fmean
from typing import Any, Self

from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.site import Kind

MOST = 4
"""Looks that are kept of a run: at its start, and as evenly as captures allow up to its end."""


@dataclass(frozen=True)
class PassSummary:
    """One backward pass. `depth` holds the rms of the gradient that arrives at each layer, input first.

    `ledger` is who gained or lost how many decades on the longest way, from the loss down, neighbors
    of one name together; `kinds` the same by kind of operation. `dead` and `saturated` are shares
    over the hidden activations, None where that cannot happen to them.
    """

    step: int
    depth: tuple[tuple[str, float], ...] = ()
    ledger: tuple[tuple[str, float], ...] = ()
    kinds: Mapping[str, float] = field(default_factory=dict)
    dead: float | None = None
    saturated: float | None = None


@dataclass(frozen=True)
class Checkup:
    """Looks at one run, the first one first. `pace` is the time of a step in seconds where nothing disturbs it.

    `activations` counts the hidden activations that were at work, by operation.
    """

    looks: tuple[PassSummary, ...] = ()
    pace: float | None = None
    activations: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, recording: Recording) -> Self:
        """What a recording shows of the first loss that it has captures of."""
        stream = next((capture.stream for capture in recording.captures), 0)
        captures = recording.captures_of(stream)
        looks = tuple(_look(recording, capture) for capture in _spread(captures))
        return cls(looks, _pace(recording, stream), _at_work(recording, stream))

    def row(self) -> dict[str, Any]:
        """The checkup as plain values."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """The checkup, from the plain values that `row` gave."""
        looks = tuple(
            PassSummary(**{**look, "depth": _pairs(look["depth"]), "ledger": _pairs(look["ledger"])})
            for look in row["looks"]
        )
        return cls(looks, row["pace"], row["activations"])


def _spread(captures: Sequence[Capture]) -> list[Capture]:
    """The first capture, the last one, and those nearest to even steps between."""
    if len(captures) <= MOST:
        return [*captures]
    first, last = captures[0].step, captures[-1].step
    wanted = (first + (last - first) * at / (MOST - 1) for at in range(MOST))
    chosen = {min(range(len(captures)), key=lambda i: abs(captures[i].step - step)) for step in wanted}
    return [captures[i] for i in sorted(chosen)]


def _look(recording: Recording, capture: Capture) -> PassSummary:
    ledger = max(capture.ledgers, key=lambda one: len(one.entries), default=None)
    return PassSummary(
        capture.step,
        tuple(recording.arriving(capture)),
        tuple((name, decades) for name, decades, _ in ledger.folded()) if ledger else (),
        {str(kind): decades for kind, decades in ledger.by_kind().items()} if ledger else {},
        _share(recording, capture, "dead"),
        _share(recording, capture, "saturated"),
    )


def _share(recording: Recording, capture: Capture, column: str) -> float | None:
    """The mean of a number over the hidden activations that have it."""
    rows = ((recording.sites.get(key), row) for key, row in capture.sites.items())
    told = [
        row[column] for site, row in rows if site and site.kind is Kind.ACTIVATION and not site.tail and column in row
    ]
    return fmean(told) if told else None


def _pace(recording: Recording, stream: int) -> float | None:
    """The time from one step to the next, by the first backward pass of each: what one in ten steps stays below.

    Captures and whatever else the machine does can only have made the others longer.
    """
    begun: dict[int, float] = {}
    for vital in recording.vitals:
        if vital.stream == stream:
            begun.setdefault(vital.step, vital.time)
    took = [(after - before) / (later - step) for (step, before), (later, after) in pairwise(begun.items())]
    return sorted(took)[len(took) // 10] if took else None


def _at_work(recording: Recording, stream: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    for site in recording.in_order(stream):
        if site.kind is Kind.ACTIVATION and not site.tail:
            counts[site.op] = counts.get(site.op, 0) + 1
    return counts


def _pairs(rows: Sequence[Sequence[Any]]) -> tuple[tuple[str, float], ...]:
    return tuple((str(name), float(number)) for name, number in rows)
