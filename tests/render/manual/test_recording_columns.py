"""The page that describes a recording has the tables of columns as the code has them."""

from pathlib import Path

from gradmedic.recording.columns import COLUMNS, EVENTS
from gradmedic.recording.records import SCHEMA
from gradmedic.render.manual.recording_columns import tables, written

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "recording.md").read_text(encoding="utf-8")


def test_the_page_in_the_docs_is_this_one() -> None:
    assert written(PAGE) == PAGE, "make docs"
    assert PAGE.startswith(f"# The recording (schema {SCHEMA})")


def test_every_column_and_fact_has_its_place() -> None:
    text = tables()
    for table, columns in COLUMNS.items():
        section = text.split(f"### {table}\n")[1].split("###")[0]
        assert all(f"| `{column}` | {meaning} |" in section for column, meaning in columns.items())
    for kind, event in EVENTS.items():
        line = next(line for line in text.splitlines() if line.startswith(f"| `{kind}` | {event.meaning}"))
        assert all(f"`{fact}` {meaning}" in line for fact, meaning in event.data.items())


def test_writing_it_again_changes_nothing() -> None:
    assert written(written("# Head\n<!-- columns -->\nold\n<!-- end of columns -->\ntail\n")).endswith("\ntail\n")
