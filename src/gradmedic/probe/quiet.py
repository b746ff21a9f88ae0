"""The fast lane: steps in which nothing is read and nothing is unusual.

Between two steps of a small network the processor's caches are full of torch; every function of
ours that runs there has to be fetched again and costs ten times what it costs in a loop. So an
ordinary step runs two short functions, keeps plain numbers, and hands them over many at a time.
"""

from math import inf
from time import perf_counter
from types import FrameType
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from gradmedic.probe.failures import Failures, fenced
from gradmedic.probe.people import People
from gradmedic.probe.schedule import Schedule
from gradmedic.probe.seat import Seat
from gradmedic.probe.vitals import Vitals

PILE = 64
"""Passes that are handed over together."""

LONGEST = 0.25
"""Seconds after which they are handed over in any case: a killed run must not lose more than a second."""


class Quiet:
    """Takes losses while it is `open`; whatever needs a closer look it leaves to the others."""

    def __init__(self, vitals: Vitals, schedule: Schedule, people: People, failed: Failures, seat: Seat) -> None:
        self.open = False
        self._seat = seat
        self.failed = failed
        self._vitals = vitals
        self._schedule = schedule
        self._people = people
        self._calls: dict[tuple[int, int], int] = {}
        self._limits: dict[int, float] = {}
        self._pile: list[list[Any]] = []
        self._stepped = 0
        self._now = self._flushed = perf_counter()

    def allow(self, calls: dict[tuple[int, int], int]) -> None:
        """Open for the passes of these call sites (code, instruction), which are streams."""
        self._calls = calls
        self._limits = self._vitals.limits()
        self.open = bool(calls)
        if self.open:
            self._seat.doze()

    def passes(self, tensors: Any, frame: FrameType) -> bool:
        """Take the loss of a pass; False if it is not an ordinary one."""
        stream = self._calls.get((id(frame.f_code), frame.f_lasti))
        if stream is None or type(tensors) is not Tensor or not tensors.is_cpu or tensors.dim():
            return False
        loss = tensors.item()
        limit = self._limits.get(stream, inf)
        if not -limit < loss < limit:  # NaN is on neither side
            return False
        self._now = perf_counter()
        self._pile.append([self._vitals.step, stream, self._now, loss, None, None])
        return True

    def steps(self, optimizer: Optimizer) -> bool | None:
        """Count the step of an optimizer; True if the next one is to be read whole, None if it is not ours."""
        held = self._people.optimizers.get(id(optimizer))
        if held is None or held.optimizer() is not optimizer:
            self.close()
            return None
        held.steps += 1
        lr = optimizer.param_groups[0].get("lr")
        for row in self._pile[self._stepped :]:
            row[4] = lr
        self._stepped = len(self._pile)
        if self._stepped >= PILE or self._now >= self._vitals.norm_due or self._now - self._flushed > LONGEST:
            self._complete(optimizer)
        if held.steps <= self._vitals.step:
            return False
        self._vitals.step = held.steps
        if self._schedule.idle(held.steps, self._now) or not self._schedule.wants(held.steps):
            return False
        self.close()
        return True

    def _complete(self, optimizer: Optimizer) -> None:
        """Now and then measure the gradient's norm, and hand over what was taken."""
        if self._pile and self._now >= self._vitals.norm_due:
            self._pile[-1][5] = self._vitals.norm(optimizer)
        if self._stepped >= PILE or self._now - self._flushed > LONGEST:
            self._hand_over()

    @fenced("vitals")
    def close(self) -> None:
        """Leave the lane, and hand over what was taken."""
        self.open = False
        self._seat.wake()
        self._hand_over()

    def _hand_over(self) -> None:
        pile, self._pile, self._stepped = self._pile, [], 0
        self._flushed = self._now
        if pile:
            self._vitals.absorb(pile)
            self._limits = self._vitals.limits()
