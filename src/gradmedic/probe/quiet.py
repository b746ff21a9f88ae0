"""The fast lane: steps in which nothing is read and nothing is unusual.

The `shortcut` notes plain numbers of ordinary passes in a list that lies here, and only now and
then something looks around. Whatever is due or strange leaves the lane for a step.
"""

from collections.abc import Callable
from math import inf
from operator import length_hint
from time import perf_counter
from typing import Any

from torch.optim import Optimizer

from gradmedic.probe.failures import Failures, fenced
from gradmedic.probe.people import Held, People
from gradmedic.probe.schedule import Schedule
from gradmedic.probe.seat import Seat
from gradmedic.probe.shortcut import PILE, advancing, countdown, made
from gradmedic.probe.vitals import Vitals

LONGEST = 0.25
"""Seconds after which they are handed over in any case: a killed run must not lose more than a second."""

STRIDE = 32
"""Short steps between two looks around; a power of two, so that no step at which the schedule insists is missed."""

SHORT = LONGEST / STRIDE
"""Seconds of a step from which each is looked at."""

FUTILE = 8
"""Times in a row that nothing came along the lane, after which it is opened no more."""


class Quiet:
    """Keeps what the shortcut notes while it is `open`; whatever needs a closer look goes to the others."""

    def __init__(self, seat: Seat, vitals: Vitals, schedule: Schedule, people: People, failed: Failures) -> None:
        self.open = False
        self.failed = failed
        self.calls: dict[int, tuple[int, float]] = {}
        self.passes: list[tuple[int, int, float, float, Any]] = []
        self.steps = countdown(0)
        self.mask = 0
        self.rate: Callable[[], Any] | None = None
        self._seat = seat
        self._vitals = vitals
        self._schedule = schedule
        self._people = people
        self._counted: Held | None = None
        self._streams: dict[int, int] = {}
        self._lr: Any = None
        self._varies = False
        self._rates: list[tuple[int, Any]] = []
        self._flushed = perf_counter()
        self._last: tuple[int, float] = (0, self._flushed)
        self._used = True
        self._futile = 0

    @property
    def step(self) -> int:
        """The number of steps that are over."""
        return made(length_hint(self.steps))

    def allow(self, calls: dict[int, int]) -> None:
        """Open for the passes of these call sites, by their place, which are streams."""
        self._futile = 0 if self._used else self._futile + 1
        if not calls or self._futile >= FUTILE:
            return
        self._streams = calls
        self._know_limits()
        step = self._vitals.step
        self.steps = countdown(step)
        self.rate, self._counted, self.mask, self._used = None, None, 0, False
        self._last = (step, perf_counter())
        self.open = self._seat.doze(self)

    def _know_limits(self) -> None:
        limits = self._vitals.limits()
        self.calls.clear()
        self.calls.update((call, (stream, limits.get(stream, inf))) for call, stream in self._streams.items())

    @fenced("step")
    def stepped(self, optimizer: Optimizer) -> bool:
        """Count a step that is heard of; False if whoever made it is not known."""
        held = self._people.optimizers.get(id(optimizer))
        if held is None or held.optimizer() is not optimizer:
            self.close()
            return False
        held.steps += 1
        self._rates.append((len(self.passes), held.rate()))
        if held.steps > self.step:
            advancing(self.steps)(optimizer, (), {})
        return True

    def stays(self) -> bool:
        """Hand over what was taken, if it is time; False if the pass that begins, or the step after it, is due."""
        now, step = perf_counter(), self.step
        since, then = self._last
        self.mask = STRIDE - 1 if now - then < SHORT * (step - since) else 0
        self._last = (step, now)
        if not self._used:
            self._used = True
            self._count()
        else:
            self._note_rate()
        self._catch_up()
        piled = len(self.passes) >= PILE
        if piled or now - self._flushed > LONGEST:
            self._hand_over(now)
        idle = self._schedule.idle(step + 1, now) or not self._schedule.ready(step + 1)
        return idle and now < self._vitals.norm_due and not (piled and step == since)  # nobody known makes steps

    def _count(self) -> None:
        """Where one optimizer makes all steps they need not be heard of."""
        at_work = [held for held in self._people.optimizers.values() if held.optimizer() is not None]
        if len(at_work) == 1 and at_work[0].steps == self.step:
            self._counted = at_work[0]
            self._lr = at_work[0].rate()
            self.rate = at_work[0].rate if self._varies else None
            self._seat.count(self, at_work[0].optimizer())

    def _note_rate(self) -> None:
        """A rate that is still the same was so all along; one that has changed is noted from now on at every pass."""
        if self._counted is not None and self.rate is None:
            before, self._lr = self._lr, self._counted.rate()
            self._varies = before != self._lr
            self._rates.append((len(self.passes), None if self._varies else before))
            self.rate = self._counted.rate if self._varies else None

    def _catch_up(self) -> None:
        """Let the others know how many steps have been made."""
        self._vitals.step = self.step
        if self._counted is not None:
            self._counted.steps = self.step

    @fenced("vitals")
    def close(self) -> None:
        """Leave the lane, and hand over what was taken."""
        if self.open:
            self._catch_up()
            self._note_rate()
        self.open = False
        self._seat.wake()
        self._hand_over(perf_counter())

    def _hand_over(self, now: float) -> None:
        rows: list[list[Any]] = [[made(left), *taken, None] for left, *taken in self.passes]
        begun = 0
        for count, lr in self._rates:
            for row in rows[begun:count]:
                row[4] = lr if row[4] is None else row[4]
            begun = count
        if self.rate is not None and len(rows) > 1 and all(row[4] == rows[0][4] for row in rows):
            self.rate, self._lr, self._varies = None, rows[0][4], False
        self.passes.clear()
        self._rates.clear()
        self._flushed = now
        if rows:
            self._vitals.absorb(rows)
            self._know_limits()
