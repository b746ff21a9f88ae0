"""Rules: each knows one disease, and finds it in a recording.

A rule is a frozen dataclass in a file of its own. Its fields are its thresholds, which a user
may set under `[tool.gradmedic.rules.<name>]`; its docstring is its page in the manual; its
`SICK` and `HEALTHY` cases are its tests. Nothing else has to be touched to add one.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

from gradmedic.base.plugins import discover
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.recording.records import Recording


class Rule(ABC):
    """Finds one disease in a recording."""

    name: ClassVar[str]
    severity: ClassVar[Severity] = Severity.WARNING
    SICK: ClassVar[Sequence[Recording]]
    HEALTHY: ClassVar[Sequence[Recording]]

    @abstractmethod
    def check(self, recording: Recording) -> Iterator[Finding]:
        """Yield a finding for each cause of this disease that shows."""


def all_rules() -> dict[str, type[Rule]]:
    """Every rule, ours and those of installed plug-ins, by name."""
    return discover(Rule, __name__, "gradmedic.rules")
