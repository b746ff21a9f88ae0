"""Bars and curves drawn with characters."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

from rich.cells import cell_len
from rich.text import Text

from gradmedic.base.text_layout import cropped, padded
from gradmedic.render.glyphs import Glyphs


@dataclass(frozen=True)
class Bar:
    """One row: its label, how much of the full width it takes (0 to 1), and its number in words."""

    label: str
    fraction: float
    number: str
    here: bool = False
    """Whether this is the row that the finding is about."""


def bars(rows: Sequence[Bar], width: int, glyphs: Glyphs) -> list[Text]:
    """Bars under each other, each behind its label and its number, all within `width` cells."""
    labels = min(max((cell_len(row.label) for row in rows), default=0), width // 3)
    numbers = max((cell_len(row.number) for row in rows), default=0)
    return [_bar(row, labels, numbers, width - labels - numbers - 5, glyphs) for row in rows]


def _bar(row: Bar, labels: int, numbers: int, room: int, glyphs: Glyphs) -> Text:
    line = Text(f"{padded(cropped(row.label, labels), labels)}  {row.number.rjust(numbers)} ")
    line.append(_filled(row.fraction, room, glyphs.bar), "red" if row.here else "cyan")
    return line.append(f" {glyphs.here}", "bold red") if row.here else line


def _filled(fraction: float, width: int, parts: str) -> str:
    """A bar from the left; a fraction of a cell is drawn as far as the glyphs allow."""
    units = round(min(max(fraction, 0.0), 1.0) * width * len(parts))
    full, rest = divmod(units, len(parts))
    return parts[-1] * full + (parts[rest - 1] if rest else "")


def curve(values: Sequence[float], top: str, bottom: str, width: int, height: int, glyphs: Glyphs) -> list[Text]:
    """Columns over an axis with the highest and the lowest value written at its ends."""
    margin = max(cell_len(top), cell_len(bottom))
    columns = _fitted(values, width - margin - 2)
    ends = [top, *[""] * (height - 2), bottom]
    lines = []
    for row, end in enumerate(ends):
        body = "".join(_cell(level, height - 1 - row, height, glyphs) for level in _levels(columns))
        lines.append(Text(" " * (margin - cell_len(end)) + f"{end} {glyphs.axis}").append(body, "cyan"))
    return lines


def _fitted(values: Sequence[float], room: int) -> list[float]:
    """One value a column: few are made wide; of many, each column shows its worst, so that no spike is lost."""
    if len(values) <= room:
        wide = max(1, min(room // max(1, len(values)), 6))
        return [value for value in values for _ in range(wide)]
    edges = [i * len(values) // room for i in range(room + 1)]
    return [_worst(values[start:end]) for start, end in pairwise(edges)]


def _worst(values: Sequence[float]) -> float:
    return next((value for value in values if not isfinite(value)), max(values))


def _levels(values: Sequence[float]) -> list[float | None]:
    """Heights from 0 to 1, the lowest and the highest finite value at the ends; None is not finite."""
    finite = [value for value in values if isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    span = (high - low) or 1.0
    return [(value - low) / span if isfinite(value) else None for value in values]


def _cell(level: float | None, row: int, height: int, glyphs: Glyphs) -> str:
    """What a column of that level shows in a row, counted from below; every column shows its foot."""
    if level is None:
        return glyphs.lost if row == 0 else " "
    parts = len(glyphs.column)
    units = max(1, round(level * height * parts)) - row * parts
    return glyphs.column[min(units, parts) - 1] if units > 0 else " "
