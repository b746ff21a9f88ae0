"""Read a recording back from its folder, also that of a run that goes on or was killed."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from stat import S_ISREG
from typing import Any

from gradmedic.base.errors import RecordingError
from gradmedic.base.value_types import Index, UnfitError, fitted_table, shown
from gradmedic.recording import encoding
from gradmedic.recording.column_types import TYPES, event_data
from gradmedic.recording.encoding import Row
from gradmedic.recording.merge_ranks import merged
from gradmedic.recording.records import SCHEMA, Capture, Event, Optimizer, Recording, Stream, Vital
from gradmedic.recording.site import Parameter, Site

FACTS: Mapping[str, Any] = {
    "schema": Index,
    **dict.fromkeys(("script", "folder", "host", "gradmedic", "torch", "python", "ending"), str | None),
    "argv": tuple[str, ...],
    "settings": Mapping[str, Any] | None,
    "lines": Mapping[str, str] | None,
    "tallies": Mapping[str, float],
    "ranks": Index | None,
    "exit_code": int | None,
    "began": float | None,
    "ended": float | None,
}
"""The types of what run.json holds."""


def load(folder: str | Path, rank: int | None = None) -> Recording:
    """The recording of one rank, or of all ranks merged into one."""
    folder = Path(folder)
    run = _run(folder)
    ranks = [r for r in _ranks(folder, run) if rank in (None, r)]
    if not ranks:
        raise RecordingError(f"{folder} has no recording of rank {rank or 0}.")
    try:
        return merged({r: _rank(folder / f"rank-{r:05}", run) for r in ranks})
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise RecordingError(f"{folder} holds rows that are not gradmedic's: {error!r}.") from error


def _run(folder: Path) -> dict[str, Any]:
    try:
        run = json.loads(_bytes(folder / "run.json"), object_hook=encoding.restored)
    except OSError:
        raise RecordingError(f"{folder} is not a recording: there is no run.json to be read.") from None
    except (ValueError, RecursionError):
        raise RecordingError(f"{folder} is not a recording: its run.json is not JSON.") from None
    if not encoding.is_run(run):
        raise RecordingError(f"{folder} is not a recording: its run.json names no schema.")
    if run["schema"] > SCHEMA:
        newer = f"(schema {shown(run['schema'])}, this one reads {SCHEMA})"
        raise RecordingError(f"{folder} was recorded by a newer gradmedic {newer}: upgrade it.")
    try:
        fitted_table(run, FACTS)
    except UnfitError as error:
        raise RecordingError(f"{folder / 'run.json'}: {error}.") from None
    return dict(run)


def _ranks(folder: Path, run: Row) -> list[int]:
    # A smaller run may have replaced a larger one in the same folder: the other ranks are not its own.
    names = (re.fullmatch(r"rank-(\d{5,})", path.name) for path in folder.iterdir())
    ranks = sorted(int(name[1]) for name in names if name)
    size = run.get("ranks")
    return [rank for rank in ranks if not isinstance(size, int) or rank < size]


def _rank(folder: Path, run: dict[str, Any]) -> Recording:
    return Recording(
        sites={r["id"]: encoding.fact(Site, r) for r in _table(folder, encoding.SITES)},
        parameters={r["id"]: encoding.fact(Parameter, r) for r in _table(folder, encoding.PARAMETERS)},
        streams={r["id"]: encoding.fact(Stream, r) for r in _table(folder, encoding.STREAMS)},
        optimizers={r["id"]: encoding.fact(Optimizer, r) for r in _table(folder, encoding.OPTIMIZERS)},
        vitals=_vitals(folder),
        captures=_captures(folder),
        events=_events(folder),
        run=run,
    )


def _vitals(folder: Path) -> list[Vital]:
    return [encoding.fact(Vital, r) for r in sorted(_segments(folder, encoding.VITALS), key=itemgetter("index"))]


def _events(folder: Path) -> list[Event]:
    last = {(r["kind"], r["slot"]): r for r in _table(folder, encoding.EVENTS)}
    return [encoding.fact(Event, r) for r in sorted(last.values(), key=itemgetter("index"))]


def _captures(folder: Path) -> list[Capture]:
    # The row of a capture itself is written last: without it the others are a torso.
    whole = sorted(_segments(folder, encoding.CAPTURES), key=itemgetter("capture"))
    parts = {table: _by_capture(folder, table) for table in encoding.OF_CAPTURES[:-1]}
    return [encoding.capture(r, {table: found[r["capture"]] for table, found in parts.items()}) for r in whole]


def _by_capture(folder: Path, table: str) -> defaultdict[int, list[Row]]:
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in _segments(folder, table):
        found[row["capture"]].append(row)
    return found


def _table(folder: Path, table: str) -> Iterator[Row]:
    yield from _rows(folder / f"{table}.jsonl", table)


def _segments(folder: Path, table: str) -> Iterator[Row]:
    for path in folder.glob(f"{table}-*.jsonl"):
        yield from _rows(path, table)


def _bytes(path: Path) -> bytes:
    # A link would lead out of the recording, and a pipe never ends.
    if path.parent.is_symlink() or not S_ISREG(path.lstat().st_mode):
        raise RecordingError(f"{path} is not a plain file: this is not a recording of gradmedic.")
    return path.read_bytes()


def _rows(path: Path, table: str) -> Iterator[Row]:
    try:
        lines = _bytes(path).splitlines()
    except FileNotFoundError:  # a table that nothing was written to, or a segment that was just dropped
        return
    columns, is_event = TYPES[table], table == encoding.EVENTS
    for number, row in enumerate(map(encoding.row, lines), 1):
        if row is None:
            continue
        try:
            row = columns.fitted(row)
            if is_event:
                row["data"] = event_data(row["kind"], row["data"])
        except UnfitError as error:
            raise RecordingError(f"{path}, line {number}: {error}.") from None
        yield row
