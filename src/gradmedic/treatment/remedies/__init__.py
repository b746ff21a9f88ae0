"""Remedies: each knows one treatment, whom it may help, and how to take it back.

A remedy is a frozen dataclass in a file of its own. Its fields are its dose: they are what a
prescription stores, and what a user edits there. The same object treats a running script and
writes the code to keep. Its docstring is its page in the manual.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import MISSING, Field, fields
from enum import Enum
from functools import partial
from typing import Any, ClassVar, Self, get_type_hints

from gradmedic.base.errors import RemedyError
from gradmedic.base.plugins import discover
from gradmedic.base.settings import nearest
from gradmedic.base.value_types import Finite, Line, Lines, UnfitError, fitted_table
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.prescription import Item, Prescription

HINTS: Mapping[Any, Any] = {float: Finite, str: Line, tuple[str, ...]: Lines}
"""Types of doses that say too little: a dose becomes code."""


class Alters(Enum):
    """What a remedy changes, from the mildest to the deepest cut."""

    UPDATE = "how weights move; old checkpoints still load and mean the same"
    WEIGHTS = "where weights start; old checkpoints load but undo it"
    MODEL = "the network itself; old checkpoints may not load, or mean something else"


class Remedy(ABC):
    """One treatment, at one dose.

    `cures` are the rules whose findings it may help against, those that it is meant for before those where
    it may be tried.
    """

    name: ClassVar[str]
    cures: ClassVar[tuple[str, ...]]
    alters: ClassVar[Alters]
    mends: ClassVar[tuple[str, ...]] = ()
    """The rules whose findings are mistakes in the program that it takes away, rather than makes up for."""
    redefines_loss: ClassVar[bool] = False
    """Whether the loss that is given to backward is another function of the predictions than the script's own."""

    @classmethod
    def distance(cls, finding: Finding) -> int:
        """How far it is from what a finding asks for, by its place in `cures`; the nearest is tried first."""
        return cls.cures.index(finding.rule)

    @classmethod
    @abstractmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        """Yield the doses worth a trial for this finding, the likeliest first; none where it cannot help."""

    @abstractmethod
    def given_to(self, patient: Patient) -> AbstractContextManager[None]:
        """Treat the patient; on leaving, put back everything that was touched.

        Raises `RemedyError` where that shows at once; what shows later is raised where it shows, or
        told to the patient's `tell`.
        """

    @abstractmethod
    def code(self) -> str:
        """The lines to write into a training script for the same effect, for good."""

    @property
    def item(self) -> Item:
        """This remedy as a prescription stores it; what is as usual is left out."""
        held = {one.name: getattr(self, one.name) for one in _fields(self)}
        dose = {f.name: held[f.name] for f in _fields(self) if held[f.name] != f.default}
        return Item(self.name, {key: list(one) if isinstance(one, tuple) else one for key, one in dose.items()})


def all_remedies() -> dict[str, type[Remedy]]:
    """Every remedy, ours and those of installed plug-ins, by name."""
    return discover(Remedy, __name__, "gradmedic.remedies")


def remedy_from(item: Item, source: str = "") -> Remedy:
    """The remedy that an item of a prescription names; raises `RemedyError` if it is none, or has no such dose.

    `source` is the file to be named in a complaint.
    """
    try:
        return _remedy(item)
    except RemedyError as error:
        raise RemedyError(f"{source}: {error}" if source else str(error)) from None


def _remedy(item: Item) -> Remedy:
    known = all_remedies()
    if item.remedy not in known:
        raise RemedyError(f"nobody knows the remedy {item.remedy!r}{nearest(item.remedy, known)}")
    kind: Any = known[item.remedy]
    hints, options = get_type_hints(kind, include_extras=True), {one.name: one for one in _fields(kind)}
    for key in item.dose:
        if key not in options:
            raise RemedyError(f"{item.remedy} has no dose {key!r}{nearest(key, options)}")
    for key, option in options.items():
        if key not in item.dose and option.default is MISSING:
            raise RemedyError(f"{item.remedy} needs its dose {key!r}")
    try:
        doses = fitted_table(item.dose, {key: HINTS.get(hints[key], hints[key]) for key in options})
    except UnfitError as error:
        raise RemedyError(f"{item.remedy}: {error}") from None
    remedy: Remedy = kind(**doses)
    return remedy


def _fields(remedy: Any) -> tuple[Field[Any], ...]:
    return fields(remedy)


def _give(item: Item, patient: Patient, source: str) -> AbstractContextManager[None]:
    return remedy_from(item, source).given_to(patient)


@contextmanager
def treated(prescription: Prescription, patient: Patient) -> Iterator[None]:
    """Give all remedies of a prescription, in their order; they are taken back in reverse."""
    with ExitStack() as courses:
        for item in prescription.items:
            courses.enter_context(patient.course(item.remedy, partial(_give, item, patient, prescription.source)))
        yield
