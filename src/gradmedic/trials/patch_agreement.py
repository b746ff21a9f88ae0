"""Whether a patched script does what the trial did: two runs with the same seeds and steps, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from math import isclose, isfinite
from statistics import median

from gradmedic.base.messages import Message
from gradmedic.trials.paired_effect import DOUBT
from gradmedic.trials.scoring import scale_of, score
from gradmedic.trials.search.treatment_result import ending
from gradmedic.trials.trial import Outcome

CLOSE = 1e-3
"""Share by which losses of the same step may differ and count as the same: sums are made in another order."""
ALIKE = 0.1
"""Decades by which two runs may end apart that have drawn other random numbers."""

Pair = tuple[Outcome, Outcome]
"""A run of the patched script, and the trial with the same seed."""


class Degree(Enum):
    """How far two runs agree; the value is the sentence for it."""

    STEPS = Message("The patched script does what the trial did, step by step: loss {patched} against {trial}.")
    END = Message("The patched script does what the trial did: loss {patched} against {trial}.")
    LUCK = Message("The patched script ends better than the trial with one seed, and worse with another: that is luck.")
    BETTER = Message("The patched script does more than the trial: loss {patched} against {trial}.")
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
        return self.degree not in (Degree.APART, Degree.BROKEN)

    @property
    def sentence(self) -> Message:
        """What to tell."""
        values = {"patched": self.patched, "trial": self.trial, "error": self.error}
        return replace(self.degree.value, values=values)


def agreement(pairs: Sequence[Pair], control: Outcome) -> Agreement:
    """Compare runs of a patched script with the trials of the same seeds; `control` tells what there was to gain."""
    numbered = [(_by_position(patched), _by_position(trial)) for patched, trial in pairs]
    told = (ending([patched for patched, _ in numbered]), ending([trial for _, trial in numbered]))
    broken = [pair for pair in numbered if not _comparable(*pair)]
    if broken:
        return Agreement(Degree.BROKEN, *told, broken[0][0].error or broken[0][1].error)
    if all(_same(*pair) for pair in numbered):
        return Agreement(Degree.STEPS, *told)
    return Agreement(_by_score(numbered, _by_position(control)), *told)


def refusal(trial: Outcome) -> Agreement:
    """What is known where a remedy refuses: the patched script is not run at all."""
    end = ending([_by_position(trial)])
    return Agreement(Degree.BROKEN, end, end, trial.error)


def _by_position(outcome: Outcome) -> Outcome:
    """The outcome with its streams numbered: lines have moved, their order has not."""
    return replace(outcome, series={str(at): one for at, one in enumerate(outcome.series.values())})


def _comparable(patched: Outcome, trial: Outcome) -> bool:
    return patched.ended == trial.ended and patched.series.keys() == trial.series.keys()


def _same(patched: Outcome, trial: Outcome) -> bool:
    """True if every loss is the same."""
    return all(_alike(patched.series[name].losses, trial.series[name].losses) for name in trial.series)


def _alike(first: Sequence[float], second: Sequence[float]) -> bool:
    if len(first) != len(second):
        return False
    pairs = zip(first, second, strict=True)
    return all(isclose(a, b, rel_tol=CLOSE, abs_tol=1e-9) or not (isfinite(a) or isfinite(b)) for a, b in pairs)


def _by_score(pairs: Sequence[Pair], control: Outcome) -> Degree:
    """How near the runs ended to each other, by as much as luck explains; what a trial won is its measure, too."""
    scale = scale_of([control], [run for pair in pairs for run in pair])
    scores = [(score(patched, scale), score(trial, scale)) for patched, trial in pairs]
    if all(patched == trial for patched, trial in scores):
        return Degree.END
    if not all(isfinite(one) for pair in scores for one in pair):
        return Degree.APART
    apart = sorted(patched - trial for patched, trial in scores)
    untreated = score(control, scale)
    won = untreated - median(trial for _, trial in scores) if isfinite(untreated) else 0.0
    if abs(median(apart)) <= max(ALIKE, DOUBT * won):
        return Degree.END
    if apart[0] < 0 < apart[-1]:
        return Degree.LUCK
    return Degree.BETTER if median(apart) < 0 else Degree.APART
