"""The kinds of events that are documented are those that are written."""

import ast
from collections.abc import Iterator
from pathlib import Path

import gradmedic
from gradmedic.recording import records

SOURCE = Path(gradmedic.__file__).parent


def written_kinds() -> Iterator[str]:
    """The kind of each `Event("kind", ...)` in the source."""
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Event":
                yield from (str(kind.value) for kind in node.args[:1] if isinstance(kind, ast.Constant))


def test_the_kinds_of_events_in_the_table_are_those_that_are_written() -> None:
    assert set(written_kinds()) == set(records.EVENTS)
