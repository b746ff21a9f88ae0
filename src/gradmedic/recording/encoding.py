"""The rows of a recording on disk: facts to lines of JSON, and back without a loss.

A row is flat. A number that is not finite stands as null, and the column "nonfinite" names it
("loss=inf grad_norm=nan"): JSON has no such numbers, and a string in their place would change the
type of the column. In nested values (options, data of events) it is {"nonfinite": "inf"}.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from inspect import Parameter, signature
from itertools import zip_longest
from math import isfinite
from typing import Any, TypeVar

from gradmedic.recording.ledger import Entry, Ledger
from gradmedic.recording.records import Capture, Vital

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

ODD: Mapping[str, float] = {text: float(text) for text in ("nan", "inf", "-inf")}
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
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    if "nonfinite" in parsed:
        for pair in str(parsed.pop("nonfinite")).split():
            column, _, number = pair.partition("=")
            parsed[column] = ODD.get(number, number)
    return parsed


def restored(parsed: Row) -> Any:
    """A number that is not finite, from the object that stands for it; for `json.loads`."""
    odd = parsed.get("nonfinite") if len(parsed) == 1 else None
    return ODD[odd] if isinstance(odd, str) and odd in ODD else parsed


def fact(cls: type[T], row: Row) -> T:
    """The dataclass, or named tuple, that a row was made of; columns that it does not know are left out."""
    known = parameters_of(cls)  # type: ignore[arg-type]
    return cls(**{column: value for column, value in row.items() if column in known})


@cache
def parameters_of(cls: type) -> Mapping[str, Parameter]:
    """What a class is made of."""
    return signature(cls).parameters


def vital_rows(index: int, vital: Vital) -> list[tuple[str, str]]:
    """(table, line) of a vital; formatted by hand because nothing is written as often."""
    text = VITAL % (index, *vital)
    if "nan" in text or "inf" in text:
        return [(VITALS, line({"index": index, **vital._asdict()}))]
    return [(VITALS, text.replace("None", "null").replace("False", "false").replace("True", "true"))]


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
            profiles.setdefault(part["site"], []).append(part["grad_rms"])
        if part["time"] is not None:
            times.setdefault(part["site"], []).append(part["time"])
    return Capture(
        row["step"],
        row["stream"],
        row["time"],
        row["loss"],
        sites={part["site"]: _readings(part) for part in parts[SITE_READINGS]},
        parameters={part["parameter"]: _readings(part) for part in parts[PARAMETER_READINGS]},
        profiles=profiles,
        times=times,
        ledgers=tuple(_ledger(ledgers[position]) for position in sorted(ledgers)),
    )


def _readings(row: Row) -> dict[str, float]:
    return {c: number for c, number in row.items() if c not in KEYS and number is not None}


def _ledger(rows: list[Row]) -> Ledger:
    start = next(row["decades"] for row in rows if row["role"] == "start")
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
