"""How well a run ended: fair to every kind of loss, and not to be deceived by a spike or a runaway."""

from collections.abc import Sequence
from math import inf, isfinite, log10, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arms import falling, outcome, series

from gradmedic.trials.scoring import Scale, scale_of, score, tail
from gradmedic.trials.trial import Outcome, RunEnd

losses = st.lists(st.floats(1e-1, 1e3), min_size=10, max_size=200)


def scored(run: Sequence[float], control: Sequence[float], *others: Sequence[float]) -> float:
    """The score of a run of that loss, on the scale that is fair to it, its control and others."""
    whole = outcome(run)
    return score(whole, scale_of([outcome(control)], [whole, *map(outcome, others)]))


@given(losses, st.floats(1e-2, 1e2))
def test_a_loss_that_is_ten_times_smaller_is_one_decade_better(run: list[float], factor: float) -> None:
    smaller = [factor * loss for loss in run]
    assert scored(run, run, smaller) - scored(smaller, run, smaller) == pytest.approx(-log10(factor), abs=1e-6)


@given(st.lists(st.floats(-1e3, 1e3), min_size=10, max_size=200), st.floats(0.1, 10.0))
def test_losses_below_zero_are_compared_whatever_their_unit(run: list[float], factor: float) -> None:
    control = [5.0, -2.0, *run]
    plain, scaled = scored(run, control), scored([factor * x for x in run], [factor * x for x in control])
    assert scaled == pytest.approx(plain, rel=1e-3, abs=1e-3)


def test_a_loss_with_a_sign_tells_large_from_small_and_small_from_less() -> None:
    wild, calm, better = [1e8] * 90 + [1e7] * 10, [0.3, -0.1] * 50, [0.3] * 50 + [-0.5] * 50
    scores = [scored(run, wild, calm, better) for run in (wild, calm, better)]
    assert scores[0] - scores[1] > 6  # 1e7 to less than one
    assert scores[1] - scores[2] > 0.1


@given(losses, st.integers(0, 1000), st.sampled_from([1e9, 1e-9]))
def test_one_odd_loss_near_the_end_decides_nothing(run: list[float], where: int, odd: float) -> None:
    calm = [1.0] * len(run)
    spiked = [*calm]
    spiked[where % (len(run) - 1)] = odd
    assert scored(spiked, calm) == scored(calm, calm)


@pytest.mark.parametrize("ended", [ended for ended in RunEnd if not ended.well])
def test_a_run_that_did_not_come_to_its_end_is_worst(ended: RunEnd) -> None:
    run = outcome(falling(2, 0.1), ended=ended)
    assert score(run, scale_of([outcome(falling(2, 1))], [run])) == inf


@pytest.mark.parametrize("last", [nan, inf])
def test_a_run_whose_loss_is_not_finite_in_the_end_is_worst(last: float) -> None:
    assert scored([*falling(2, 0.1, 50), *[last] * 50], falling(2, 1)) == inf


def test_one_bad_loss_on_the_way_is_forgiven() -> None:
    assert isfinite(scored([*falling(2, 1, 50), nan, *falling(1, 0.1, 49)], falling(2, 1)))


def test_a_loss_that_runs_to_minus_infinity_is_a_broken_one() -> None:
    control = [1.0, 0.9, 1.1, 0.7, 0.8, 0.6, 0.7, 0.5, 0.6, 0.5]
    assert scored([-(10.0**step) for step in range(10)], control) == inf
    assert isfinite(scored([1.0 - 0.2 * step for step in range(10)], control))


def test_a_loss_of_zero_is_done_and_no_loss_is_more_than_done() -> None:
    untreated = [1.0] * 100
    done, nearly = [1.0] * 5 + [0.0] * 95, [1.0] * 5 + [1e-9] * 95
    assert scored(done, untreated) == scored(nearly, untreated) == pytest.approx(-6)


def test_a_network_that_began_badly_does_not_hide_how_well_another_ended() -> None:
    wild = [1e9, *[1e3] * 99]
    assert scored(falling(2, 0.1), wild) < scored(falling(2, 0.5), wild) < scored(wild, wild)


def test_networks_that_play_against_each_other_are_scored_by_whether_they_stay_within_bounds() -> None:
    def game(size: float) -> Outcome:
        grown = [size ** (step / 99) for step in range(100)]
        streams = {"d": series(grown, norms=grown, contends=True), "g": series([-x for x in grown], contends=True)}
        return outcome(series=streams)

    calm, lively, wild = game(1.0), game(5.0), game(1e4)
    scale = scale_of([wild], [calm])
    assert scale.unit == "decades of growth"
    assert score(calm, scale) == score(lively, scale) == 0
    assert score(wild, scale) > 2


def test_a_metric_that_the_user_names_stands_above_the_loss() -> None:
    good, bad, none = (outcome(falling(2, end), metric=m) for end, m in ((1.9, 0.9), (0.1, 0.2), (0.1, None)))
    assert score(good, Scale(goal="max")) < score(bad, Scale(goal="max")) < score(none, Scale(goal="max")) == inf
    assert score(good, Scale(goal="min")) > score(bad, Scale(goal="min"))


def test_a_run_that_never_came_to_a_part_of_the_script_is_worst() -> None:
    both = outcome(series={"a": series(falling(2, 1)), "b": series(falling(2, 1))})
    one = outcome(series={"a": series(falling(2, 0.1))})
    assert score(one, scale_of([both])) == inf


def test_runs_can_be_compared_where_they_stood_after_some_steps() -> None:
    fast, slow = outcome(falling(2, 1) + [1.0] * 100), outcome([2.0] * 100 + falling(2, 0.1))
    scale = scale_of([fast, slow])
    assert score(fast, scale, steps=100) < score(slow, scale, steps=100)
    assert score(fast, scale) > score(slow, scale)
    assert tail(fast.series["train.py:9"], 100) == list(fast.series["train.py:9"].losses[85:100])


def test_a_control_that_broke_at_once_leaves_a_scale() -> None:
    broken, cured = outcome([nan] * 100), outcome(falling(2, 0.1))
    scale = scale_of([broken], [cured])
    assert score(broken, scale) == inf
    assert isfinite(score(cured, scale))
