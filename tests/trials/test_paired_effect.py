"""What a treatment changed, pair by pair: honest intervals, and no favor for the elaborate."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arms import arm, falling, prescribed

from gradmedic.trials.paired_effect import as_good, effect, gain, interval
from gradmedic.trials.scoring import Scale, scale_of

ends = st.lists(st.floats(1e-2, 1.0), min_size=2, max_size=6)
LOG = Scale({"train.py:9": "log"}, {"train.py:9": 1e-6}, {"train.py:9": 2.0})


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=12))
def test_the_interval_holds_the_mean_and_moves_with_the_values(values: list[float]) -> None:
    mean, low, high = interval(values)
    assert low <= mean <= high
    moved = interval([value + 1 for value in values])
    assert moved == pytest.approx((mean + 1, low + 1, high + 1), abs=1e-6)


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    # Student's sleep data (1908), the difference of the two drugs in ten patients: 95 % from 0.70 to 2.46.
    sleep = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    assert interval(sleep) == pytest.approx((1.58, 0.7001, 2.4599), abs=1e-3)


def test_a_single_pair_proves_nothing() -> None:
    found = effect(arm(falling(2, 0.01)), arm(falling(2, 1)), LOG)
    assert found.mean > 1.5
    assert (found.low, found.high) == (-inf, inf)
    assert found.likely
    assert not found.proved


@given(ends, ends)
def test_an_effect_turns_its_sign_with_the_arms(first: list[float], second: list[float]) -> None:
    one, other = arm(*(falling(2, end) for end in first)), arm(*(falling(2, end) for end in second))
    there, back = effect(one, other, LOG), effect(other, one, LOG)
    assert (there.mean, there.low, there.high) == pytest.approx((-back.mean, -back.high, -back.low))


def test_what_the_pairs_share_cancels() -> None:
    hard, easy = (0.9, 0.09), (0.009, 0.0009)
    found = effect(arm(falling(2, hard[1]), falling(2, easy[1])), arm(falling(2, hard[0]), falling(2, easy[0])), LOG)
    assert found.pairs == pytest.approx((found.mean, found.mean), rel=0.1)
    assert found.proved


def test_only_seeds_that_both_have_run_with_are_compared() -> None:
    treated, control = arm(falling(2, 0.1), falling(2, 0.1)), arm(falling(2, 1), falling(2, 1), falling(2, 1))
    assert len(effect(treated, control, LOG).pairs) == 2
    assert len(effect(treated, control, LOG, seeds=[1]).pairs) == 1


def test_a_run_that_breaks_without_the_remedy_and_holds_with_it_is_rescued() -> None:
    found = effect(arm(falling(2, 0.1), falling(2, 0.1)), arm([nan] * 50, [nan] * 50), LOG)
    assert (found.rescued, found.proved) == (2, True)
    assert effect(arm([nan] * 50), arm([nan] * 50), LOG).mean == 0
    assert effect(arm([nan] * 50), arm(falling(2, 0.1)), LOG).mean < -1


def test_chance_is_not_taken_for_a_cure() -> None:
    found = effect(arm(falling(2, 0.8), falling(2, 1.1)), arm(falling(2, 0.9), falling(2, 1.0)), LOG)
    assert not found.proved
    assert not found.likely


def test_a_gain_is_counted_from_the_untrained_network_where_the_control_did_worse() -> None:
    treated = arm(falling(2.0, 0.2))
    assert gain(treated, arm([2.0, *[nan] * 99]), LOG) == pytest.approx(gain(treated, arm([2.0, *[1e9] * 99]), LOG))
    assert gain(treated, arm([2.0] * 100), LOG) == pytest.approx(gain(treated, arm([2.0, *[1e9] * 99]), LOG))
    assert gain(arm([2.0, *[50.0] * 99]), arm([2.0, *[nan] * 99]), LOG) < 0


def test_a_network_that_started_badly_has_not_learned_because_it_comes_back() -> None:
    control, tamed, trained = arm([1e9, *[nan] * 99]), arm(falling(1e9, 1e4)), arm(falling(1.0, 0.2))
    scale = scale_of([*control.runs.values()], [*tamed.runs.values(), *trained.runs.values()])
    assert gain(tamed, control, scale) < 0 < gain(trained, control, scale) < 1


@given(st.lists(st.sampled_from([0.1, 1.0, nan]), min_size=1, max_size=4), st.data())
def test_a_gain_is_a_number_however_the_runs_ended(ends: list[float], data: st.DataObject) -> None:
    others = data.draw(st.lists(st.sampled_from([0.1, 1.0, nan]), min_size=len(ends), max_size=len(ends)))
    one, other = (arm(*([1.0 * end] * 20 for end in some)) for some in (ends, others))
    for scale in (
        LOG,
        Scale({"train.py:9": "signed"}, {"train.py:9": 1.0}),
        Scale({"train.py:9": "contest"}, {"train.py:9": 1.0}),
    ):
        assert gain(one, other, scale) == gain(one, other, scale)


def test_as_good_means_that_hardly_anything_of_the_gain_is_lost() -> None:
    control = arm(*[falling(2, 1)] * 3)
    best, near, far = (arm(*[falling(2, end)] * 3, prescription=prescribed("a")) for end in (0.010, 0.012, 0.2))
    scale = scale_of([*control.runs.values()])
    assert as_good(best, best, control, scale)
    assert as_good(near, best, control, scale)
    assert not as_good(far, best, control, scale)
    assert not as_good(arm([nan] * 9), best, control, scale)


@given(ends)
def test_the_best_is_as_good_as_itself(levels: list[float]) -> None:
    best = arm(*(falling(2, end) for end in levels))
    assert as_good(best, best, arm(*[falling(2, 1)] * len(levels)), LOG)
