"""Whether a network learns, judged from its loss alone.

No accuracy is needed, so that regression, GANs and reinforcement learning are judged too. What
counts is how far the loss fell in units of where it began, and whether the fall is more than the
noise between neighbors: medians of windows are compared, so that one spike decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from statistics import median

FEWEST = 8
"""Losses below which nothing can be said: a window at each end needs a few."""

FELL = 0.1
"""Share of its first value that a loss has to lose to count as learning: forgetting the random
start of a classifier (predicting the class frequencies) alone gives less than this."""


@dataclass(frozen=True)
class LossProgress:
    """Whether one stream's loss says that the network learns.

    `state` is "learning", "stuck", "worse" or "unclear"; `first` and `last` are typical losses of
    the beginning and the end, `best` the lowest typical loss between, `noise` the spread of
    neighbors. `flat` says that the last half brought nothing more than noise.
    """

    state: str
    first: float | None = None
    last: float | None = None
    best: float | None = None
    noise: float = 0.0
    steps: int = 0
    flat: bool = False

    @property
    def fell(self) -> float:
        """The share of its first value that the loss has lost; negative where it rose."""
        if self.first is None or self.last is None or self.first == 0:
            return 0.0
        return (self.first - self.last) / abs(self.first)

    @property
    def learns(self) -> bool:
        """True where the loss fell by more than noise and by a share that matters."""
        return self.state == "learning"


def progress(losses: Sequence[tuple[int, float]]) -> LossProgress:
    """Judge the (step, loss) pairs of one stream."""
    values = [loss for _, loss in losses]
    steps = losses[-1][0] + 1 if losses else 0
    finite = [value for value in values if isfinite(value)]
    if len(finite) < FEWEST:
        first = finite[0] if finite else None
        return LossProgress("worse" if len(finite) < len(values) else "unclear", first, steps=steps)
    window = max(3, len(finite) // 10)
    typical = [median(finite[i : i + window]) for i in range(0, len(finite) - window + 1, max(1, window // 2))]
    start = median(finite[: max(2, min(window, 5))])
    noise = _noise(finite)
    broke = len(finite) < len(values) and not isfinite(values[-1])
    state = "worse" if broke else _state(start, typical[-1], noise)
    half = typical[len(typical) // 2]
    flat = abs(half - typical[-1]) <= max(noise, 0.02 * abs(half))
    return LossProgress(state, start, typical[-1], min(typical), noise, steps, flat)


def _state(first: float, last: float, noise: float) -> str:
    fall = first - last
    if fall < -max(2 * noise, FELL * abs(first)):
        return "worse"
    # A loss that may be negative has no scale of its own: there the noise is the only yardstick.
    scale = abs(first) if first > 0 and last >= 0 else noise
    return "learning" if fall > max(noise, FELL * scale) else "stuck"


def _noise(values: Sequence[float]) -> float:
    """A robust standard deviation of one loss around its neighbors."""
    jumps = [abs(b - a) for a, b in pairwise(values)]
    return 1.4826 * median(jumps) / 2**0.5
