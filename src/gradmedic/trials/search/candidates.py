"""Which prescriptions are worth a trial, the likeliest first, going by the diagnosis."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from gradmedic.base.interruption import let_through
from gradmedic.base.messages import Message
from gradmedic.base.warn import warn_of
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.report import Report
from gradmedic.diagnosis.rules import all_rules
from gradmedic.treatment.prescription import Prescription
from gradmedic.trials.trial import identity

if TYPE_CHECKING:
    from gradmedic.treatment.remedies import Remedy


@dataclass(frozen=True, eq=False)
class Candidate:
    """A prescription that may help.

    `depth` tells how deep its deepest remedy cuts (0: the update, 1: the weights, 2: the model),
    `order` its place in the queue, which is where the diagnosis puts it.
    """

    prescription: Prescription
    depth: int = 0
    order: int = 0
    redefines: frozenset[str] = frozenset()
    """Those of its remedies under which the loss is another function of the predictions."""
    remote: bool = False
    """Proposed against what was not found: worth a trial only where nothing nearer helps."""
    mends: bool = False
    """Takes away the mistake in the program that is the cause, rather than making up for it."""

    @property
    def key(self) -> str:
        """The same for the same remedies at the same doses."""
        return identity(self.prescription)

    @property
    def remedies(self) -> frozenset[str]:
        """The names of its remedies."""
        return frozenset(item.remedy for item in self.prescription.items)

    @property
    def simplicity(self) -> tuple[int, int, int]:
        """Sorts the simple and mild before the elaborate and deep."""
        return len(self.prescription.items), self.depth, self.order

    def joined(self, other: "Candidate") -> "Candidate":
        """Both together; what changes the network comes before what changes how it moves."""
        first, second = sorted((self, other), key=lambda one: (-one.depth, one.order))
        items = first.prescription.items + second.prescription.items
        both = Prescription(items, script=self.prescription.script)
        either = self.redefines | other.redefines
        remote, mends = self.remote and other.remote, self.mends or other.mends
        return Candidate(both, first.depth, self.order + other.order, either, remote, mends)


def by_diagnosis(report: Report) -> list[Candidate]:
    """The candidates that a report asks for, each once: the cause's before those of what follows.

    A diagnosis may be wrong, or there is none though the loss does not fall: what helps against
    everything else comes last.
    """
    near = [_asked_for(finding, report) for finding in _in_turn(report.findings)]
    far = _interleaved([_asked_for(finding, report) for finding in _not_found(report)])
    mistake = next((f.rule for f in report.findings[:1] if f.rank == 0 and f.severity > Severity.NOTE), None)
    script = str(report.recording.run.get("script", ""))
    found: dict[str, Candidate] = {}
    for dose, remote in chain(((one, False) for one in chain(*near)), ((one, bool(near)) for one in far)):
        alone = Prescription((dose.item,), script=script)
        redefines = frozenset({dose.name} if dose.redefines_loss else ())
        facts = (_depth(dose), len(found), redefines, remote, mistake in dose.mends)
        found.setdefault(identity(alone), Candidate(alone, *facts))
    return [*found.values()]


def _asked_for(finding: Finding, report: Report) -> "list[Remedy]":
    """The doses of all remedies for a finding: the first of each, then the second of each, and so on."""
    from gradmedic.treatment.remedies import all_remedies

    return [*_interleaved([_doses(remedy, finding, report) for remedy in _fitting(all_remedies(), finding)])]


def _not_found(report: Report) -> Iterator[Finding]:
    """Every disease that the report does not tell of, at no place in particular."""
    found = {finding.rule for finding in _in_turn(report.findings)}
    told = Message("Supposed, not found.")
    for rule in all_rules():
        if rule not in found:
            yield Finding(rule, Severity.WARNING, told, told)


def _in_turn(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Findings that are an alarm, each cause followed by its consequences."""
    for finding in findings:
        if finding.severity > Severity.NOTE:
            yield finding
            yield from _in_turn(finding.consequences)


def _fitting(remedies: "Mapping[str, type[Remedy]]", finding: Finding) -> "list[type[Remedy]]":
    """The remedies for a finding: first those that are meant for it above all, and of these the mildest."""
    fit = [remedy for remedy in remedies.values() if finding.rule in remedy.cures]
    return sorted(fit, key=lambda remedy: (remedy.distance(finding), _depth(remedy), remedy.name))


def _doses(remedy: "type[Remedy]", finding: Finding, report: Report) -> "list[Remedy]":
    try:
        return [*remedy.doses(finding, report.recording)]
    except Exception as error:
        let_through(error)
        warn_of(f"The remedy {remedy.name} cannot tell its dose for {finding.rule}: {error!r}. It is not tried.")
        return []


def _depth(remedy: "Remedy | type[Remedy]") -> int:
    return [*type(remedy.alters)].index(remedy.alters)


def _interleaved(queues: "Sequence[Sequence[Remedy]]") -> "Iterator[Remedy]":
    """The first dose of each remedy, then the second of each, and so on."""
    for row in zip_longest(*queues):
        yield from (one for one in row if one is not None)
