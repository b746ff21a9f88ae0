"""Loss curves over seeds: thinned, averaged fairly, and honest about how far apart they lie."""

from math import isinf, isnan, nan

import pytest
from support.arms import outcome

from gradmedic.trials.loss_curves import POINTS, curves, thinned


def test_positive_losses_are_averaged_as_logarithms() -> None:
    [curve] = curves([outcome([1.0, 0.1]), outcome([1.0, 0.001])]).values()
    assert curve.steps == (0.0, 1.0)
    assert curve.mean == pytest.approx((1.0, 0.01))
    assert (curve.lowest, curve.highest) == ((1.0, 0.001), (1.0, 0.1))
    assert curve.low[1] < 0.001
    assert curve.high[1] > 0.1


def test_losses_below_zero_are_averaged_as_they_are() -> None:
    [curve] = curves([outcome([1.0, -1.0]), outcome([1.0, -3.0])]).values()
    assert curve.mean == pytest.approx((1.0, -2.0))


def test_long_runs_are_thinned_by_medians_so_that_a_spike_is_none() -> None:
    [curve] = curves([outcome([1.0] * 50 + [99.0] + [1.0] * 949)]).values()
    assert len(curve.steps) == POINTS
    assert set(curve.mean) == {1.0}
    assert isinf(curve.high[0])


def test_where_a_loss_is_lost_there_is_no_mean_and_a_shorter_run_counts_as_far_as_it_went() -> None:
    [lost] = curves([outcome([1.0, nan, 1.0]), outcome([1.0, 1.0, 1.0])]).values()
    assert [isnan(mean) for mean in lost.mean] == [False, True, False]
    [short] = curves([outcome([1.0, 1.0]), outcome([1.0, 1.0, 4.0])]).values()
    assert short.mean == pytest.approx((1.0, 1.0, 4.0))


def test_a_curve_is_thinned_to_means() -> None:
    assert list(thinned([1.0, 3.0, 5.0, 7.0], 2)) == [2.0, 6.0]
    assert list(thinned([1.0, 3.0], 9)) == [1.0, 3.0]
    assert isnan(next(iter(thinned([1.0, nan], 1))))
