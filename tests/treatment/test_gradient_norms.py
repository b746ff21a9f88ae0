"""What is usual among norms, and what is a spike."""

from math import exp, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradmedic.recording.sketch import sketch
from gradmedic.treatment.gradient_norms import percentile, sound_norms, spike_limit

NORMS = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60)


@given(NORMS, st.floats(0.01, 100))
def test_the_limit_scales_with_the_norms(norms: list[float], factor: float) -> None:
    assert spike_limit([factor * norm for norm in norms]) == pytest.approx(factor * spike_limit(norms), rel=1e-6)


@given(NORMS)
def test_the_limit_lies_above_the_median(norms: list[float]) -> None:
    assert spike_limit(norms) >= percentile(norms, 0.5) * exp(0.3) * 0.999 or len(norms) % 2 == 0


def test_a_few_spikes_do_not_move_it() -> None:
    usual = [1.0 + 0.01 * ((7 * i) % 10) for i in range(50)]
    assert spike_limit([*usual, 100.0, 1e6]) == pytest.approx(spike_limit(usual), rel=0.02)


@given(NORMS, st.floats(0, 1))
def test_a_percentile_is_one_of_the_values_with_that_share_below(norms: list[float], share: float) -> None:
    found = percentile(norms, share)
    assert found in norms
    assert sum(norm <= found for norm in norms) >= share * len(norms) - 1e-9


def test_norms_count_until_the_run_goes_wrong() -> None:
    assert sound_norms(sketch(losses=[1.0, 1.0, nan, 1.0], grad_norms=[1.0, 2.0, 3.0, 4.0])) == [1.0, 2.0]
    assert sound_norms(sketch(losses=[1.0] * 3, grad_norms=[1.0, inf, 3.0])) == [1.0]
