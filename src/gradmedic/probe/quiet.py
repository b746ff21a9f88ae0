"""The fast lane: steps in which nothing is read and nothing is unusual.

Between two steps of a small network the processor's caches are full of torch; every function of
ours that runs there has to be fetched again and costs ten times what it costs in a loop. So an
ordinary step runs two short functions, which note plain numbers, and looks around only now and then.
"""

from collections.abc import Callable
from math import inf
from sys import _getframe
from time import perf_counter
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from gradmedic.probe.failures import Failures, fenced
from gradmedic.probe.people import People
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

TENSOR_BACKWARD = Tensor.backward.__code__


class Quiet:
    """Takes losses while it is `open`; whatever needs a closer look it leaves to the others.

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
        self._seat = seat
        self._vitals = vitals
        self._schedule = schedule
        self._people = people
        self._on_wanted = on_wanted
        self._streams: dict[tuple[int, int], int] = {}
        self._calls: dict[tuple[int, int], tuple[int, float]] = {}
        self._passes: list[tuple[int, int, float, float]] = []
        self._steps: list[tuple[int, Any]] = []
        self._norms: list[tuple[int, Any]] = []
        self._flushed = perf_counter()
        self._last: tuple[int, float] = (0, self._flushed)
        self._mask = 0

    def allow(self, calls: dict[tuple[int, int], int]) -> None:
        """Open for the passes of these call sites (code, instruction), which are streams."""
        self._streams = calls
        self._know_limits()
        self._mask, self._last = 0, (self._vitals.step, perf_counter())
        self.open = bool(calls)
        if self.open:
            self._seat.doze(self)

    def _know_limits(self) -> None:
        limits = self._vitals.limits()
        self._calls = {call: (stream, limits.get(stream, inf)) for call, stream in self._streams.items()}

    def passes(self, loss: Any) -> bool:
        """Take the loss of a pass; False if it is not an ordinary one."""
        try:
            frame: Any = _getframe(2)
            if frame.f_code is TENSOR_BACKWARD:
                frame = frame.f_back
            known = self._calls.get((id(frame.f_code), frame.f_lasti))
            if known is None or type(loss) is not Tensor or not loss.is_cpu:
                return False
            stream, limit = known
            value = loss.item()  # a loss that is no scalar raises
            if -limit < value < limit:  # NaN is on neither side
                self._passes.append((self._vitals.step, stream, perf_counter(), value))
                return True
        except Exception as error:
            self.failed("backward", error)
        return False

    def steps(self, optimizer: Optimizer) -> bool:
        """Count the step of an optimizer; False if it is not one that is known."""
        try:
            held = self._people.optimizers.get(id(optimizer))
            if held is None or held.optimizer() is not optimizer:
                self.close()
                return False
            held.steps = step = held.steps + 1
            self._steps.append((len(self._passes), optimizer.param_groups[0].get("lr")))
            if step > self._vitals.step:
                self._vitals.step = step
                if not step & self._mask:
                    self._look_around(step, optimizer)
        except Exception as error:
            self.failed("step", error)
        return True

    def _look_around(self, step: int, optimizer: Optimizer) -> None:
        """Measure the gradient's norm if it is due, hand over what was taken, ask if the next step is wanted."""
        now = perf_counter()
        since, then = self._last
        self._mask = STRIDE - 1 if now - then < SHORT * (step - since) else 0
        self._last = (step, now)
        if now >= self._vitals.norm_due:
            self._norms.append((len(self._passes), self._vitals.norm(optimizer)))
        if len(self._passes) >= PILE or now - self._flushed > LONGEST:
            self._hand_over(now)
        if not self._schedule.idle(step, now) and self._schedule.wants(step):
            self.close()
            self._on_wanted()

    @fenced("vitals")
    def close(self) -> None:
        """Leave the lane, and hand over what was taken."""
        self.open = False
        self._seat.wake()
        self._hand_over(perf_counter())

    def _hand_over(self, now: float) -> None:
        rows: list[list[Any]] = [[*taken, None, None] for taken in self._passes]
        begun = 0
        for count, lr in self._steps:
            for row in rows[begun:count]:
                row[4] = lr
            begun = count
        for count, norm in self._norms:
            if count:
                rows[count - 1][5] = norm
        self._passes, self._steps, self._norms, self._flushed = [], [], [], now
        if rows:
            self._vitals.absorb(rows)
            self._know_limits()
