"""Scales for curves and bars: round numbers at even distances, linear or in decades."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from gradmedic.render.numbers import number

WIDE = 1e3
"""Ratio of the largest to the smallest value from which a scale counts decades."""

ZERO = -46.0
"""Where a decade scale shows zero: below the smallest float32, which is 1.4e-45."""

LEAST = 1e-290
"""Distance under which two values are one: a tenth of it still has to be a float."""


@dataclass(frozen=True)
class ChartAxis:
    """A scale from `low` to `high` (decades where `log`) in `steps` even parts."""

    low: float
    high: float
    steps: int
    log: bool = False

    def at(self, value: float) -> float | None:
        """Where a value stands between 0 (low) and 1 (high); None for what is not finite."""
        if not isfinite(value) or (self.log and value < 0):
            return None
        scaled = (log10(value) if value > 0 else ZERO) if self.log else value
        return min(max((scaled - self.low) / (self.high - self.low), 0.0), 1.0)

    @property
    def labels(self) -> list[str]:
        """The numbers at the ends of the parts, the highest first."""
        ticks = [self.low + (self.high - self.low) * i / self.steps for i in range(self.steps, -1, -1)]
        return [f"1e{tick:.0f}" if self.log else number(round(tick, 12)) for tick in ticks]


def axis(values: Sequence[float], *, log: bool | None = None) -> ChartAxis:
    """A scale on which all finite values find room; in decades where they spread widely or `log` asks for it."""
    finite = [value for value in values if isfinite(value)]
    positive = [value for value in finite if value > 0]
    wide = bool(positive) and min(finite) >= 0 and max(positive) > WIDE * min(positive)
    if positive and (log or (log is None and wide)):
        return _decades([log10(value) for value in positive])
    return _linear(finite or [0.0])


def _decades(exponents: Sequence[float]) -> ChartAxis:
    low, high = floor(min(exponents)), ceil(max(exponents))
    high = max(high, low + 1)
    step = ceil((high - low) / 5)
    steps = ceil((high - low) / step)
    return ChartAxis(low=high - steps * step, high=high, steps=steps, log=True)


def _linear(values: Sequence[float]) -> ChartAxis:
    low, high = min(values), max(values)
    if high - low < LEAST:  # a constant lies in the middle
        half = max(abs(low or 1.0), LEAST) / 2
        low, high = low - half, high + half
    span = high - low
    size = 10 ** floor(log10(span / 4))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if span / (size * factor) <= 4.5)
    low, high = floor(low / step) * step, ceil(high / step) * step
    return ChartAxis(low, high, round((high - low) / step))
