"""What a treatment changed: treated runs against their paired controls, seed by seed.

Both runs of a pair draw the same numbers and take the same steps, so that what they share (an easy
batch, a lucky draw of weights) cancels in their difference. With a handful of pairs the interval is
that of a paired t-test: wide where there are two, and honest about it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, isinf, sqrt
from statistics import fmean, stdev

from gradmedic.treatment.prescription import Prescription
from gradmedic.trials.scoring import Scale, score, start
from gradmedic.trials.trial import Outcome

STUDENT = (inf, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""The 97.5 % quantile of Student's t, by degrees of freedom."""
MOST = 3.0
"""The largest effect that a pair can show: from a run that broke to one that did not, it has no size."""
MARGIN = 0.1
"""Share of the best arm's gain that another arm may lack and still count as good as that."""
DOUBT = 0.25
"""The same where the difference may be chance."""


@dataclass(frozen=True)
class Effect:
    """How much better the treated runs ended, on the scale of their scores, with a 95 % interval.

    `rescued` counts pairs in which the control broke and the treated run did not.
    """

    mean: float
    low: float
    high: float
    pairs: tuple[float, ...] = ()
    rescued: int = 0

    @property
    def proved(self) -> bool:
        """True where chance alone would hardly ever make so much of a difference."""
        return len(self.pairs) > 1 and (self.low > 0 or (self.rescued == len(self.pairs)))

    @property
    def likely(self) -> bool:
        """True where every pair came out better, by something worth having."""
        return bool(self.pairs) and min(self.pairs) > 0 and self.mean > 0.05


@dataclass(frozen=True)
class Arm:
    """A prescription, and the runs that were made under it, by seed shift."""

    prescription: Prescription
    runs: Mapping[int, Outcome] = field(default_factory=dict)

    def scores(self, scale: Scale, steps: int | None = None) -> dict[int, float]:
        """The scores of the runs, by seed shift."""
        return {seed: score(run, scale, steps) for seed, run in self.runs.items()}

    def level(self, scale: Scale, steps: int | None = None) -> float:
        """The mean score: `inf` as soon as one run broke, for a cure has to hold."""
        return fmean(scores) if (scores := self.scores(scale, steps).values()) else inf


def effect(arm: Arm, control: Arm, scale: Scale, seeds: Iterable[int] | None = None) -> Effect:
    """What the arm's prescription changed, over the seeds that both have been run with."""
    treated, untreated = arm.scores(scale), control.scores(scale)
    shared = [seed for seed in (treated if seeds is None else seeds) if seed in treated and seed in untreated]
    most = inf if scale.goal is not None else MOST  # a metric has a unit of its own
    differences = [_difference(untreated[seed], treated[seed], most) for seed in shared]
    rescued = sum(isinf(untreated[seed]) and isfinite(treated[seed]) for seed in shared)
    return Effect(*interval(differences), tuple(differences), rescued)


def _difference(untreated: float, treated: float, most: float) -> float:
    if untreated == treated:  # both broke, or nothing has changed
        return 0.0
    if isinf(untreated) or isinf(treated):
        return MOST if isinf(untreated) else -MOST
    return max(-most, min(most, untreated - treated))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and the ends of its 95 % interval by Student's t; infinitely wide for a single value."""
    if not values:
        return 0.0, -inf, inf
    if len(values) == 1:
        return values[0], -inf, inf
    mean = fmean(values)
    half = STUDENT[min(len(values), len(STUDENT)) - 1] * stdev(values) / sqrt(len(values))
    return mean, mean - half, mean + half


def gain(arm: Arm, control: Arm, scale: Scale) -> float:
    """How far the arm came below both its control and a network that has learned nothing.

    A control that broke has no score, and one that diverged has one that makes any other look good.
    """
    ignorant, scores, untreated = start(scale), arm.scores(scale), control.scores(scale)
    shared = [seed for seed in scores if seed in untreated]
    gains = [_fallen(min(untreated[seed], ignorant), scores[seed]) for seed in shared]
    return fmean(gains) if gains and all(map(isfinite, gains)) else min(gains, default=-inf)


def _fallen(above: float, below: float) -> float:
    return -inf if below == inf else above - below


def as_good(arm: Arm, best: Arm, control: Arm, scale: Scale) -> bool:
    """True if nothing is lost with the arm in place of the best one, or too little to be sure of."""
    whole = gain(best, control, scale)
    mine, theirs = arm.scores(scale), best.scores(scale)
    lost = [mine[seed] - theirs[seed] for seed in mine if seed in theirs]
    if not lost or not all(isfinite(one) for one in lost):
        return False
    mean, low, _ = interval(lost)
    if not isfinite(whole):  # a control that broke, on a scale without a beginning
        return mean <= 0 or low <= 0
    return mean <= MARGIN * max(whole, 0.0) or (low <= 0 and mean <= DOUBT * max(whole, 0.0))
