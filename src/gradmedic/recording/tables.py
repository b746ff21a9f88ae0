"""The files of one rank of a recording: tables, and histories in segments.

Nothing here knows threads: the journal calls it from its own. What is put down waits in memory;
`flush` encodes and writes what is still worth keeping by then.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from gradmedic.base.atomic_write import write
from gradmedic.recording.retention import Limits, Retention

ROWS = 16
"""Rows between two moments at which the training thread may have the interpreter back at once."""

R = TypeVar("R")


class Table:
    """A file of rows by key; a later row of a key replaces the earlier one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[object, str] = {}
        self._fresh: list[str] = []
        self._length = 0

    def put(self, key: object, row: str) -> None:
        """Put a row down, unless it says nothing new."""
        if self._rows.get(key) != row:
            self._rows[key] = row
            self._fresh.append(row)

    def flush(self) -> None:
        """Append what is new; begin the file again once most of it is out of date."""
        fresh, self._fresh = self._fresh, []
        self._length += len(fresh)
        if self._length > 4 * len(self._rows) + 256:
            self._length = len(self._rows)
            write(self._path, "".join(f"{row}\n" for row in self._rows.values()).encode(), durable=False)
        elif fresh:
            append(self._path, fresh)


@dataclass(eq=False)
class Segment(Generic[R]):
    """A piece of a history: records that wait to be written, and the tables that have a file of it."""

    name: str
    waiting: list[tuple[int, R]] = field(default_factory=list)
    written: set[str] = field(default_factory=set)


class History(Generic[R]):
    """Records of all streams, each stream in chains of its own; a record is rows of some tables."""

    def __init__(
        self, folder: Path, limits: Limits, tables: Sequence[str], rows: Callable[[int, R], Iterable[tuple[str, str]]]
    ) -> None:
        self._folder, self._limits, self._tables, self._rows = folder, limits, tables, rows
        self._streams: dict[int, Retention[Segment[R]]] = {}
        self._touched: dict[str, Segment[R]] = {}
        self._count = 0

    def put(self, stream: int, record: R, weight: float = 1) -> None:
        """Put a record down."""
        segment = (self._streams.get(stream) or self._open(stream)).place(weight)
        segment.waiting.append((self._count, record))
        self._touched[segment.name] = segment
        self._count += 1

    def flush(self) -> None:
        """Write what was put down, the last table of a record last."""
        touched, self._touched = self._touched, {}
        for segment in touched.values():
            texts = self._encoded(segment)
            for table in self._tables:
                if table in texts:
                    segment.written.add(table)
                    append(self._path(table, segment), texts[table])

    def _open(self, stream: int) -> Retention[Segment[R]]:
        chains = Retention(self._limits, lambda name: Segment[R](f"{stream}-{name}"), self._drop)
        return self._streams.setdefault(stream, chains)

    def _drop(self, segment: Segment[R]) -> None:
        segment.waiting.clear()
        for table in reversed(self._tables):
            if table in segment.written:
                self._path(table, segment).unlink(missing_ok=True)

    def _path(self, table: str, segment: Segment[R]) -> Path:
        return self._folder / f"{table}-{segment.name}.jsonl"

    def _encoded(self, segment: Segment[R]) -> dict[str, list[str]]:
        texts: dict[str, list[str]] = {}
        waiting, segment.waiting = segment.waiting, []
        polite = True
        for number, (table, text) in enumerate(row for pair in waiting for row in self._rows(*pair)):
            texts.setdefault(table, []).append(text)
            if polite and number % ROWS == ROWS - 1:
                polite = _step_aside()
        return texts


def _step_aside() -> bool:
    # A thread that wants the interpreter back waits 5 ms for it, after every operation of torch. One
    # that never lets go of it needs no such favor, and would let us write 16 rows in 5 ms.
    before = time.perf_counter()
    time.sleep(0)
    return time.perf_counter() - before < 1e-3


def append(path: Path, lines: Iterable[str]) -> None:
    """Add whole lines to the end of a file, past every buffer of this process."""
    rest = memoryview("".join(f"{text}\n" for text in lines).encode())
    with open(path, "ab", buffering=0) as file:
        while rest:
            rest = rest[file.write(rest) :]
