"""Captures come early, stay spread out, and never cost more than the budget."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradmedic.probe.schedule import AT_ONCE, EARLY, EARNED, EXTRA, GRACE, LEAST, STEP, Schedule


@dataclass
class Run:
    """A run on a clock that only training and captures move."""

    step_time: float
    cost: float
    budget: float = 0.02
    every: int | None = None
    strange: bool = False
    now: float = 0.0
    captured: list[int] = field(default_factory=list)

    def of(self, steps: int) -> Schedule:
        schedule = Schedule(self.budget, self.every, lambda: self.now)
        for step in range(steps):
            if schedule.wants(step):
                self.captured.append(step)
                self.now += self.cost
                schedule.paid(self.cost, captured=True)
            self.now += self.step_time
            if self.strange:
                schedule.ask()
        return schedule


times = st.floats(1e-5, 1.0)
shares = st.floats(0.0, 0.2)


@given(times, times, shares, st.integers(1, 800), st.booleans())
def test_what_is_spent_stays_within_the_budget(
    step_time: float, cost: float, budget: float, steps: int, strange: bool
) -> None:
    run = Run(step_time, cost, budget, strange=strange)
    schedule = run.of(steps)
    unasked = EARLY + (EXTRA if strange else 0)
    unread = steps * STEP  # nobody can decide against these
    allowed = max(budget * run.now, LEAST * budget * run.now + unread)
    assert schedule.spent <= allowed + GRACE + unasked * cost + 1e-9


@given(times, st.floats(1e-5, AT_ONCE / (EARLY + 1)), shares, st.integers(EARLY, 200))
def test_the_first_steps_are_read_where_that_is_soon_over(
    step_time: float, cost: float, budget: float, steps: int
) -> None:
    run = Run(step_time, cost, budget)
    run.of(steps)
    assert run.captured[:EARLY] == [0, 1, 2]


def test_captures_that_cost_many_steps_wait_until_they_are_earned() -> None:
    run = Run(step_time=0.5, cost=5.0)
    run.of(12)
    assert run.captured == [0]
    run = Run(step_time=0.5, cost=5.0)
    run.of(200)
    assert run.captured == [0, 40, 80]


@given(times, st.floats(AT_ONCE, 100.0), st.integers(1, 2000), st.booleans())
def test_slow_captures_take_a_bounded_share_of_training_from_the_start(
    step_time: float, cost: float, steps: int, strange: bool
) -> None:
    run = Run(step_time, cost, budget=0.0, strange=strange)
    run.of(steps)
    trained = steps * step_time
    assert len(run.captured) <= EARLY + EXTRA
    assert len(run.captured) * cost <= cost + trained / EARNED + 1e-6


@given(st.integers(1, 50), times, times, st.integers(1, 300), st.booleans())
def test_every_nth_step_whatever_it_costs(every: int, step_time: float, cost: float, steps: int, strange: bool) -> None:
    run = Run(step_time, cost, budget=0.0, every=every, strange=strange)
    run.of(steps)
    assert run.captured == list(range(0, steps, every))


def test_a_short_run_is_read_at_powers_of_two() -> None:
    run = Run(step_time=1e-3, cost=5e-3)
    run.of(200)
    assert {4, 8, 16, 32, 64, 128} <= set(run.captured)


def test_a_cheap_capture_is_still_spread_over_the_run() -> None:
    run = Run(step_time=1.0, cost=1e-6)
    run.of(20_000)
    assert len(run.captured) < 400
    late = [step for step in run.captured if step > 10_000]
    assert len(late) >= 10


@given(st.integers(100, 3000))
def test_strange_vitals_ask_for_a_bounded_number_of_captures(steps: int) -> None:
    calm, strange = Run(1e-3, 1e-2, budget=0.0), Run(1e-3, 1e-2, budget=0.0, strange=True)
    calm.of(steps)
    strange.of(steps)
    assert 0 < len(strange.captured) - len(calm.captured) <= EXTRA


def test_a_question_is_answered_at_the_next_step() -> None:
    run = Run(1e-3, 1e-2, budget=0.0)
    schedule = run.of(100)
    assert not schedule.wants(100)
    schedule.ask()
    assert schedule.wants(101)
    assert not schedule.wants(102)


def test_time_passes_on_the_clock() -> None:
    run = Run(0.5, 0.0)
    schedule = run.of(10)
    assert schedule.elapsed == pytest.approx(5.0)


def test_what_the_first_captures_overdrew_does_not_blind_the_rest_of_a_run() -> None:
    run = Run(step_time=3e-3, cost=2e-2)
    schedule = run.of(8)
    schedule.paid(1.0)  # a slow moment
    run.captured.clear()
    for step in range(8, 3000):
        if schedule.wants(step):
            run.captured.append(step)
            run.now += run.cost
            schedule.paid(run.cost, captured=True)
        run.now += run.step_time
    assert {1024, 2048} <= set(run.captured)
    assert len(run.captured) <= 4
