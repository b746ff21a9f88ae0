"""How well a run ended: one number, the lower the better, that runs of one script can be compared by.

What is compared is the loss that the script itself gives to backward, over the tail of the run, by
its median: one spike decides nothing. Which scale is fair depends on the loss, and is settled once
for all runs that are to be compared (`scale_of`).

* A loss that is positive in every run is compared by its logarithm, in decades.
* A loss that goes below zero (a likelihood, a policy's surrogate) is compared by a logarithm that has a
  sign: in decades where it is large, and near zero in units of how far it moves in the calmest runs.
* Where two networks play against each other (GAN) a lower loss of one is a worse one of the other;
  what can be compared is whether losses and gradients stay within bounds: decades that they grew.
* A metric that the user names, or a number that the script prints, stands above all of these.

A run that crashed, or whose loss is not finite at its end, is worst: `inf`. So is one whose loss runs
to minus infinity: what falls without end is not being minimized, it is broken.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import asinh, inf, isfinite, isnan, log, log10
from statistics import fmean, median

from gradmedic.trials.trial import LossSeries, Outcome

TAIL = 0.15
"""Share of the run, at its end, that is scored."""
FEWEST = 5
"""Passes that are scored at the least, where there are as many."""
FLOOR = 1e-6
"""A loss below this share of that of the untrained network, or of the control's end, is done: less is no better."""
LEAST = 1e-12
"""A loss below this is done in any case."""
RUNAWAY = 10.0
"""A loss below zero by this many times the largest size that it had in any control is a runaway."""
CALM = 0.25
"""The share of the runs whose spread is less than the unit of a loss that has a sign."""
EARLY = 3
"""Passes that tell what losses and gradients of a contest were like when training began."""
ROOM = 1.0
"""Decades that losses and gradients of a contest may grow without being called unstable."""


@dataclass(frozen=True)
class Scale:
    """How the runs of one script are compared: a unit for each stream, and what the metric is for.

    `kinds` says for each stream "log", "signed" or "contest"; `units` holds the floor of a "log" stream
    and the unit of a "signed" one, `starts` what is lost before anything is learned, `limits` how far
    below zero a loss may go. `goal` is "min" or "max" where a metric is given; `measure` is the name
    under which the script prints it, "" where an expression finds it.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    units: dict[str, float] = field(default_factory=dict)
    starts: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    goal: str | None = None
    measure: str = ""

    @property
    def unit(self) -> str:
        """What one unit of a score is, in words."""
        if self.goal is not None:
            return "metric"
        kinds = set(self.kinds.values())
        if kinds == {"contest"}:
            return "decades of growth"
        return "decades of loss" if kinds == {"log"} else "signed decades of loss"


def scale_of(
    controls: Sequence[Outcome], runs: Iterable[Outcome] = (), goal: str | None = None, measure: str = ""
) -> Scale:
    """The scale that is fair to all of these runs of one script."""
    everybody = [*controls, *runs]
    scale = Scale(goal=goal, measure=measure)
    for name in dict.fromkeys(chain.from_iterable(run.series for run in controls)):
        seen = [run.series[name] for run in everybody if name in run.series]
        own = [run.series[name] for run in controls if name in run.series]
        scale.kinds[name], scale.units[name] = _kind(seen, own)
        # A network that starts out badly loses more than one that knows nothing: the best start is that one.
        scale.limits[name] = RUNAWAY * _largest(own)
        scale.starts[name] = min((loss for loss in map(_first, seen) if loss > 0), default=inf)
    return scale


def _first(series: LossSeries) -> float:
    return series.losses[0] if series.losses and isfinite(series.losses[0]) else inf


def _kind(seen: Sequence[LossSeries], own: Sequence[LossSeries]) -> tuple[str, float]:
    if any(one.contends for one in own):
        return "contest", 1.0
    if all(loss >= 0 for one in seen for loss in one.losses if isfinite(loss)):
        return "log", max(LEAST, min((FLOOR * loss for loss in _sizes(seen, own)), default=0.0))
    spreads = sorted(spread for one in seen if (spread := _spread(one)) > 0)
    return "signed", spreads[int(CALM * len(spreads))] if spreads else 1.0


def _sizes(seen: Sequence[LossSeries], own: Sequence[LossSeries]) -> Iterator[float]:
    """What a loss of this script is like: that of each untrained network, and where the controls end."""
    ends = [median(tail(one)) for one in own if one.losses]
    yield from (x for x in (*ends, *(one.losses[0] for one in seen if one.losses)) if isfinite(x) and x > 0)


def _spread(series: LossSeries) -> float:
    """How far a loss moves: the range of its finite values, without a tenth of them at either end."""
    ordered = sorted(loss for loss in series.losses if isfinite(loss))
    if not ordered:
        return 0.0
    return ordered[int(0.9 * (len(ordered) - 1))] - ordered[int(0.1 * (len(ordered) - 1))]


def _largest(own: Sequence[LossSeries]) -> float:
    return max((abs(loss) for one in own for loss in one.losses if isfinite(loss)), default=inf)


def start(scale: Scale) -> float:
    """The score of a network that has learned nothing; `inf` where that has no meaning."""
    if scale.goal is not None or set(scale.kinds.values()) != {"log"}:
        return inf
    return fmean(log10(max(scale.starts[name], scale.units[name])) for name in scale.kinds)


def score(run: Outcome, scale: Scale, steps: int | None = None) -> float:
    """How badly a run ended, or how badly it stood after some steps."""
    if not run.ended.well:
        return inf
    if scale.goal is not None:
        metric = run.printed.get(scale.measure, (None, None))[1] if scale.measure else run.metric
        return inf if metric is None or isnan(metric) else metric * (1 if scale.goal == "min" else -1)
    levels = [_level(run.series[name], scale, name, steps) for name in scale.kinds if name in run.series]
    missing = len(scale.kinds) - len(levels)  # it ended well, but never came to that part of the script
    return inf if missing or not levels else fmean(levels)


def _level(series: LossSeries, scale: Scale, name: str, steps: int | None) -> float:
    kind, unit = scale.kinds[name], scale.units[name]
    if kind == "contest":
        return _growth(series)
    losses = tail(series, steps)
    if not losses or not all(isfinite(loss) for loss in losses[-FEWEST:]):
        return inf
    typical = median(losses)
    if kind == "log":
        return log10(max(typical, unit)) if isfinite(typical) else inf
    return asinh(typical / unit) / log(10) if typical > -scale.limits.get(name, inf) else inf


def tail(series: LossSeries, steps: int | None = None) -> Sequence[float]:
    """The losses of the last part of a run, or of its first `steps` steps."""
    losses = [loss for step, loss in zip(series.steps, series.losses, strict=True) if steps is None or step < steps]
    return losses[-max(FEWEST, round(TAIL * len(losses))) :]


def _growth(series: LossSeries) -> float:
    """Decades by which losses and gradients outgrew what they were in the first passes, as the diagnosis does."""
    sizes = ([abs(loss) for loss in series.losses], [norm for _, norm in series.norms])
    return sum(max(0.0, _climb(size) - ROOM) for size in sizes)


def _climb(sizes: Sequence[float]) -> float:
    if any(not isfinite(size) for size in sizes):
        return inf
    early = [size for size in sizes if size > 0][:EARLY]
    late = [size for size in sizes[-max(FEWEST, round(TAIL * len(sizes))) :] if size > 0]
    return log10(median(late) / median(early)) if early and late else 0.0
