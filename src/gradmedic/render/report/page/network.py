"""The network as it was walked: a row for each operation that matters, the input first, long runs folded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, fsum, isfinite, log
from typing import Any

from markupsafe import Markup

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.site import Kind, Site
from gradmedic.render.layer_ranges import ranged
from gradmedic.render.numbers import number
from gradmedic.render.page.axis import ChartAxis, axis
from gradmedic.render.page.bars import bar

SHOWN = (Kind.WEIGHTS, Kind.RECURRENT, Kind.EMBEDDING, Kind.ACTIVATION, Kind.NORMALIZATION, Kind.ATTENTION, Kind.OPAQUE)
"""Kinds of operations that have a row."""

ROWS = 48
"""Rows of the table; a deeper network is folded."""


@dataclass(frozen=True)
class NetworkRow:
    """One operation, or neighbors of one kind folded into one."""

    name: str
    op: str
    gradient: float | None = None
    expected: float | None = None
    signal: float | None = None
    pace: float | None = None
    dead: float | None = None
    saturated: float | None = None
    here: bool = False
    """Whether a finding points at it."""


def rows(recording: Recording, capture: Capture, findings: Iterable[Finding]) -> list[NetworkRow]:
    """At most `ROWS` rows of one capture, the input first."""
    spots = {place.name for finding in findings for place in finding.places}
    sites = [s for s in recording.in_order(capture.stream) if s.kind in SHOWN and capture.sites.get(s.id)]
    held = {name: p.id for p in recording.parameters.values() for name in (p.name, *p.aliases)}
    single = [_row(site, capture, held.get(site.parameter or ""), site.name in spots) for site in sites]
    return folded(single, ROWS)


def _row(site: Site, capture: Capture, parameter: int | None, here: bool) -> NetworkRow:
    flow = capture.sites[site.id]
    weights = capture.parameters.get(parameter, {}) if parameter is not None else {}
    pace = (
        weights["update_rms"] / weights["weight_rms"] if weights.get("weight_rms") and "update_rms" in weights else None
    )
    signal = flow.get("value_rms")
    gradient = flow.get("grad_rms")
    dead = flow.get("dead", flow.get("silent"))
    return NetworkRow(site.name, site.op, gradient, site.expected_grad, signal, pace, dead, flow.get("saturated"), here)


def folded(single: Sequence[NetworkRow], most: int) -> list[NetworkRow]:
    """Rows of one kind of operation that follow each other in even runs, until there are few enough."""
    if len(single) <= most:
        return list(single)
    size = -(-(len(single) - 2) // (most - 2))
    inner = [single[at : at + size] for at in range(1, len(single) - 1, size)]
    return [_one(run) for run in ([single[0]], *inner, [single[-1]])]


def _one(run: Sequence[NetworkRow]) -> NetworkRow:
    if len(run) == 1:
        return run[0]
    ops = ", ".join(dict.fromkeys(row.op for row in run))
    return NetworkRow(
        ranged(run[0].name, run[-1].name),
        ops,
        _typical([row.gradient for row in run]),
        _typical([row.expected for row in run]),
        _typical([row.signal for row in run]),
        _typical([row.pace for row in run]),
        _mean([row.dead for row in run]),
        _mean([row.saturated for row in run]),
        any(row.here for row in run),
    )


def _typical(values: Sequence[float | None]) -> float | None:
    """The geometric mean of what is there; zero where all is zero."""
    known = [value for value in values if value is not None and isfinite(value)]
    positive = [value for value in known if value > 0]
    if not positive:
        return 0.0 if known else None
    return exp(fsum(map(log, positive)) / len(positive))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fsum(known) / len(known) if known else None


def table(found: Sequence[NetworkRow]) -> list[dict[str, Any]]:
    """The rows as cells: text and bar of each column, on one decade scale for all gradients."""
    gradients = axis([v for row in found for v in (row.gradient, row.expected) if v and isfinite(v)], log=True)
    signals = axis([row.signal for row in found if row.signal and isfinite(row.signal)], log=True)
    return [_cells(row, gradients, signals) for row in found]


def _cells(row: NetworkRow, gradients: ChartAxis, signals: ChartAxis) -> dict[str, Any]:
    expected = gradients.at(row.expected) if row.expected else None
    return {
        "name": row.name,
        "op": row.op,
        "here": row.here,
        "gradient": (
            size(row.gradient),
            _decade_bar(row.gradient, gradients, "here" if row.here else "plain", expected),
        ),
        "signal": (size(row.signal), _decade_bar(row.signal, signals, "signal", None)),
        "pace": size(row.pace),
        "dead": _share(row.dead, "dead"),
        "saturated": _share(row.saturated, "saturated"),
    }


def _decade_bar(value: float | None, scale: ChartAxis, style: str, tick: float | None) -> Markup:
    level = scale.at(value) if value is not None else None
    return bar(level, style, tick) if level is not None else Markup()


def _share(value: float | None, style: str) -> tuple[str, Markup]:
    return ("", Markup()) if value is None else (f"{value:.0%}", bar(value, style))


def size(value: float | None) -> str:
    """A size with two digits; what was not measured is empty."""
    if value is None:
        return ""
    return f"{value:.1e}" if value and isfinite(value) and not 1e-3 <= abs(value) < 1e4 else number(value)
