"""Text as Markdown shows it literally: a name cannot become markup, a link or HTML."""

import re
from collections.abc import Iterator, Sequence

_SIGNS = re.compile(r"[\\`*\[\]<>|]|~(?=~)|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])")
_FIRST = re.compile(r"^(\s*)([+-](?=\s|$)|#(?=[#\s]|$)|[=-](?=[=-]*\s*$)|~(?=~))")


def prose(text: str) -> str:
    """The text with what Markdown would take for its own signs escaped."""
    return _FIRST.sub(r"\1\\\2", _SIGNS.sub(r"\\\g<0>", text)) if text else text


def span(text: str) -> str:
    """The text as code within a line, whatever backticks are in it."""
    fence = "`" * (_longest(text) + 1)
    room = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{room}{text}{room}{fence}"


def fenced(lines: Sequence[str], language: str, indent: str = "") -> Iterator[str]:
    """The lines as a block of code that none of them can end."""
    fence = "`" * max(3, _longest("\n".join(lines)) + 1)
    yield from (f"{indent}{fence}{language}", *(f"{indent}{line}" for line in lines), f"{indent}{fence}")


def _longest(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
