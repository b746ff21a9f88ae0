"""Break and crop text by the cells that it takes on a screen, where Chinese takes two a character."""

from collections.abc import Iterable, Iterator
from unicodedata import category

from rich.cells import cell_len

_OPENING = ("Ps", "Pi")
_CLOSING = ("Pe", "Pf", "Po")
"""Unicode's categories of marks that must not end a line, and of those that must not begin one."""


def _breakable(before: str, after: str) -> bool:
    if before == " ":
        return after != " "
    if after == " " or category(before) in _OPENING or category(after) in _CLOSING:
        return False
    return cell_len(before) == 2 or cell_len(after) == 2


def _atoms(text: str) -> Iterator[str]:
    """Pieces that must stay whole: words with the space behind them, single Chinese characters."""
    start = 0
    for end in range(1, len(text)):
        if _breakable(text[end - 1], text[end]):
            yield text[start:end]
            start = end
    yield text[start:]


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells; what cannot be broken, like a long path, may stick out."""
    lines = [""]
    for atom in _atoms(" ".join(text.split())):
        if lines[-1] and cell_len(lines[-1]) + cell_len(atom.rstrip()) > width:
            lines.append("")
        lines[-1] += atom
    return [line.rstrip() for line in lines]


def cropped(text: str, width: int) -> str:
    """The first `width` cells of a text that is to stay on one line."""
    if cell_len(text) <= width:
        return text
    kept = ""
    for character in text:
        if cell_len(kept + character) > width - 1:
            break
        kept += character
    return kept.rstrip() + "…"


def padded(text: str, width: int) -> str:
    """The text with spaces behind it up to `width` cells."""
    return text + " " * max(0, width - cell_len(text))


def fitting(parts: Iterable[str], width: int, between: str = " · ") -> str:
    """As many of the parts, from the first on, as fit on one line; the first in any case."""
    line = ""
    for part in parts:
        longer = line + between + part if line else part
        if line and cell_len(longer) > width:
            break
        line = longer
    return line
