"""Maps of a number by row and column as small PNG pictures, one pixel a cell.

The first colors of the palette stand for what has no place on the scale: nothing measured, exactly
zero, not finite. The rest are a scale that is even to the eye and to eyes that see fewer colors
(viridis, van der Walt and Smith 2015), here from 9 of its points.
"""

import struct
import zlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, log10, nan
from typing import Any

from markupsafe import Markup

from gradmedic.render.page.thinning import evenly

NOTHING, ZERO, LOST = 0, 1, 2
FIRST, LAST = 3, 203
"""The palette's places for the scale: few enough for each to have a color of its own."""

SPECIAL = ((128, 128, 128, 40), (0, 0, 0, 255), (230, 30, 140, 255))
POINTS = (0x440154, 0x472D7B, 0x3B528B, 0x2C728E, 0x21918C, 0x28AE80, 0x5EC962, 0xADDC30, 0xFDE725)

TABLE = 8
"""Columns of the table under a map."""

Cell = float | None


@dataclass(frozen=True)
class HeatMap:
    """Rows of cells under a title; None was not measured. Where `log`, cells are drawn by their decades."""

    id: str
    title: Markup
    rows: Sequence[tuple[str, Sequence[Cell]]]
    columns: Sequence[int]
    log: bool = True

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest value of the scale, in decades where `log`."""
        levels = [level for _, row in self.rows for level in map(self._level, row) if level is not None]
        finite = [level for level in levels if isfinite(level)]
        if not self.log:
            return 0.0, max([1.0, *finite])
        low, high = min(finite, default=0.0), max(finite, default=0.0)
        return low, max(high, low + 1.0)

    def _level(self, cell: Cell) -> float | None:
        if cell is None or not isfinite(cell):
            return None if cell is None else nan
        if self.log:
            return log10(cell) if cell > 0 else -inf
        return cell

    def pixels(self) -> list[bytes]:
        """Each row as places in the palette."""
        low, high = self.span
        return [bytes(self._place(cell, low, high) for cell in row) for _, row in self.rows]

    def _place(self, cell: Cell, low: float, high: float) -> int:
        level = self._level(cell)
        if level is None:
            return NOTHING
        if level == -inf:
            return ZERO
        if level != level:
            return LOST
        return FIRST + round((level - low) / (high - low) * (LAST - FIRST))

    @property
    def ends(self) -> tuple[str, str]:
        """The ends of the scale in words."""
        low, high = self.span
        return (f"1e{low:.0f}", f"1e{high:.0f}") if self.log else (f"{low:.0%}", f"{high:.0%}")

    @property
    def table_columns(self) -> list[int]:
        """The steps of the few columns that the table shows."""
        return [self.columns[at] for at in evenly(len(self.columns), TABLE)]

    def table(self) -> list[tuple[str, list[Cell]]]:
        """The numbers of those columns."""
        chosen = evenly(len(self.columns), TABLE)
        return [(name, [row[at] for at in chosen]) for name, row in self.rows]

    def data(self) -> dict[str, Any]:
        """What the script needs to tell a number from a color."""
        low, high = self.span
        return {"low": low, "high": high, "log": self.log, "columns": list(self.columns)}

    def address(self) -> str:
        """The picture as a `data:` address."""
        return "data:image/png;base64," + b64encode(png(self.pixels())).decode()


def png(rows: Sequence[bytes]) -> bytes:
    """A PNG of palette places, one byte a pixel (W3C PNG, color type 3)."""
    colors = [*SPECIAL, *((*color, 255) for color in scale())]
    header = struct.pack(">IIBBBBB", len(rows[0]) if rows else 0, len(rows), 8, 3, 0, 0, 0)
    palette = b"".join(bytes(color[:3]) for color in colors)
    opacity = bytes(color[3] for color in colors)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"tRNS", opacity), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def scale() -> list[tuple[int, int, int]]:
    """The colors of the scale, the lowest first."""
    count, parts = LAST - FIRST + 1, len(POINTS) - 1
    return [_between(i * parts / (count - 1)) for i in range(count)]


def _between(at: float) -> tuple[int, int, int]:
    low = min(int(at), len(POINTS) - 2)
    share = at - low
    mixed = [round(a + (b - a) * share) for a, b in zip(_rgb(POINTS[low]), _rgb(POINTS[low + 1]), strict=True)]
    return mixed[0], mixed[1], mixed[2]


def _rgb(color: int) -> tuple[int, int, int]:
    return color >> 16, color >> 8 & 255, color & 255
