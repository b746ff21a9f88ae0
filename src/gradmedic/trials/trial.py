"""A trial: one run of the user's script under a prescription, and what came of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from gradmedic.base.settings import Settings
from gradmedic.recording.records import Recording
from gradmedic.treatment.prescription import Prescription
from gradmedic.trials.printed_numbers import Printed
from gradmedic.trials.run_summary import Checkup


@dataclass(frozen=True)
class Script:
    """What is run, and where: the words behind `python`, and the folder that they are said in.

    `in_place` lets it write its files there. `text` is what a file holds in a run, other than it does:
    its path, and its bytes as Latin-1.
    """

    target: str
    args: tuple[str, ...] = ()
    as_module: bool = False
    folder: str = "."
    in_place: bool = False
    text: tuple[str, str] | None = None


@dataclass(frozen=True)
class Trial:
    """One run: a prescription (none in a control), what is added to every seed, and how many steps.

    `observed` asks for a full recording; without it only what is needed for scoring is taken.
    `seconds` and `memory` (in bytes) are what the run may take, `looking` the share of its time that
    observing may take; they are no part of its identity.
    """

    prescription: Prescription = field(default_factory=Prescription)
    seed_shift: int = 0
    steps: int | None = None
    observed: bool = False
    seconds: float | None = field(default=None, compare=False)
    memory: float | None = field(default=None, compare=False)
    looking: float = field(default=Settings.budget, compare=False)

    @property
    def is_control(self) -> bool:
        """True where the script runs as it is."""
        return not self.prescription.items

    @property
    def control(self) -> "Trial":
        """The paired control: the same seeds, the same steps, nothing given."""
        return replace(self, prescription=Prescription())

    @property
    def key(self) -> str:
        """The same for two trials that are to come out the same."""
        words = json.dumps([identity(self.prescription), self.seed_shift, self.steps, self.observed])
        return hashlib.sha256(words.encode()).hexdigest()[:16]


def identity(prescription: Prescription) -> str:
    """The same for two prescriptions that give the same remedies at the same doses in the same order."""
    return json.dumps([[item.remedy, dict(item.dose)] for item in prescription.items], sort_keys=True, default=list)


class RunEnd(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    STOPPED = "stopped"
    """After the steps that it was asked for."""
    CRASHED = "crashed"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    KILLED = "killed"
    REFUSED = "refused"
    """A remedy said that it cannot be given to this script."""

    @property
    def well(self) -> bool:
        """True if the run came to the end that was meant for it."""
        return self in (RunEnd.FINISHED, RunEnd.STOPPED)


@dataclass(frozen=True)
class LossSeries:
    """The losses of one stream, pass by pass, with the step of each.

    `norms` are the gradient norms that were taken, each with its step. A stream `contends` where
    another one's steps lie between its own, as in a GAN: its loss may rise and fall for good reason.
    """

    steps: tuple[int, ...] = ()
    losses: tuple[float, ...] = ()
    norms: tuple[tuple[int, float], ...] = ()
    contends: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a trial. `error` is the last line of what a run that crashed had to say.

    `series` holds the losses by stream, `metric` what the user's expression last found in the
    output, `printed` the numbers in it that have a name, `startup` the seconds before the first step and
    `memory` the most bytes it held.
    `checkup` is what an observed run looked like inside, in short.
    """

    trial: Trial
    ended: RunEnd
    series: Mapping[str, LossSeries] = field(default_factory=dict)
    metric: float | None = None
    steps: int = 0
    seconds: float = 0.0
    startup: float = 0.0
    memory: float = 0.0
    error: str = ""
    checkup: Checkup | None = None
    printed: Printed = field(default_factory=dict)
    recording: Recording | None = field(default=None, compare=False, repr=False)

    def row(self) -> dict[str, Any]:
        """The outcome as plain values, without its recording."""
        told = {f: getattr(self, f) for f in ("metric", "steps", "seconds", "startup", "memory", "error")}
        series = {name: asdict(one) for name, one in self.series.items()}
        of = {"remedies": identity(self.trial.prescription), "seed": self.trial.seed_shift}
        row = {"key": self.trial.key, **of, "ended": self.ended.value, **told, "series": series}
        row |= {"printed": {name: list(ends) for name, ends in self.printed.items()}}
        return row | ({"checkup": self.checkup.row()} if self.checkup is not None else {})

    @classmethod
    def from_row(cls, trial: Trial, row: Mapping[str, Any]) -> "Outcome":
        """The outcome of a trial, from the plain values that `row` gave."""
        told = {name: value for name, value in row.items() if name not in NOT_TOLD}
        series = {name: _series(one) for name, one in row["series"].items()}
        checkup = Checkup.from_row(row["checkup"]) if "checkup" in row else None
        printed = {name: (float(first), float(last)) for name, (first, last) in row.get("printed", {}).items()}
        return cls(trial, RunEnd(row["ended"]), series, checkup=checkup, printed=printed, **told)


NOT_TOLD = ("key", "remedies", "seed", "ended", "series", "checkup", "printed")
"""What a row holds beside the facts that an outcome is made of."""


def _series(row: Mapping[str, Any]) -> LossSeries:
    norms = tuple((int(step), float(norm)) for step, norm in row["norms"])
    return LossSeries(tuple(row["steps"]), tuple(row["losses"]), norms, bool(row["contends"]))
