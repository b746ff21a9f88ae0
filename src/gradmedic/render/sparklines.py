"""Curves that are one line high, for the rows of a table."""

from collections.abc import Sequence
from math import isfinite, log10

from gradmedic.render.glyphs import Glyphs
from gradmedic.render.layer_ranges import folded


def spark(values: Sequence[float], low: float, high: float, glyphs: Glyphs) -> str:
    """One cell a value, from `low` (a foot) to `high` (a full cell); what is not finite is marked as lost."""
    return "".join(_cell(value, low, high, glyphs) for value in values)


def _cell(value: float, low: float, high: float, glyphs: Glyphs) -> str:
    if not isfinite(value):
        return glyphs.lost
    share = (value - low) / (high - low) if high > low else 0.0
    parts = glyphs.column
    return parts[max(0, min(len(parts) - 1, round(share * (len(parts) - 1))))]


def by_depth(depth: Sequence[tuple[str, float]], cells: int, span: float, glyphs: Glyphs) -> str:
    """The gradient's size by layer, input first, in decades below the layer that has most; `span` fills a cell."""
    sizes = [size for _, size, _ in folded(depth, cells)]
    drawn = [size for size in sizes if size > 0 and isfinite(size)]
    if not drawn:
        return glyphs.lost * len(sizes)
    top = log10(max(drawn))
    decades = [log10(size) - top if size > 0 and isfinite(size) else (size if size > 0 else -span) for size in sizes]
    return spark(decades, -span, 0.0, glyphs)


def fall(depth: Sequence[tuple[str, float]]) -> float:
    """Decades between the layer with the largest gradient and that with the smallest one."""
    sizes = [log10(size) for _, size in depth if size > 0 and isfinite(size)]
    return max(sizes) - min(sizes) if sizes else 0.0
