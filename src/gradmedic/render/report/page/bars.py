"""Bars in the cells of a table, as SVG that stretches with its cell."""

from markupsafe import Markup

WIDTH = 100


def bar(share: float, style: str = "plain", tick: float | None = None) -> Markup:
    """A bar from the left over a share (0 to 1) of its cell, with a tick where theory expected its end."""
    parts = Markup('<rect width="{}" height="10" class="bar {}"/>').format(_place(share), style)
    if tick is not None:
        parts += Markup('<path d="M{} 0v10" class="tick"/>').format(_place(tick))
    return _framed(parts)


def span(start: float, end: float, style: str) -> Markup:
    """A bar between two places (0 to 1) of its cell, at least as wide as a line."""
    low, high = sorted((start, end))
    width = max(_place(high) - _place(low), 0.6)
    x = min(_place(low), WIDTH - width)
    return _framed(Markup('<rect x="{:g}" width="{:g}" height="10" class="bar {}"/>').format(x, width, style))


def _place(share: float) -> float:
    return round(min(max(share, 0.0), 1.0) * WIDTH, 1)


def _framed(parts: Markup) -> Markup:
    head = Markup('<svg viewBox="0 0 {} 10" preserveAspectRatio="none" aria-hidden="true">').format(WIDTH)
    return head + parts + Markup("</svg>")
