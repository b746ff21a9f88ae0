"""The fast lane: steps in which nothing is read and nothing is unusual.

Between two steps of a small network the processor's caches are full of torch; every function of
ours that runs there has to be fetched again and costs ten times what it costs in a loop. So the
seat notes plain numbers of an ordinary step in the lists that lie here, and only now and then
something looks around.
"""

from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import Any

from torch.optim import Optimizer

from gradmedic.probe.failures import Failures, fenced
from gradmedic.probe.people import Held, People
from gradmedic.probe.schedule import Schedule
from gradmedic.probe.seat import Seat
from gradmedic.probe.vitals import Vitals

PILE = 256
"""Passes that are handed over together."""

LONGEST = 0.25
"""Seconds after which they are handed over in any case: a killed run must not lose more than a second."""

STRIDE = 32
"""Short steps between two looks around; a power of two, so that no step at which the schedule insists is missed."""

SHORT = LONGEST / STRIDE
"""Seconds of a step from which each is looked at."""


class Quiet:
    """Keeps what the seat notes while it is `open`; whatever needs a closer look goes to the others.

    `on_wanted` is called when the step that begins is to be read whole.
    """

    def __init__(
        self,
        seat: Seat,
        vitals: Vitals,
        schedule: Schedule,
        people: People,
        failed: Failures,
        on_wanted: Callable[[], object],
    ) -> None:
        self.open = False
        self.failed = failed
        self.calls: dict[tuple[int, int], tuple[int, float]] = {}
        self.passes: list[tuple[int, int, float, float]] = []
        self.rates: list[tuple[int, Any]] = []
        self.only: Callable[[], Any] = _nobody
        self.step = self.mask = 0
        self._seat = seat
        self._vitals = vitals
        self._schedule = schedule
        self._people = people
        self._on_wanted = on_wanted
        self._held: Held | None = None
        self._streams: dict[tuple[int, int], int] = {}
        self._norms: list[tuple[int, Any]] = []
        self._flushed = perf_counter()
        self._last: tuple[int, float] = (0, self._flushed)

    def allow(self, calls: dict[tuple[int, int], int]) -> None:
        """Open for the passes of these call sites (code, instruction), which are streams."""
        self._streams = calls
        self._know_limits()
        self.step, self.mask = self._vitals.step, 0
        self._last = (self.step, perf_counter())
        at_work = [held for held in self._people.optimizers.values() if held.optimizer() is not None]
        self._held = at_work[0] if len(at_work) == 1 and at_work[0].steps == self.step else None
        self.only = self._held.optimizer if self._held is not None else _nobody
        self.open = bool(calls)
        if self.open:
            self._seat.doze(self)

    def _know_limits(self) -> None:
        limits = self._vitals.limits()
        self.calls = {call: (stream, limits.get(stream, inf)) for call, stream in self._streams.items()}

    @fenced("step")
    def stepped(self, optimizer: Optimizer) -> bool:
        """Count the step of one among several optimizers; False if it is not known."""
        held = self._people.optimizers.get(id(optimizer))
        if held is None or held.optimizer() is not optimizer:
            self.close()
            return False
        held.steps += 1
        self.rates.append((len(self.passes), optimizer.param_groups[0].get("lr")))
        if held.steps > self.step:
            self.step = held.steps
            if not self.step & self.mask:
                self.look_around(optimizer)
        return True

    def _catch_up(self) -> None:
        """Let the others know how many steps have been made."""
        self._vitals.step = self.step
        if self._held is not None:
            self._held.steps = self.step

    def look_around(self, optimizer: Optimizer) -> None:
        """Measure the gradient's norm if it is due, hand over what was taken, ask if the next step is wanted."""
        self._catch_up()
        now, step = perf_counter(), self.step
        since, then = self._last
        self.mask = STRIDE - 1 if now - then < SHORT * (step - since) else 0
        self._last = (step, now)
        if now >= self._vitals.norm_due:
            self._norms.append((len(self.passes), self._vitals.norm(optimizer)))
        if len(self.passes) >= PILE or now - self._flushed > LONGEST:
            self._hand_over(now)
        if not self._schedule.idle(step, now) and self._schedule.wants(step):
            self.close()
            self._on_wanted()

    @fenced("vitals")
    def close(self) -> None:
        """Leave the lane, and hand over what was taken."""
        if self.open:
            self._catch_up()
        self.open = False
        self._seat.wake()
        self._hand_over(perf_counter())

    def _hand_over(self, now: float) -> None:
        rows: list[list[Any]] = [[*taken, None, None] for taken in self.passes]
        begun = 0
        for count, lr in self.rates:
            for row in rows[begun:count]:
                row[4] = lr
            begun = count
        for count, norm in self._norms:
            if count:
                rows[count - 1][5] = norm
        self.passes, self.rates, self._norms, self._flushed = [], [], [], now
        if rows:
            self._vitals.absorb(rows)
            self._know_limits()


def _nobody() -> None:
    """No optimizer is the only one."""
