"""The fast lane: steps in which nothing is read and nothing is unusual.

The `shortcut` asks here at every pass, or, where one optimizer makes one step after each pass of
one place in the script, leaves nothing but losses here and asks now and then. Whatever is due or
strange leaves the lane for a step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import inf
from operator import length_hint
from time import perf_counter
from types import FrameType
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from gradmedic.probe.failures import Failures, fenced
from gradmedic.probe.hooks.backward_shortcut import Counting, countdown, made, place
from gradmedic.probe.hooks.torch_hooks import Seat
from gradmedic.probe.participants import KnownOptimizer, Participants
from gradmedic.probe.schedule import Schedule
from gradmedic.probe.torch_internals import profiled
from gradmedic.probe.vitals import Vitals

LONGEST = 0.25
"""Seconds after which they are handed over in any case: a killed run must not lose more than a second."""

PILE = 256
"""Passes that are handed over together, at the next look."""

MOST = 4 * PILE
"""Passes that are looked at between two steps, as if one had been made."""

STRIDE = 64
"""Short steps in which the lane looks around twice."""

ODD = 29
"""The second time within a stride: what happens at every other step, or every fourth, is met at one of the two."""

SHORT = LONGEST / STRIDE
"""Seconds of a step from which each is looked at."""

FUTILE = 8
"""Times in a row that nothing came along the lane, after which it is opened no more."""


class FastPath:
    """Keeps what the shortcut notes while it is `open`; whatever needs a closer look goes to the others."""

    def __init__(self, seat: Seat, vitals: Vitals, schedule: Schedule, people: Participants, failed: Failures) -> None:
        self.open = False
        self.failed = failed
        self.losses: list[float] = []
        self.room = 0
        self.limit = inf
        self.steps = countdown(0)
        self._seat = seat
        self._vitals = vitals
        self._schedule = schedule
        self._people = people
        self._calls: dict[int, tuple[int, float]] = {}
        self._streams: dict[int, int] = {}
        self._passes: list[tuple[int, int, float, float, Any]] = []
        self._counted: KnownOptimizer | None = None
        self._rate: Callable[[], Any] | None = None
        self._rates: list[tuple[int, Any]] = []
        self._lr: Any = None
        self._varies = False
        self._flushed = perf_counter()
        self._last = _Look(0, self._flushed)
        self._next = 0
        self._used = True
        self._futile = 0

    @property
    def step(self) -> int:
        """The number of steps that are over."""
        return made(length_hint(self.steps))

    def allow(self, calls: dict[int, int]) -> None:
        """Open for the passes of these call sites, by their place, which are streams."""
        self._futile = 0 if self._used else self._futile + 1
        if not calls or self._futile >= FUTILE or profiled():
            return
        self._streams = calls
        self._know_limits()
        step = self._vitals.step
        self.steps = countdown(step)
        self._rate, self._counted, self._used = None, None, False
        self._last, self._next = _Look(step, perf_counter()), step
        self.open = self._seat.doze(self)

    def _know_limits(self) -> None:
        limits = self._vitals.limits()
        self._calls = {call: (stream, limits.get(stream, inf)) for call, stream in self._streams.items()}

    @fenced("step")
    def stepped(self, optimizer: Optimizer) -> bool:
        """Count a step that is heard of; False if whoever made it is not known."""
        held = self._people.optimizers.get(id(optimizer))
        if held is None or held.optimizer() is not optimizer:
            self.close()
            return False
        held.steps += 1
        self._rates.append((len(self._passes), held.rate()))
        if held.steps > self.step:
            next(self.steps)
        return True

    def notes(self, loss: Tensor, frame: FrameType) -> bool:
        """Note a pass that begins, and look around where that is due; False if it is to be heard of by others."""
        stream, limit = self._calls.get(place(frame), (None, 0.0))
        if stream is None or not self.open or not loss.is_cpu:  # a script may have kept the shortcut
            return False
        step, now, value = self.step, perf_counter(), loss.item()
        looking = bool(self.losses) or step >= self._next or len(self._passes) >= MOST
        self._unfold(step, now, stream)
        if not -limit < value < limit or (looking and not self._stays(stream, step, now)):
            return False
        self._passes.append((step, stream, now, value, self._rate and self._rate()))
        self._last.passes += 1
        return True

    def _unfold(self, step: int, now: float, stream: int) -> None:
        """Losses that stand alone are of the passes since the last one that was noted whole, a step apart."""
        count = len(self.losses)
        if count:
            begun, then = self._last.step, self._last.time
            steps = [min(begun + k, step) for k in range(1, count + 1)]
            times = [then + (now - then) * k / (count + 1) for k in range(1, count + 1)]
            self._passes += zip(steps, repeat(stream), times, self.losses, repeat(None))
            self._last.passes += count
            self.losses.clear()

    def _stays(self, stream: int, step: int, now: float) -> bool:
        """Hand over what was taken, if it is time; False if the pass that begins, or the step after it, is due."""
        last, self._last = self._last, _Look(step, now)
        if not self._used:
            self._used = True
            self._count()
        else:
            self._note_rate()
        self._catch_up()
        # Passes without the steps that were to follow them: somebody makes them who is not known, or nobody.
        unheard = last.passes > max(1, step - last.step) and (self.room > 0 or step == last.step)
        if len(self._passes) >= PILE or now - self._flushed > LONGEST:
            self._hand_over(now)
        self._look_ahead(last)
        idle = self._schedule.idle(step + 1, now) or not self._schedule.ready(step + 1)
        self._schedule.paid(perf_counter() - now)
        return idle and now < self._vitals.norm_due(stream) and not unheard and not profiled()

    def _look_ahead(self, last: "_Look") -> None:
        """When to look next, and whether it is enough to note losses until then."""
        step, since = self._last.step, self._last.step - last.step
        short = self._last.time - last.time < SHORT * since
        self._next = step + (_gap(step) if short else 1)
        alone = self._counted is not None and self._rate is None and len(self._calls) == 1
        self.room = self._next - step - 1 if alone and last.passes == since else 0
        self.limit = min(limit for _, limit in self._calls.values())

    def _count(self) -> None:
        """Where one optimizer makes all steps they need not be heard of."""
        at_work = [held for held in self._people.optimizers.values() if held.optimizer() is not None]
        if len(at_work) == 1 and at_work[0].steps == self.step and Counting.can(at_work[0].optimizer()):
            self._counted = at_work[0]
            self._lr = at_work[0].rate()
            self._rate = at_work[0].rate if self._varies else None
            self._seat.count(self, at_work[0].optimizer())

    def _note_rate(self) -> None:
        """A rate that is still the same was so all along; one that has changed is noted from now on at every pass."""
        if self._counted is not None and self._rate is None:
            before, self._lr = self._lr, self._counted.rate()
            self._varies = before != self._lr
            self._rates.append((len(self._passes), None if self._varies else before))
            self._rate = self._counted.rate if self._varies else None

    def _catch_up(self) -> None:
        """Let the others know how many steps have been made."""
        self._vitals.step = self.step
        if self._counted is not None:
            self._counted.steps = self.step

    @fenced("vitals")
    def close(self) -> None:
        """Leave the lane, and hand over what was taken."""
        now = perf_counter()
        if self.open:
            self._unfold(self.step, now, next(iter(self._streams.values())))
            self._catch_up()
            self._note_rate()
        self.open, self.room = False, 0
        self._seat.wake()
        self._hand_over(now)

    def _hand_over(self, now: float) -> None:
        self._flushed = now
        if self._passes:
            steps, streams, times, losses, asked = zip(*self._passes, strict=True)
            lrs = self._rates_of(asked)
            self._passes.clear()
            self._vitals.absorb(steps, streams, times, losses, lrs)
            self._know_limits()
        self._rates.clear()

    def _rates_of(self, asked: Sequence[Any]) -> list[Any]:
        """The learning rate of each pass: what it was when asked for, or else what has been seen to hold so long."""
        lrs: list[Any] = []
        for count, lr in self._rates:
            lrs += [lr if rate is None else rate for rate in asked[len(lrs) : count]]
        lrs += asked[len(lrs) :]
        if self._rate is not None and len(lrs) > 1 and all(lr == lrs[0] for lr in lrs):
            self._rate, self._lr, self._varies = None, lrs[0], False
        return lrs


@dataclass(slots=True)
class _Look:
    """When the lane has looked around, and how many passes it has noted since."""

    step: int
    time: float
    passes: int = 0


def _gap(step: int) -> int:
    """Steps until the lane is to look again: in time for every power of two, at which the schedule insists."""
    ahead = step + 1
    next_power = (1 << ahead.bit_length()) - ahead
    return min(next_power, STRIDE - ahead % STRIDE, (ODD - ahead) % STRIDE or STRIDE)
