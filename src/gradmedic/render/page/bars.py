"""Bars in the cells of a table, as SVG that stretches with its cell."""

from collections.abc import Sequence

from markupsafe import Markup

from gradmedic.render.page.axis import ChartAxis

WIDTH = 100


def bar(share: float, style: str = "plain", tick: float | None = None) -> Markup:
    """A bar from the left over a share (0 to 1) of its cell, with a tick where theory expected its end."""
    parts = Markup('<rect width="{}" height="10" class="bar {}"/>').format(_place(share), style)
    if tick is not None:
        parts += Markup('<path d="M{} 0v10" class="tick"/>').format(_place(tick))
    return _framed(parts)


def span(start: float, end: float, style: str, *ticks: float) -> Markup:
    """A bar between two places (0 to 1) of its cell, at least as wide as a line, with ticks over it."""
    low, high = sorted((start, end))
    width = max(_place(high) - _place(low), 0.6)
    x = min(_place(low), WIDTH - width)
    parts = Markup('<rect x="{:g}" width="{:g}" height="10" class="bar {}"/>').format(x, width, style)
    for tick in ticks:
        parts += Markup('<path d="M{} 0v10" class="tick"/>').format(_place(tick))
    return _framed(parts)


def interval(scale: ChartAxis, low: float, high: float, gained: bool) -> Markup:
    """The bar of an interval with a tick at zero, by whether it is a gain; nothing where an end is not finite."""
    start, end = scale.at(low), scale.at(high)
    if start is None or end is None:
        return Markup()
    return span(start, end, "gain" if gained else "worse", scale.at(0.0) or 0.0)


def spark(points: Sequence[tuple[float, float | None]], style: str = "one") -> Markup:
    """A small curve through places (0 to 1 across, 0 to 1 up) of its cell; it breaks where a height is None."""
    path, lifted = "", True
    for across, up in points:
        if up is not None:
            path += f"{'M' if lifted else 'L'}{_place(across):g} {10 * (1 - up):.1f}"
        lifted = up is None
    return _framed(Markup('<path d="{}" class="curve {}"/>').format(path, style))


def _place(share: float) -> float:
    return round(min(max(share, 0.0), 1.0) * WIDTH, 1)


def _framed(parts: Markup) -> Markup:
    head = Markup('<svg viewBox="0 0 {} 10" preserveAspectRatio="none" aria-hidden="true">').format(WIDTH)
    return head + parts + Markup("</svg>")
