"""Thin long series to what a screen can show, without losing a spike."""

from collections.abc import Sequence
from math import isfinite

Point = tuple[int, float]

MOST = 360
"""Points of a curve: about the columns of a small screen."""


def thinned(points: Sequence[Point], most: int = MOST) -> list[Point]:
    """At most `most` points: of each stretch of steps the lowest and the highest, or what is not finite."""
    if len(points) <= most:
        return list(points)
    first, last = points[0][0], points[-1][0]
    stretches: dict[int, list[Point]] = {}
    for point in points:
        at = (point[0] - first) * (most // 2 - 1) // max(1, last - first)
        stretches.setdefault(at, []).append(point)
    return [point for stretch in stretches.values() for point in _ends(stretch)]


def _ends(stretch: Sequence[Point]) -> list[Point]:
    lost = next((point for point in stretch if not isfinite(point[1])), None)
    if lost:
        return [lost]
    return sorted({min(stretch, key=_value), max(stretch, key=_value)})


def _value(point: Point) -> float:
    return point[1]


def evenly(count: int, most: int) -> list[int]:
    """At most `most` positions out of `count`, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
