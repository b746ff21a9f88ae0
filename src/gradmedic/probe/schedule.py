"""When to read a step whole: early, then as often as the budget allows."""

from collections.abc import Callable
from time import perf_counter

EARLY = 3
"""Captures that the budget is not asked about: what is wrong from the start shows in the first steps."""

AT_ONCE = 2.0
"""Seconds that captures may take in all before an early one, or one that strange vitals ask for, has to wait."""

EARNED = 4.0
"""Seconds of training since the last capture that earn one of these a second of its own, once they wait."""

MOST_STREAMS = 8
"""Places that call backward whose early steps are read; more are a script that was unrolled."""

GRACE = 0.1
"""Seconds that the captures at steps 4, 8, 16, ... may overdraw: a run of a second would else be
over before the budget has paid for a look at how it went on."""

STEP = 1.0e-5
"""Seconds that a step costs which is not read whole, as measured on a slow core; a fast one takes less."""

LEAST = 0.25
"""Share of the budget that is left to captures where steps are so short that not reading them takes the rest."""

SPREAD = 0.04
"""Least gap between captures as a share of the steps so far, so that they spread over the run."""

EXTRA = 12
"""Captures that strange vitals may ask for in one run, each gap twice the last."""


class Schedule:
    """Decides at the start of each step whether it is read whole."""

    def __init__(self, budget: float, every: int | None = None, clock: Callable[[], float] = perf_counter) -> None:
        self._budget = budget
        self._every = every
        self._clock = clock
        self._began = clock()
        self._last = -1
        self._extra = EXTRA
        self._asked = False
        self._next_extra = 0
        self._met: set[int] = set()
        self._fresh = EARLY
        self._step = 0
        self._early = 0.0
        self._poor_until = 0.0
        self._read = 0.0
        self._cost = 0.0
        self._allowed_then = 0.0
        self._read_then = 0.0
        self._time_then = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._began

    @property
    def spent(self) -> float:
        """Seconds that were taken: what was booked, and as much as steps cost that are not read."""
        return self._read + self._step * STEP

    def wants(self, step: int) -> bool:
        """True if the step that begins now is to be read whole."""
        if not self.ready(step):
            return False
        if self._every is None and self._fresh:
            self._fresh -= 1
        elif self._every is None and self._answers(step):
            self._extra -= 1
            self._next_extra = step + 2 ** (EXTRA - self._extra)
        self._last = step
        self._asked = False
        self._allowed_then, self._read_then, self._time_then = self._allowed(), self._read, self.elapsed
        return True

    def idle(self, step: int, now: float) -> bool:
        """True if nothing can be wanted yet, by the schedule's clock: the cheap question of an ordinary step."""
        soon = step - self._last < max(1.0, SPREAD * step)
        return step & (step - 1) != 0 and (soon or now < self._poor_until) and not self._asked and not self._fresh

    def _allowed(self) -> float:
        """Seconds that the budget leaves for reading: steps that are not read take their share of it too."""
        whole = self._budget * self.elapsed
        return max(whole - self._step * STEP, LEAST * whole)

    def ready(self, step: int) -> bool:
        """What `wants` would say, with no consequences."""
        self._step = max(self._step, step)
        if self._every is not None:
            return step % self._every == 0
        if (self._fresh or self._answers(step)) and self._is_light():
            return True
        allowed = self._allowed()
        due = self._read - self._early + self._cost - allowed
        self._poor_until = self._clock() + due / self._budget if self._budget > 0 else float("inf")
        if step & (step - 1) == 0:
            earned = allowed - self._allowed_then  # since the last capture, whatever was owed before
            return due <= GRACE or self._cost <= earned
        return due <= 0 and step - self._last >= max(1.0, SPREAD * step)

    def _is_light(self) -> bool:
        """True if one more capture is soon over, or has been earned since the last: large graphs take seconds."""
        last = self._read - self._read_then
        trained = self.elapsed - self._time_then - last
        return self._read + last <= AT_ONCE or EARNED * last <= trained

    def _answers(self, step: int) -> bool:
        """True if something strange asks for this step, and has not asked too often."""
        return self._asked and self._extra > 0 and step >= self._next_extra

    def meet(self, stream: int) -> None:
        """A place that calls backward for the first time: its early steps are read as well."""
        if stream not in self._met and len(self._met) < MOST_STREAMS:
            self._met.add(stream)
            self._fresh = EARLY

    def ask(self) -> None:
        """Vitals have turned strange: read a step soon."""
        self._asked = True

    def paid(self, seconds: float, captured: bool = False) -> None:
        """Book the time that was taken; a capture's own cost is what the next one is expected to take."""
        self._read += seconds
        if self._step < EARLY:
            self._early += seconds  # the price of looking at all; what follows is to stay in the budget
        if captured:
            self._cost = seconds if not self._cost else 0.5 * (self._cost + seconds)
