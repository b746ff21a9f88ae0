"""Curves over the steps of a run, as SVG that stretches with its frame."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from markupsafe import Markup

from gradmedic.render.page.axis import ChartAxis, axis
from gradmedic.render.page.thinning import Point, evenly, thinned

WIDTH, HEIGHT = 1000, 100
"""The drawing's own units; a browser stretches it to the room there is."""

ROWS = 24
"""Rows of the table under a chart."""


@dataclass(frozen=True)
class ChartLine:
    """One line of a chart: its name in all languages, a style class from `page.css`, and its (step, value) points."""

    name: Markup
    style: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Mark:
    """A step at which something happened."""

    step: int
    label: Markup
    style: str = "note"


@dataclass(frozen=True)
class Chart:
    """Curves on one pair of axes, with the levels and the marks that belong to them."""

    id: str
    title: Markup
    curves: Sequence[ChartLine]
    levels: Mapping[Markup, float] = field(default_factory=dict)
    marks: Sequence[Mark] = ()
    log: bool | None = None

    @property
    def drawn(self) -> list[ChartLine]:
        """The curves, thinned, without those that have no points."""
        return [ChartLine(curve.name, curve.style, thinned(curve.points)) for curve in self.curves if curve.points]

    @property
    def steps(self) -> tuple[int, int]:
        """The first and the last step."""
        steps = [step for curve in self.curves for step, _ in curve.points]
        return min(steps, default=0), max(steps, default=0)

    @property
    def scale(self) -> ChartAxis:
        """The vertical axis."""
        values = [value for curve in self.curves for _, value in curve.points]
        return axis([*values, *self.levels.values()], log=self.log)

    def across(self, step: int) -> float:
        """The horizontal position of a step."""
        first, last = self.steps
        return (step - first) / max(1, last - first) * WIDTH

    @property
    def gaps(self) -> int:
        """How many values are not finite."""
        return sum(not isfinite(value) for curve in self.curves for _, value in curve.points)

    def svg(self) -> Markup:
        """The drawing: grid, levels, marks, curves, and a cross where a value is not finite."""
        scale = self.scale
        parts = [*_grid(scale), *self._levels(scale), *self._marks()]
        for curve in self.drawn:
            parts += [_line(self._path(curve, scale), f"curve {curve.style}"), *self._lost(curve)]
        head = Markup('<svg viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">').format(WIDTH, HEIGHT)
        return head + Markup("").join(parts) + Markup("</svg>")

    def _path(self, curve: ChartLine, scale: ChartAxis) -> str:
        """The line, lifted where a value is missing."""
        path, lifted = [], True
        for step, value in curve.points:
            level = scale.at(value)
            if level is not None:
                path.append(f"{'M' if lifted else 'L'}{self.across(step):.0f} {_height(level)}")
            lifted = level is None
        return "".join(path) + (f"h{WIDTH / 200:.0f}" if len(path) == 1 else "")

    def _lost(self, curve: ChartLine) -> Iterator[Markup]:
        for step, value in curve.points:
            if not isfinite(value):
                yield _line(f"M{self.across(step):.0f} 0v6", "lost")

    def _levels(self, scale: ChartAxis) -> Iterator[Markup]:
        for value in self.levels.values():
            level = scale.at(value)
            if level is not None:
                yield _line(f"M0 {_height(level)}H{WIDTH}", "level")

    def _marks(self) -> Iterator[Markup]:
        for mark in self.marks:
            yield _line(f"M{self.across(mark.step):.0f} 0V{HEIGHT}", f"mark {mark.style}")

    def table(self) -> list[tuple[int, list[float | None]]]:
        """A few rows of numbers, evenly chosen: the step, and each curve's value there."""
        held = [dict(curve.points) for curve in self.curves if curve.points]
        steps = sorted({step for points in held for step in points})
        chosen = [steps[at] for at in evenly(len(steps), ROWS)]
        return [(step, [points.get(step) for points in held]) for step in chosen]

    def data(self) -> dict[str, Any]:
        """The points for the script that shows numbers under the pointer; what is not finite is text."""
        return {
            "steps": self.steps,
            "curves": [[[step, _short(value)] for step, value in curve.points] for curve in self.drawn],
        }


def _height(level: float) -> str:
    return f"{HEIGHT * (1 - level):.1f}".removesuffix(".0")


def _short(value: float) -> float | str:
    return float(f"{value:.4g}") if isfinite(value) else str(value)


def _grid(scale: ChartAxis) -> Iterator[Markup]:
    for i in range(scale.steps + 1):
        yield _line(f"M0 {_height(i / scale.steps)}H{WIDTH}", "grid")


def _line(path: str, style: str) -> Markup:
    return Markup('<path d="{}" class="{}"/>').format(path, style)
