"""A function, drawn with characters: in Braille dots where the stream can carry them, else with stars."""

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

from gradmedic.render.glyphs import can_say

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Unicode's numbering of the dots in a Braille cell: columns from the left, from the top down."""
BLANK = 0x2800


def portrait(values: Sequence[float], width: int, height: int, encoding: str = "utf-8") -> list[str]:
    """A curve through values at even distances, `height` rows of `width` cells, its extremes written at the left."""
    known = [value for value in values if isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    top, bottom = f"{high:.3g}", f"{low:.3g}"
    margin = max(len(top), len(bottom))
    fine = can_say(chr(BLANK), encoding)
    columns, rows = (2 * (width - margin - 1), 4 * height) if fine else (width - margin - 1, height)
    points = _points(values, low, (high - low) or 1.0, columns, rows)
    cells = _braille(points, columns // 2, height) if fine else _stars(points, columns, height)
    labels = [top, *[""] * (height - 2), bottom]
    return [f"{label.rjust(margin)} {row}".rstrip() for label, row in zip(labels, cells, strict=True)]


def _points(values: Sequence[float], low: float, span: float, columns: int, rows: int) -> set[tuple[int, int]]:
    """The column and row (from above) of every dot; steep parts are drawn through."""
    heights = []
    for column in range(columns):
        value = values[round(column * (len(values) - 1) / max(columns - 1, 1))]
        heights.append(round((1 - (value - low) / span) * (rows - 1)) if isfinite(value) else None)
    points = {(column, row) for column, row in enumerate(heights) if row is not None}
    for column, (one, other) in enumerate(pairwise(heights)):
        if one is not None and other is not None:
            points |= {(column, row) for row in range(min(one, other) + 1, max(one, other))}
    return points


def _braille(points: set[tuple[int, int]], width: int, height: int) -> list[str]:
    cells = [[BLANK] * width for _ in range(height)]
    for column, row in points:
        cells[row // 4][column // 2] |= DOTS[column % 2][row % 4]
    return ["".join(chr(cell) for cell in line) for line in cells]


def _stars(points: set[tuple[int, int]], width: int, height: int) -> list[str]:
    return ["".join("*" if (column, row) in points else " " for column in range(width)) for row in range(height)]
