"""Which prescriptions are worth a trial, the likeliest first, going by the diagnosis."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from gradmedic.finding import Finding, Severity
from gradmedic.prescription import Prescription
from gradmedic.report import Report
from gradmedic.trial import identity

if TYPE_CHECKING:
    from gradmedic.remedies import Remedy


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
        return Candidate(both, first.depth, self.order + other.order, self.redefines | other.redefines)


def by_diagnosis(report: Report) -> list[Candidate]:
    """The candidates that the findings of a report ask for, each once: the cause's before those of what follows."""
    from gradmedic.remedies import all_remedies

    remedies = all_remedies()
    found: dict[str, Candidate] = {}
    for finding in _in_turn(report.findings):
        for dose in _interleaved([_doses(remedy, finding, report) for remedy in _fitting(remedies, finding)]):
            alone = Prescription((dose.item,), script=str(report.recording.run.get("script", "")))
            redefines = frozenset({dose.name} if dose.redefines_loss else ())
            found.setdefault(identity(alone), Candidate(alone, _depth(dose), len(found), redefines))
    return [*found.values()]


def _in_turn(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Findings that are an alarm, each cause followed by its consequences."""
    for finding in findings:
        if finding.severity > Severity.NOTE:
            yield finding
            yield from _in_turn(finding.consequences)


def _fitting(remedies: "Mapping[str, type[Remedy]]", finding: Finding) -> "list[type[Remedy]]":
    """The remedies for a finding: first those that are meant for it above all, and of these the mildest."""
    fit = [remedy for remedy in remedies.values() if finding.rule in remedy.cures]
    return sorted(fit, key=lambda remedy: (remedy.cures.index(finding.rule), _depth(remedy), remedy.name))


def _doses(remedy: "type[Remedy]", finding: Finding, report: Report) -> "list[Remedy]":
    try:
        return [*remedy.doses(finding, report.recording)]
    except Exception:  # a remedy that cannot tell its dose is no candidate
        return []


def _depth(remedy: "Remedy | type[Remedy]") -> int:
    return [*type(remedy.alters)].index(remedy.alters)


def _interleaved(queues: "Sequence[Sequence[Remedy]]") -> "Iterator[Remedy]":
    """The first dose of each remedy, then the second of each, and so on."""
    for row in zip_longest(*queues):
        yield from (one for one in row if one is not None)
