"""A remedy that betters the loss and worsens what the script prints is told from one that does not."""

import pytest
from support.arms import NOTHING, outcome, prescribed

from gradmedic.trials.paired_effect import Arm
from gradmedic.trials.trial import RunEnd
from gradmedic.trials.worsened import Worsened, worsened


def arm(*ends: float, name: str = "cost", ended: RunEnd = RunEnd.FINISHED) -> Arm:
    """Runs with seeds of their own that print one number."""
    runs = {
        seed: outcome([2.0, 1.0], seed=seed, ended=ended, printed={name: (9.0, end)}) for seed, end in enumerate(ends)
    }
    return Arm(prescribed("clip") if ends else NOTHING, runs)


def test_a_cost_that_is_half_as_bad_again_with_each_seed_is_worse() -> None:
    assert worsened(arm(3.0, 3.25), arm(2.0, 2.25), [0, 1]) == Worsened("cost", 2.125, 3.125)


@pytest.mark.parametrize(
    ("name", "before", "after", "worse"),
    [
        ("accuracy", (0.9, 0.92), (0.5, 0.55), True),
        ("accuracy", (0.5, 0.55), (0.9, 0.92), False),
        ("error", (1.0, 1.0), (5.0, 5.1), True),
        ("error", (1.0, 1.0), (1.05, 1.05), False),  # too little
        ("error", (1.0, 3.0), (1.5, 3.5), False),  # seeds differ by more
        ("error", (1.0, 1.1), (3.0, 1.0), False),  # not with each seed
        ("error", (1.0, 1.1), (float("nan"), float("nan")), True),
        ("error", (float("nan"), float("nan")), (3.0, 3.0), False),
        ("reward", (-100.0, -110.0), (-200.0, -190.0), True),
    ],
)
def test_worse_is_what_is_worse_each_time_and_by_more_than_seeds_differ(
    name: str, before: tuple[float, ...], after: tuple[float, ...], worse: bool
) -> None:
    assert (worsened(arm(*after, name=name), arm(*before, name=name), [0, 1]) is not None) is worse


def test_one_seed_alone_tells_nothing() -> None:
    assert worsened(arm(9.0), arm(1.0), [0]) is None


def test_a_loss_that_the_remedy_redefines_is_not_compared() -> None:
    pair = arm(9.0, 9.0, name="val_loss"), arm(1.0, 1.0, name="val_loss")
    assert worsened(*pair, [0, 1]) is not None
    assert worsened(*pair, [0, 1], redefines=True) is None


def test_runs_that_broke_under_the_remedy_are_left_to_the_loss() -> None:
    assert worsened(arm(9.0, 9.0, ended=RunEnd.CRASHED), arm(1.0, 1.0), [0, 1]) is None
