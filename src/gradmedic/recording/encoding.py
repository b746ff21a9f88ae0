"""The rows of a recording on disk: facts to lines of JSON, and back without a loss.

A row is flat. A number that is not finite stands as null, and the column "nonfinite" names it
("loss=inf grad_norm=nan"): JSON has no such numbers, and a string in their place would change the
type of the column. In nested values (options, data of events) it is {"nonfinite": "inf"}.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import zip_longest
from math import isfinite
from typing import Any, ClassVar, TypeVar, get_origin, get_type_hints

from gradmedic.base.value_types import is_of
from gradmedic.recording.ledger import Entry, Ledger
from gradmedic.recording.records import Capture, Event, Vital
from gradmedic.recording.site import Kind

Row = dict[str, Any]

SITES, PARAMETERS, STREAMS, OPTIMIZERS, EVENTS = TABLES = ("sites", "parameters", "streams", "optimizers", "events")
VITALS = "vitals"
CAPTURES = "captures"
SITE_READINGS = "readings-sites"
PARAMETER_READINGS = "readings-parameters"
PROFILES = "profiles"
LEDGERS = "ledgers"
OF_CAPTURES = (SITE_READINGS, PARAMETER_READINGS, PROFILES, LEDGERS, CAPTURES)
"""In the order of writing: a capture counts once its row in the last of them is there."""
KEYS = {"capture", "step", "stream", "site", "parameter", "nonfinite"}
"""Columns of readings that are no readings."""

VITAL = "{" + ",".join(f'"{name}":%s' for name in ("index", *Vital._fields)) + "}"

T = TypeVar("T")


def line(row: Mapping[str, Any]) -> str:
    """A row as one line of JSON, without its end."""
    try:
        return _encode(row)
    except ValueError:  # something in it is not finite
        return _encode(_apart(row))


def document(value: Mapping[str, Any]) -> str:
    """A nested value as JSON that people can read."""
    return json.dumps(_nested(value), indent=2, default=_plain, allow_nan=False) + "\n"


def is_run(facts: object) -> bool:
    """Whether this is what a run.json holds."""
    return isinstance(facts, dict) and isinstance(facts.get("schema"), int)


def row(line: bytes) -> Row | None:
    """What `line` wrote; None for a line that was torn while it was written."""
    try:
        parsed = json.loads(line, object_hook=restored if b'{"nonfinite"' in line else None)
    except ValueError:
        return None
    if not isinstance(parsed, dict):
        return None
    if "nonfinite" in parsed:
        for pair in parsed.pop("nonfinite").split():
            column, _, number = pair.partition("=")
            parsed[column] = float(number)
    return parsed


def restored(parsed: Row) -> Any:
    """A number that is not finite, from the object that stands for it; for `json.loads`."""
    odd = parsed.get("nonfinite") if len(parsed) == 1 else None
    return float(odd) if odd in ("nan", "inf", "-inf") else parsed


def fact(cls: type[T], row: Row) -> T:
    """The dataclass that a row was made of; columns that it does not know are left out."""
    known = _columns(cls)  # type: ignore[arg-type]
    return cls(
        **{column: _checked(column, _typed(column, v), known[column]) for column, v in row.items() if column in known}
    )


@cache
def _columns(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {name: hint for name, hint in hints.items() if get_origin(hint) is not ClassVar}


def _checked(column: str, value: Any, hint: Any) -> Any:
    if not is_of(value, hint):
        raise ValueError(f"{column} is {value!r:.60}")
    return value


def vital_rows(index: int, vital: Vital) -> list[tuple[str, str]]:
    """(table, line) of a vital; formatted by hand because nothing is written as often."""
    text = VITAL % (index, *vital)
    if "nan" in text or "inf" in text:
        return [(VITALS, line({"index": index, **vital._asdict()}))]
    return [(VITALS, text.replace("None", "null").replace("False", "false").replace("True", "true"))]


def vital(row: Row) -> Vital:
    """The vital that a row was made of."""
    hints = _columns(Vital)
    return Vital(**{c: _checked(c, row[c], hints[c]) for c in Vital._fields if c in row})


EVENT_NUMBERS: Mapping[str, tuple[str, ...]] = {
    "tallies": (),
    "non-finite": ("operand_min", "operand_max"),
}
"""The numbers in the data of an event, by its kind; all of it where none are named."""


def event(row: Row) -> Event:
    """The event that a row was made of."""
    hints = _columns(Event)
    found = Event(**{column: _checked(column, row[column], hints[column]) for column in ("kind", "step", "data")})
    if found.kind in EVENT_NUMBERS:
        for key in EVENT_NUMBERS[found.kind] or found.data:
            _checked(f"{key} of {found.kind}", found.data.get(key), float | None)
    return found


def capture_rows(index: int, capture: Capture) -> Iterator[tuple[str, str]]:
    """(table, line) of a capture; the line that makes it count comes last."""
    key: Row = {"capture": index, "step": capture.step, "stream": capture.stream}
    for site, numbers in capture.sites.items():
        yield SITE_READINGS, line({**key, "site": site, **numbers})
    for parameter, numbers in capture.parameters.items():
        yield PARAMETER_READINGS, line({**key, "parameter": parameter, **numbers})
    for site, profile in capture.profiles.items():
        for time, number in zip_longest(capture.times.get(site, ()), profile):
            yield PROFILES, line({**key, "site": site, "time": time, "grad_rms": number})
    for position, ledger in enumerate(capture.ledgers):
        for entry in _ledger_rows(ledger):
            yield LEDGERS, line({**key, "ledger": position, "target": ledger.target, **entry})
    yield CAPTURES, line({**key, "time": capture.time, "loss": capture.loss})


def capture(row: Row, parts: Mapping[str, list[Row]]) -> Capture:
    """The capture that a row and the rows of the other tables were made of."""
    ledgers: dict[int, list[Row]] = {}
    for part in parts[LEDGERS]:
        ledgers.setdefault(part["ledger"], []).append(part)
    profiles: dict[int, list[float]] = {}
    times: dict[int, list[int]] = {}
    for part in parts[PROFILES]:
        if part["grad_rms"] is not None:
            profiles.setdefault(part["site"], []).append(_checked("grad_rms", part["grad_rms"], float))
        if part["time"] is not None:
            times.setdefault(part["site"], []).append(_checked("time", part["time"], int))
    return Capture(
        _checked("step", row["step"], int),
        _checked("stream", row["stream"], int),
        _checked("time", row["time"], float),
        _checked("loss", row["loss"], float | None),
        sites={_checked("site", part["site"], int): _readings(part) for part in parts[SITE_READINGS]},
        parameters={
            _checked("parameter", part["parameter"], int): _readings(part) for part in parts[PARAMETER_READINGS]
        },
        profiles=profiles,
        times=times,
        ledgers=tuple(_ledger(ledgers[position]) for position in sorted(ledgers)),
    )


def _readings(row: Row) -> dict[str, float]:
    return {c: _checked(c, number, float) for c, number in row.items() if c not in KEYS and number is not None}


def _ledger(rows: list[Row]) -> Ledger:
    start = next(_checked("decades", row["decades"], float) for row in rows if row["role"] == "start")
    entries = tuple(fact(Entry, row) for row in rows if row["role"] == "entry")
    cut = next((fact(Entry, row) for row in rows if row["role"] == "cut"), None)
    return Ledger(rows[0]["target"], entries, start, cut)


def _ledger_rows(ledger: Ledger) -> Iterator[Row]:
    yield {"role": "start", "decades": ledger.start}
    for entry in ledger.entries:
        yield {"role": "entry", **vars(entry)}
    if ledger.cut:
        yield {"role": "cut", **vars(ledger.cut)}


def _plain(value: object) -> object:
    """Numbers of array libraries as plain ones, anything else (paths, devices, ...) by its text."""
    if isinstance(value, Mapping):
        return dict(value)
    return value.item() if hasattr(value, "item") else str(value)


_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":"), check_circular=False, default=_plain).encode


def _apart(row: Mapping[str, Any]) -> Row:
    plain = {c: _plain(v) if hasattr(v, "item") else v for c, v in row.items()}
    odd = {c: v for c, v in plain.items() if isinstance(v, float) and not isfinite(v)}
    named = {"nonfinite": " ".join(f"{column}={number}" for column, number in odd.items())} if odd else {}
    return {c: _nested(v) for c, v in plain.items()} | dict.fromkeys(odd) | named


def _nested(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return {"nonfinite": str(value)}
    if isinstance(value, Mapping):
        return {key: _nested(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_nested(inner) for inner in value]
    return value


def _typed(column: str, value: Any) -> Any:
    if column == "kind":
        return Kind(value)
    return tuple(value) if isinstance(value, list) else value
