"""What is wrong: the evidence that a rule found in a recording."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum

from gradmedic.base.messages import Message
from gradmedic.recording.site import Place


class Severity(IntEnum):
    """How soon someone should act."""

    NOTE = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """The lower-case word that users read and type."""
        return self.name.lower()


@dataclass(frozen=True)
class Cure:
    """One thing to do next: what to do, and the lines to paste where there are any."""

    act: Message
    code: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, where, since when, and the numbers that show it.

    `places` begins with the place to look at first. `rank` orders causes: what is wrong with the
    program (0) comes before what was wrong when training began (1) and what training did (2).
    """

    rule: str
    severity: Severity
    message: Message
    why: Message
    places: tuple[Place, ...] = ()
    since_step: int = 0
    evidence: Mapping[str, float | str] = field(default_factory=dict)
    next: tuple[Cure, ...] = ()
    rank: int = 2
    explains: tuple[str, ...] = ()
    """Rules whose findings, if there are any, are consequences of this one."""
    consequences: tuple["Finding", ...] = ()

    def with_consequences(self, *others: "Finding") -> "Finding":
        """The same finding, with more consequences under it."""
        return replace(self, consequences=(*self.consequences, *others))

    def at_most(self, severity: Severity) -> "Finding":
        """The same finding, no more severe than `severity`."""
        return replace(self, severity=min(self.severity, severity))
