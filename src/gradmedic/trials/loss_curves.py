"""Loss curves of one arm over its seeds: a typical one, and how far apart they lie."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, log10, nan
from statistics import fmean, median

from gradmedic.trials.paired_effect import interval
from gradmedic.trials.trial import LossSeries, Outcome

POINTS = 100
"""Points of a curve: each stands for the steps around it."""


@dataclass(frozen=True)
class LossCurve:
    """The loss of one stream over the steps: the mean over seeds with its 95 % interval, and the extremes.

    A loss that is positive throughout is averaged as a logarithm. Where a run's loss is not finite
    the mean is NaN. With one seed the interval is infinitely wide.
    """

    steps: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]


def curves(runs: Iterable[Outcome], points: int = POINTS) -> dict[str, LossCurve]:
    """The curve of each stream, over runs that took the same steps; a run that broke off counts as long as it went."""
    held: dict[str, list[LossSeries]] = {}
    for run in runs:
        for name, series in run.series.items():
            held.setdefault(name, []).append(series)
    return {name: _curve(found, points) for name, found in held.items() if any(one.losses for one in found)}


def _curve(runs: Sequence[LossSeries], points: int) -> LossCurve:
    last = max(step for one in runs for step in one.steps)
    width = max(1.0, (last + 1) / points)
    binned = [_binned(one, width) for one in runs]
    positive = all(loss > 0 for one in runs for loss in one.losses if isfinite(loss))
    rows = [_row([one[at] for one in binned if at in one], positive) for at in _bins(binned)]
    steps = tuple((at + 0.5) * width - 0.5 for at in _bins(binned))
    return LossCurve(steps, *zip(*rows, strict=True))


def _bins(binned: Sequence[Mapping[int, float]]) -> list[int]:
    return sorted({at for one in binned for at in one})


def _binned(series: LossSeries, width: float) -> dict[int, float]:
    """The median loss of each stretch of steps; one loss that is not finite spoils its stretch."""
    held: dict[int, list[float]] = {}
    for step, loss in zip(series.steps, series.losses, strict=True):
        held.setdefault(int(step / width), []).append(loss)
    return {at: median(losses) if all(map(isfinite, losses)) else nan for at, losses in held.items()}


def _row(values: Sequence[float], positive: bool) -> tuple[float, float, float, float, float]:
    if not all(map(isfinite, values)):
        return (nan,) * 5
    mean, low, high = interval([log10(value) for value in values] if positive else values)
    ends = (_power(one) if positive else one for one in (mean, low, high))
    return (*ends, min(values), max(values))  # type: ignore[return-value]


def _power(exponent: float) -> float:
    try:
        return float(10.0**exponent)
    except OverflowError:
        return inf


def thinned(values: Sequence[float], count: int) -> Iterator[float]:
    """Means of that many stretches of a curve; of those that are not finite, NaN."""
    count = min(count, len(values))
    for at in range(count):
        part = values[at * len(values) // count : (at + 1) * len(values) // count]
        yield fmean(part) if all(map(isfinite, part)) else nan
