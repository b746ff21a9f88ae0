"""How much time a treatment has, and what a trial costs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from gradmedic.trials.trial import Outcome

PATIENCE = 4.0
"""A trial may take this many times as long as its control: several share the machine, and a remedy takes time."""
SLACK = 5.0
"""Seconds that any trial may take on top."""


@dataclass(frozen=True)
class Reserve:
    """What is to be left for later; a last look at the treated run is always to be had."""

    seconds: float = 0.0
    trials: int = 1


@dataclass
class Budget:
    """Seconds from now on, and trials, of which `jobs` run at a time."""

    seconds: float
    jobs: int = 1
    trials: int | None = None
    clock: Callable[[], float] = monotonic
    began: float = 0.0
    used: int = 0
    costs: list[float] = field(default_factory=list)
    startup: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return self.clock() - self.began

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return max(0.0, self.seconds - self.spent)

    def started(self) -> None:
        """Count a trial."""
        self.used += 1

    def paid(self, outcome: Outcome, whole: bool) -> None:
        """Learn what a trial costs from one that ran its whole length."""
        if whole and outcome.ended.well:
            self.costs.append(outcome.seconds)
            self.startup = outcome.startup

    @property
    def whole(self) -> float:
        """Seconds that a trial of full length takes, going by the latest ones."""
        latest = self.costs[-8:]
        return sum(latest) / len(latest) if latest else 0.0

    def cost(self, trials: float, share: float = 1.0) -> float:
        """Seconds that trials will take side by side, each over a share of the full length."""
        each = min(self.startup, self.whole) + share * max(0.0, self.whole - self.startup)
        return trials * each / self.jobs

    def affords(self, reserve: "Reserve", share: float = 1.0) -> bool:
        """True if one more trial leaves what is reserved for later."""
        enough = self.trials is None or self.used + 1 + reserve.trials <= self.trials
        return enough and self.left - self.cost(self.jobs, share) > reserve.seconds

    def longest(self, control: Outcome) -> float:
        """Seconds after which a trial is ended; never longer than there is time."""
        return min(PATIENCE * max(control.seconds, self.whole) + SLACK, self.left)
