"""Whether a patched script does what the trial did: two runs with the same seeds and steps, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from math import isclose, isfinite

from gradmedic.finding import Message
from gradmedic.pairs import DOUBT
from gradmedic.scoring import scale_of, score
from gradmedic.treatment import ending
from gradmedic.trial import Outcome

CLOSE = 1e-3
"""Share by which losses of the same step may differ and count as the same: sums are made in another order."""
ALIKE = 0.1
"""Decades (or spreads) by which two runs may end apart that have drawn other random numbers."""


class Degree(Enum):
    """How far two runs agree; the value is the sentence for it."""

    STEPS = Message("The patched script does what the trial did, step by step: loss {patched} against {trial}.")
    END = Message("The patched script does what the trial did: loss {patched} against {trial}.")
    APART = Message("The patched script differs from the trial: loss {patched} against {trial}.")
    BROKEN = Message("The patched script does not run as the trial did: {patched} against {trial}. {error}")


@dataclass(frozen=True)
class Agreement:
    """How far a patched script agrees with the trial, and how both ended."""

    degree: Degree
    patched: str
    trial: str
    error: str = ""

    @property
    def holds(self) -> bool:
        """True if the patch does what it is meant to."""
        return self.degree in (Degree.STEPS, Degree.END)

    @property
    def sentence(self) -> Message:
        """What to tell."""
        values = {"patched": self.patched, "trial": self.trial, "error": self.error}
        return replace(self.degree.value, values=values)


def agreement(patched: Outcome, trial: Outcome, control: Outcome) -> Agreement:
    """Compare the run of a patched script with the trial; `control` tells how much there was to gain."""
    patched, trial, control = map(_by_position, (patched, trial, control))
    told = (ending([patched]), ending([trial]))
    if patched.ended != trial.ended or patched.series.keys() != trial.series.keys():
        return Agreement(Degree.BROKEN, *told, patched.error or trial.error)
    if all(_same(patched.series[name].losses, trial.series[name].losses) for name in trial.series):
        return Agreement(Degree.STEPS, *told)
    scale = scale_of([control], [patched, trial])
    ends = [score(one, scale) for one in (patched, trial, control)]
    return Agreement(Degree.END if _alike(*ends) else Degree.APART, *told)


def _by_position(outcome: Outcome) -> Outcome:
    """The outcome with its streams numbered: lines have moved, their order has not."""
    return replace(outcome, series={str(at): one for at, one in enumerate(outcome.series.values())})


def _same(first: Sequence[float], second: Sequence[float]) -> bool:
    if len(first) != len(second):
        return False
    pairs = zip(first, second, strict=True)
    return all(isclose(a, b, rel_tol=CLOSE, abs_tol=1e-9) or not (isfinite(a) or isfinite(b)) for a, b in pairs)


def _alike(patched: float, trial: float, control: float) -> bool:
    """True where the two ended as near to each other as luck explains; what the trial won is its measure, too."""
    if patched == trial or not (isfinite(patched) and isfinite(trial)):
        return patched == trial
    won = abs(control - trial) if isfinite(control) else 0.0
    return abs(patched - trial) <= max(ALIKE, DOUBT * won)
