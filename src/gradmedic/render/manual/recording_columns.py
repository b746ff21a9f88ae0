"""Write what each column of a recording means into the page that describes its files."""

from collections.abc import Iterable, Iterator, Mapping

from gradmedic.recording.columns import COLUMNS, EVENTS

BEGIN, END = "<!-- columns -->\n", "<!-- end of columns -->\n"
"""The lines of the page between which the tables stand."""


def written(page: str) -> str:
    """The page with the tables of columns and events as they are now."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{tables()}{END}{rest.partition(END)[2]}"


def tables() -> str:
    """All tables of columns, then that of events, as Markdown."""
    events = [(f"`{kind}`", event.meaning, _facts(event.data)) for kind, event in EVENTS.items()]
    sections = [
        "## Columns\n(Written from `gradmedic.recording.columns` by `make docs`.)\n",
        *(f"### {table}\n" + _table(("column", "what it is"), _rows(columns)) for table, columns in COLUMNS.items()),
        "### Kinds of events\n" + _table(("kind", "what happened", "`data`"), events),
    ]
    return "\n".join(sections) + "\n"


def _rows(columns: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((f"`{column}`", meaning) for column, meaning in columns.items())


def _facts(data: Mapping[str, str]) -> str:
    return "; ".join(f"`{fact}` {meaning}" for fact, meaning in data.items())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
