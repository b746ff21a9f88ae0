"""Which picture shows a finding best, and what it shows: sizes by depth, by time step, or the loss."""

from collections.abc import Callable, Sequence
from math import isfinite, log10

from rich.text import Text

from gradmedic.base.locale import translator
from gradmedic.diagnosis.finding import Finding
from gradmedic.diagnosis.report import Report
from gradmedic.recording.records import Capture
from gradmedic.render.charts import Bar, bars, curve
from gradmedic.render.glyphs import Glyphs
from gradmedic.render.layer_ranges import folded
from gradmedic.render.numbers import number

Picture = tuple[str, list[Text]]
"""A caption and the lines below it; no lines where there is nothing to draw."""
Draw = Callable[[Report, Finding, str, int, int, Glyphs], Picture]

FLAT = 4.0
"""Decades that the full width stands for at the least, so that an even gradient looks even."""


def picture(report: Report, finding: Finding, lang: str, width: int, rows: int, glyphs: Glyphs) -> Picture:
    """The picture for a finding; the gradient by depth unless its rule asks for another."""
    return DRAWN_BY.get(finding.rule, by_depth)(report, finding, lang, width, rows, glyphs)


def by_depth(report: Report, finding: Finding, lang: str, width: int, rows: int, glyphs: Glyphs) -> Picture:
    """The gradient that arrives at each layer, the input's end on top, one bar a decade scale."""
    capture = capture_for(report, finding)
    sizes = report.recording.arriving(capture) if capture else []
    drawn = [size for _, size in sizes if size > 0 and isfinite(size)]
    if capture is None or len(sizes) < 2 or not drawn:
        return "", []
    top = log10(max(drawn))
    floor = min(log10(min(drawn)), top - FLAT) - 0.2
    chart = [
        Bar(label, (_decades(size, floor) - floor) / (top - floor), _size(size), _points_at(finding, members))
        for label, size, members in folded(sizes, rows)
    ]
    caption = translator(lang)("gradient (rms) by layer, input first, at step {step}, log scale")
    return caption.format(step=capture.step), bars(chart, width, glyphs)


def _points_at(finding: Finding, names: frozenset[str]) -> bool:
    """Whether the finding's first place is one of these operations, or holds one of them."""
    spots = {place.name for place in finding.places[:1]}
    return any(name in spots or name.rpartition(".")[0] in spots for name in names)


def _decades(size: float, floor: float) -> float:
    return log10(size) if size > 0 and isfinite(size) else (floor if isfinite(size) else 308.0)


def _size(size: float) -> str:
    return f"{size:.0e}" if size > 0 and isfinite(size) else ("0" if isfinite(size) else str(size))


def capture_for(report: Report, finding: Finding) -> Capture | None:
    """The first capture in which the finding holds, of the stream that it is about."""
    names = {place.name for place in finding.places}
    streams = {site.stream for site in report.recording.sites.values() if site.name in names}
    captures = [c for c in report.recording.captures if not streams or c.stream in streams]
    later = (capture for capture in captures if capture.step >= finding.since_step)
    return next(later, captures[-1] if captures else None)


def _share(*columns: str) -> Draw:
    """A picture of the share of units or entries that one of the columns tells, layer by layer."""

    def draw(report: Report, finding: Finding, lang: str, width: int, rows: int, glyphs: Glyphs) -> Picture:
        capture = capture_for(report, finding)
        column = next((c for c in columns if capture and any(c in row for row in capture.sites.values())), None)
        if capture is None or column is None:
            return by_depth(report, finding, lang, width, rows, glyphs)
        sites = [s for s in report.recording.in_order(capture.stream) if column in capture.sites.get(s.id, {})]
        shares = [(site.name, capture.sites[site.id][column]) for site in sites]
        chart = [
            Bar(label, share, f"{share:.0%}", _points_at(finding, members))
            for label, share, members in folded(shares, rows, geometric=False)
        ]
        caption = translator(lang)(CAPTIONS[column]).format(step=capture.step)
        return caption, bars(chart, width, glyphs)

    return draw


def _(text: str) -> str:
    """Mark a text for the catalog where it stands in a table; it is translated where it is used."""
    return text


CAPTIONS = {
    "dead": _("share of dead units by layer, input first, at step {step}"),
    "silent": _("share of silent units by layer, input first, at step {step}"),
    "saturated": _("share of saturated outputs by layer, input first, at step {step}"),
}


def over_time(report: Report, finding: Finding, lang: str, width: int, rows: int, glyphs: Glyphs) -> Picture:
    """The gradient at each time step of a recurrent net, in decades."""
    names = {place.name for place in finding.places}
    sites = report.recording.sites
    captures = [c for c in report.recording.captures if c.profiles and c.step >= finding.since_step]
    for capture in captures[:1]:
        ids = sorted(capture.profiles, key=lambda id: id not in sites or sites[id].name not in names)
        sizes, times = capture.profiles[ids[0]], capture.times.get(ids[0], range(len(capture.profiles[ids[0]])))
        caption = translator(lang)("gradient (rms) at time steps {first} to {last}, at step {step}, log scale")
        chart = _log_curve(sizes, width, glyphs)
        return caption.format(first=times[0], last=times[-1], step=capture.step), chart
    return by_depth(report, finding, lang, width, rows, glyphs)


def _log_curve(sizes: Sequence[float], width: int, glyphs: Glyphs) -> list[Text]:
    drawn = [size for size in sizes if size > 0 and isfinite(size)]
    floor = min(drawn, default=1.0)
    points = [log10(max(size, floor)) if isfinite(size) else size for size in sizes]
    return curve(points, _size(max(drawn, default=0.0)), _size(min(sizes, default=0.0)), width, 4, glyphs)


def the_loss(report: Report, finding: Finding, lang: str, width: int, rows: int, glyphs: Glyphs) -> Picture:
    """The loss at every backward pass, from the first to the last, or until it is lost for good."""
    capture = capture_for(report, finding)
    losses = _until_lost(report.recording.losses(capture.stream if capture else 0))
    finite = [loss for _, loss in losses if isfinite(loss)]
    if len(losses) < 3 or not finite:
        return by_depth(report, finding, lang, width, rows, glyphs)
    wide = min(finite) > 0 and max(finite) > 1e3 * min(finite)
    points = [log10(loss) if wide and isfinite(loss) else loss for _, loss in losses]
    text = translator(lang)("loss, steps {first} to {last}, log scale" if wide else "loss, steps {first} to {last}")
    caption = text.format(first=losses[0][0], last=losses[-1][0])
    return caption, curve(points, number(max(finite)), number(min(finite)), width, 3, glyphs)


def over_time_or_depth(report: Report, finding: Finding, lang: str, width: int, rows: int, glyphs: Glyphs) -> Picture:
    """By time step where the finding points at an operation that has a profile over time."""
    names, sites = {place.name for place in finding.places[:1]}, report.recording.sites
    waved = {sites[id].name for capture in report.recording.captures for id in capture.profiles if id in sites}
    return (over_time if names & waved else by_depth)(report, finding, lang, width, rows, glyphs)


def _until_lost(losses: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    """Up to a little after the last finite loss: what happened before it broke is what one wants to see."""
    last = max((at for at, (_, loss) in enumerate(losses) if isfinite(loss)), default=0)
    return losses[: last + 1 + max(3, last // 6)]


DRAWN_BY: dict[str, Draw] = {
    "exploding-gradient": over_time_or_depth,
    "dead-relu": _share("silent", "dead"),
    "saturated-activation": _share("saturated"),
    "vanishing-through-time": over_time,
    "learning-rate-too-high": the_loss,
    "learning-rate-too-low": the_loss,
    "loss-mismatch": the_loss,
    "loss-spike": the_loss,
    "non-finite": the_loss,
    "stale-gradients": the_loss,
}
