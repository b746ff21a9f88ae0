"""What the tables of a recording hold, column by column: what is read back is what it has to be, or is told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import Parameter as Argument
from typing import Any, Literal, get_type_hints

from gradmedic.base.value_types import Fit, Index, Size, UnfitError, fit, fitted_by, fitted_table
from gradmedic.recording import encoding
from gradmedic.recording.encoding import Row
from gradmedic.recording.ledger import Entry
from gradmedic.recording.records import Event, Optimizer, Stream, Vital
from gradmedic.recording.site import Parameter, Site

SIGNED = ("mean", "min", "max", "loss", "guess", "gain")
"""How the columns of readings end that may be below zero."""


@dataclass(frozen=True)
class Columns:
    """The types of the columns of a table, and which of them each row needs; `others` fits those that are not named."""

    hints: Mapping[str, Any]
    needed: tuple[str, ...] = ()
    others: Callable[[str], Fit] | None = None

    @cached_property
    def fits(self) -> dict[str, Fit]:
        """What fits each column, those included that were met so far."""
        return {column: fit(hint) for column, hint in self.hints.items()}

    def fitted(self, row: Row) -> Row:
        """The row with values of these types; raises `UnfitError`."""
        fits = self.fits
        for column in self.needed:
            if column not in row:
                raise UnfitError(f"{column} is missing")
        if self.others is not None:
            fits.update({column: self.others(column) for column in row if column not in fits})
        return {**row, **fitted_by(row, fits)}


def _reading(column: str) -> Fit:
    return fit(float | None if column.rpartition("_")[2] in SIGNED else Size | None)


def _of(cls: type, **more: Any) -> Columns:
    """The columns of what a class holds, and more."""
    hints, arguments = get_type_hints(cls, include_extras=True), encoding.parameters_of(cls)
    needed = [name for name, one in arguments.items() if one.default is Argument.empty]
    return Columns({**more, **{name: hints[name] for name in arguments}}, (*more, *needed))


OF_CAPTURE: Mapping[str, Any] = {"capture": Index, "step": Index, "stream": Index}
SPOT: Mapping[str, Any] = {"site": Index | None, "stream": Index, "file": str | None, "line": Index | None}
EVENT_DATA: Mapping[str, Mapping[str, Any]] = {
    "non-finite": {
        **SPOT,
        **dict.fromkeys(("phase", "op", "dtype", "name", "reason"), str),
        **dict.fromkeys(("operand_min", "operand_max"), float | None),
        **dict.fromkeys(("operand_zero", "hidden"), bool),
        "parameter": str | None,
    },
    "stale-gradients": {**SPOT, "optimizer": Index | None},
    "no-graph": {**SPOT, "passes": Index, "enabled": bool},
    "unforeseen": {**SPOT, "error": str},
    "failure": {"part": str, "error": str},
    "remedy": {"remedy": str, "dose": Mapping[str, Any]},
    "refused": {"remedy": str, "reason": str},
    "note": {"text": str},
}
"""What the data of an event is, by its kind; those of tallies are all numbers."""


def event_data(kind: str, data: Row) -> Row:
    """The data of an event with values of the types that its kind has; raises `UnfitError`."""
    hints = dict.fromkeys(data, float) if kind == "tallies" else EVENT_DATA.get(kind, {})
    try:
        return {**data, **fitted_table(data, hints)}
    except UnfitError as error:
        raise UnfitError(f"data of {kind}: {error}") from None


TYPES: Mapping[str, Columns] = {
    encoding.SITES: _of(Site),
    encoding.PARAMETERS: _of(Parameter),
    encoding.STREAMS: _of(Stream),
    encoding.OPTIMIZERS: _of(Optimizer),
    encoding.EVENTS: _of(Event, index=Index, slot=int),
    encoding.VITALS: _of(Vital, index=Index),
    encoding.SITE_READINGS: Columns({**OF_CAPTURE, "site": Index}, (*OF_CAPTURE, "site"), _reading),
    encoding.PARAMETER_READINGS: Columns({**OF_CAPTURE, "parameter": Index}, (*OF_CAPTURE, "parameter"), _reading),
    encoding.PROFILES: Columns(
        {**OF_CAPTURE, "site": Index, "time": Index | None, "grad_rms": Size | None},
        (*OF_CAPTURE, "site", "time", "grad_rms"),
    ),
    encoding.LEDGERS: Columns(
        {
            **get_type_hints(Entry, include_extras=True),
            **OF_CAPTURE,
            "ledger": Index,
            "target": str,
            "role": Literal["start", "entry", "cut"],
        },
        (*OF_CAPTURE, "ledger", "target", "role", "decades"),
    ),
    encoding.CAPTURES: Columns({**OF_CAPTURE, "time": float, "loss": float | None}, (*OF_CAPTURE, "time", "loss")),
}
