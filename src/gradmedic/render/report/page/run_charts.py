"""The run over time: loss, gradient norm, learning rate and update ratio, with the findings at their steps."""

from collections.abc import Iterable, Iterator
from math import isfinite
from statistics import median

from markupsafe import Markup

from gradmedic.diagnosis.features.layers import typical_paces
from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.report import Report
from gradmedic.diagnosis.training_state import guessing
from gradmedic.recording.records import Recording, Vital
from gradmedic.render.page.bilingual import text
from gradmedic.render.page.curves import Chart, ChartLine, Mark

STYLES = ("one", "two", "three", "four")


def charts(report: Report) -> Iterator[Chart]:
    """The charts of a run that have something to draw."""
    marks = list(_marks(report))
    recording = report.recording
    for chart in (_loss(recording, marks), _norm(recording, marks), _rate(recording, marks), _pace(recording, marks)):
        if any(isfinite(value) for curve in chart.curves for _, value in curve.points):
            yield chart


def _marks(report: Report) -> Iterator[Mark]:
    """Where the findings begin; those that hold from the start need no mark."""
    for finding in report.findings:
        if finding.since_step and finding.severity > Severity.NOTE:
            rule = finding.rule
            label = text(lambda _, rule=rule: _(rule))  # type: ignore[misc]
            yield Mark(finding.since_step, label, finding.severity.word)


def _loss(recording: Recording, marks: list[Mark]) -> Chart:
    streams = sorted(recording.streams) or [0]
    curves = [
        ChartLine(_stream_name(recording, stream), STYLES[at % len(STYLES)], recording.losses(stream))
        for at, stream in enumerate(streams)
    ]
    levels = {}
    if len(streams) == 1 and (guess := guessing(recording, streams[0])):
        levels[text(lambda _: _("loss of a guess"))] = guess
    best = min((loss for _, loss in recording.losses(streams[0]) if isfinite(loss)), default=None)
    if best is not None and len(streams) == 1:
        levels[text(lambda _: _("best loss"))] = best
    return Chart("loss", text(lambda _: _("loss")), curves, levels, marks)


def _stream_name(recording: Recording, stream: int) -> Markup:
    found = recording.streams.get(stream)
    name, line = (found.name, found.line) if found else ("loss", None)
    where = f":{line}" if line and len(recording.streams) > 1 else ""
    return text(lambda _: _(name) + where)


def _norm(recording: Recording, marks: list[Mark]) -> Chart:
    rows = [vital for vital in recording.vitals if vital.grad_norm is not None]
    after = [(row.step, min(row.grad_norm or 0.0, row.max_norm)) for row in rows if row.max_norm is not None]
    curves = [
        ChartLine(
            text(lambda _: _("before clipping")) if after else text(lambda _: _("norm")),
            "one",
            _points(rows, "grad_norm"),
        ),
        ChartLine(text(lambda _: _("after clipping")), "two", after),
    ]
    return Chart("norm", text(lambda _: _("gradient norm")), curves, {}, marks)


def _rate(recording: Recording, marks: list[Mark]) -> Chart:
    rows = [vital for vital in recording.vitals if vital.lr is not None]
    return Chart(
        "rate",
        text(lambda _: _("learning rate")),
        [ChartLine(text(lambda _: _("learning rate")), "three", _points(rows, "lr"))],
        {},
        marks,
    )


def _points(rows: Iterable[Vital], column: str) -> list[tuple[int, float]]:
    return [(row.step, float(getattr(row, column))) for row in rows]


def _pace(recording: Recording, marks: list[Mark]) -> Chart:
    found: dict[int, list[float]] = {}
    for stream in recording.streams:
        for step, pace in typical_paces(recording, stream):
            found.setdefault(step, []).append(pace)
    points = [(step, median(paces)) for step, paces in sorted(found.items())]
    title = text(lambda _: _("update ratio"))
    return Chart("pace", title, [ChartLine(title, "four", points)], {}, marks, log=True)
