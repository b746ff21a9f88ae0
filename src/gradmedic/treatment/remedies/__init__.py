"""Remedies: each knows one treatment, whom it may help, and how to take it back.

A remedy is a frozen dataclass in a file of its own. Its fields are its dose: they are what a
prescription stores, and what a user edits there. The same object treats a running script and
writes the code to keep. Its docstring is its page in the manual.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import MISSING, Field, fields
from enum import Enum
from functools import partial
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin, get_type_hints

from gradmedic.base.errors import RemedyError
from gradmedic.base.plugins import discover
from gradmedic.base.settings import nearest, shortened
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.prescription import Item, Prescription

LARGEST = sys.float_info.max
Positive = Annotated[float, (sys.float_info.min, "a number above 0")]
Count = Annotated[int, (1, "a whole number from 1 on")]


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


def remedy_from(item: Item) -> Remedy:
    """The remedy that an item of a prescription names; raises `RemedyError` if it is none, or has no such dose."""
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
    remedy: Remedy = kind(**{key: _fitted(item.remedy, key, one, hints[key]) for key, one in item.dose.items()})
    return remedy


def _fields(remedy: Any) -> tuple[Field[Any], ...]:
    return fields(remedy)


def _fitted(name: str, key: str, value: Any, hint: Any) -> Any:
    """A value out of a file as the field wants it."""
    base, *limits = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    told = {float: "a number", int: "a whole number", bool: "true or false", str: "text without control characters"}
    fits = {
        float: type(value) in (int, float) and abs(value) <= LARGEST,
        int: type(value) is int and abs(value) < 2**63,
        bool: type(value) is bool,
        str: _is_plain(value),
    }.get(base, isinstance(value, list | tuple) and all(map(_is_plain, value)))
    wanted = told.get(base, "a list of names without control characters")
    for least, words in limits:
        fits, wanted = fits and value >= least, words
    if not fits:
        raise RemedyError(f"{key} of {name} must be {wanted}; it is {shortened(repr(value))}")
    return base(value) if base in told else tuple(value)


def _is_plain(value: object) -> bool:
    """Whether it is text that stays on its line, in code and in comments."""
    return isinstance(value, str) and value.isprintable()


def _give(item: Item, patient: Patient) -> AbstractContextManager[None]:
    return remedy_from(item).given_to(patient)


@contextmanager
def treated(prescription: Prescription, patient: Patient) -> Iterator[None]:
    """Give all remedies of a prescription, in their order; they are taken back in reverse."""
    with ExitStack() as courses:
        for item in prescription.items:
            courses.enter_context(patient.course(item.remedy, partial(_give, item, patient)))
        yield
