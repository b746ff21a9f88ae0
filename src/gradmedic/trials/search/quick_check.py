"""Would a remedy heal the very first passes? Asked of a few steps each, before whole runs are spent.

What is wrong from the start shows in the first backward pass, and so does whether a remedy mends it:
under another activation the ledger is another one at once. The script is run under each candidate up
to its third step, read whole, and judged like any run. A remedy that heals may still not help; but
where there is no time to run all to the end, those go first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.judge import judge
from gradmedic.treatment.prescription import Prescription
from gradmedic.trials.arms import NOTHING, Trials
from gradmedic.trials.budget import Reserve
from gradmedic.trials.search.candidates import Candidate
from gradmedic.trials.trial import Trial, identity

STEPS = 3
"""Steps that are read: what the first one does shows in the second."""
CHEAP = 0.25
"""Share of what screening costs that looking ahead may cost."""


@dataclass(frozen=True)
class QuickCheck:
    """A look at the first steps of a script under each of some candidates, as long as that leaves the reserve."""

    trials: Trials
    reserve: Reserve

    def is_cheap(self, candidates: int, share: float) -> bool:
        """True if looking costs little beside running them over a share of their length, and runs are not counted."""
        budget = self.trials.budget
        part = STEPS / max(self.trials.first.steps, STEPS)
        return budget.trials is None and budget.cost(candidates, part) < CHEAP * budget.cost(candidates, share)

    def healing_first(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The same candidates: first those that leave least of what is wrong from the start; else in their order."""
        ill = next((alarms for _, alarms in self._alarms([NOTHING])), frozenset())
        if not ill:
            return [*candidates]
        left = {key: len(alarms) for key, alarms in self._alarms(one.prescription for one in candidates)}
        return sorted(candidates, key=lambda one: left.get(one.key, len(ill) + 1))

    def _alarms(self, prescriptions: Iterable[Prescription]) -> Iterator[tuple[str, frozenset[str]]]:
        """The rules that raise an alarm in the first steps, by prescription; nothing of runs that did not get there."""
        looks = (Trial(one, 0, STEPS, observed=True, looking=1.0) for one in prescriptions)
        for outcome in self.trials.glimpsed(looks, self.reserve):
            if outcome.ended.well and outcome.recording is not None:
                yield identity(outcome.trial.prescription), frozenset(_rules(judge(outcome.recording).findings))


def _rules(findings: Iterable[Finding]) -> Iterator[str]:
    """The rules of all alarms, those that follow from others included."""
    for finding in findings:
        if finding.severity > Severity.NOTE:
            yield finding.rule
        yield from _rules(finding.consequences)
