"""Doses between and beyond those that were tried."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import floor, log10

from gradmedic.treatment.prescription import Item, Prescription, Value
from gradmedic.trials.search.candidates import Candidate

STRIDE = 10**0.5
"""The first stride: to what lies between two doses of a usual grid."""
FURTHEST = 1e4
"""The last one; each is the square of the one before."""
COUNTED = 8
"""Whole numbers below this are counted, not measured: there is no little more of them."""


@dataclass(frozen=True)
class Dose:
    """One number in a prescription: of which item, and under which name."""

    item: int
    key: str


def doses(candidate: Candidate) -> Iterator[Dose]:
    """The doses of a prescription of which there can be a little more or less."""
    for place, item in enumerate(candidate.prescription.items):
        yield from (Dose(place, key) for key, value in item.dose.items() if is_measured(value))


def is_measured(value: Value) -> bool:
    """True for a dose of which there can be a little more or less."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value > 0 and (isinstance(value, float) or value >= COUNTED)


def moved(candidate: Candidate, dose: Dose, factor: float) -> Candidate:
    """The prescription with one dose a factor larger."""
    items = [*candidate.prescription.items]
    item = items[dose.item]
    items[dose.item] = Item(item.remedy, {**item.dose, dose.key: scaled(item.dose[dose.key], factor)})
    return replace(candidate, prescription=Prescription(tuple(items), script=candidate.prescription.script))


def scaled(value: Value, factor: float) -> Value:
    """A dose times a factor, with two digits that count; a whole number stays one."""
    assert isinstance(value, int | float)
    wanted = value * factor
    rounded = round(wanted, 1 - floor(log10(wanted)))
    return rounded if isinstance(value, float) else max(1, int(rounded))
