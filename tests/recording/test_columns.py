"""The tables of columns and events name what the classes hold and what the source writes."""

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import gradmedic
from gradmedic.recording import encoding
from gradmedic.recording.columns import COLUMNS, EVENTS
from gradmedic.recording.records import Event, Optimizer, Stream, Vital
from gradmedic.recording.site import Parameter, Site

SOURCE = Path(gradmedic.__file__).parent


def written_kinds() -> Iterator[str]:
    """The kind of each `Event("kind", ...)` in the source."""
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Event":
                yield from (str(kind.value) for kind in node.args[:1] if isinstance(kind, ast.Constant))


def test_the_kinds_of_events_in_the_table_are_those_that_are_written() -> None:
    assert set(written_kinds()) == EVENTS.keys()


@pytest.mark.parametrize(
    ("table", "cls"),
    [("sites", Site), ("parameters", Parameter), ("streams", Stream), ("optimizers", Optimizer), ("events", Event)],
)
def test_the_columns_of_a_table_are_the_fields_of_its_class(table: str, cls: type) -> None:
    more = {"index", "slot"} if cls is Event else set()
    assert COLUMNS[table].keys() == {f.name for f in fields(cls)} | more


def test_every_table_that_is_written_has_columns() -> None:
    assert COLUMNS.keys() == {*encoding.TABLES, encoding.VITALS, *encoding.OF_CAPTURES}
    assert [*COLUMNS["vitals"]] == ["index", *Vital._fields]
