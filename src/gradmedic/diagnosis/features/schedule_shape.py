"""The course of a learning rate: whether it rises to the end, or was 0, and for how long."""

from dataclasses import dataclass
from itertools import pairwise

from gradmedic.recording.records import Recording


@dataclass(frozen=True)
class RateSchedule:
    """The rates that were read of one stream, by step; `asked` is the rate that the optimizer was made with."""

    rates: tuple[tuple[int, float], ...]
    steps: int
    asked: float | None = None
    moved: bool = False
    """Whether a weight moved while the rate was 0: it was that of a frozen group."""

    @property
    def top(self) -> float:
        """The highest rate."""
        return max((rate for _, rate in self.rates), default=0.0)

    @property
    def last(self) -> float:
        """The rate of the end."""
        return self.rates[-1][1] if self.rates else 0.0

    @property
    def rises(self) -> bool:
        """True where it has risen, and never fallen."""
        falls = any(later < earlier * (1 - 1e-6) for (_, earlier), (_, later) in pairwise(self.rates))
        return not falls and bool(self.rates) and self.rates[0][1] < self.last / 2

    @property
    def idle(self) -> int:
        """Steps at the beginning whose rate was 0: nothing can change in them."""
        first = next((at for at, (_, rate) in enumerate(self.rates) if rate > 0), len(self.rates))
        if first == len(self.rates):
            return self.steps if self.rates and not self.moved else 0
        return self.rates[first - 1][0] + 1 if first and not self.moved else 0


def schedule(recording: Recording, stream: int) -> RateSchedule:
    """The schedule of a stream."""
    vitals = [vital for vital in recording.vitals if vital.stream == stream]
    rates = tuple((v.step, v.lr) for v in vitals if v.lr is not None)
    asked = [held.options["lr"] for held in recording.optimizers.values() if held.options.get("lr")]
    still = {step for step, rate in rates if rate == 0}
    rows = [row for c in recording.captures_of(stream) if c.step in still for row in c.parameters.values()]
    moved = any(row.get("update_rms", 0.0) > 0 for row in rows)
    return RateSchedule(rates, vitals[-1].step + 1 if vitals else 0, min(asked, default=None), moved)
