"""What a process finds around itself, which may be missing or make no sense: a run starts all the same."""

import linecache
import os
from typing import Any

from gradmedic.base.visible_text import visible_text


def rank() -> int:
    """The number of this process among those that train together, 0 where nothing sensible is said."""
    return _number("RANK", 0)


def ranks() -> int:
    """How many processes train together, 1 where nothing sensible is said."""
    return _number("WORLD_SIZE", 1)


def folder() -> str:
    """The folder that this process is in; the empty string if it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def absolute(path: str) -> str:
    """A path that holds wherever the process goes; as it is where it leads on from a folder that is deleted."""
    return os.path.abspath(path) if folder() or os.path.isabs(path) else path


def say(stream: Any, text: object) -> None:
    """Print a line of ours, if there is anywhere to print it: streams may be closed, or gone."""
    try:
        if stream is not None:
            print(text, file=stream)
    except (AttributeError, OSError, ValueError):
        return


def tell(stream: Any, sentence: str) -> None:
    """Print one sentence of ours on one line, whatever the names in it hold."""
    say(stream, visible_text(sentence))


def terminal() -> dict[str, str]:
    """The environment without sizes of a terminal that are none, such as COLUMNS=0."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES") or _is_size(value)}


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) > 0


def _number(variable: str, default: int) -> int:
    try:
        return int(os.environ.get(variable, default))
    except ValueError:
        return default


def line_of(file: str, line: int) -> str:
    """A line of source without its indentation; empty where no such file can be read, or be named at all."""
    try:
        return linecache.getline(file, line).strip()
    except ValueError:  # a name with a null byte, or with half of a character
        return ""
