"""More and less of a dose: only of what is measured, and in numbers that read well."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arms import prescribed

from gradmedic.trials.search.candidates import Candidate
from gradmedic.trials.search.refine import doses, is_measured, moved, scaled


@pytest.mark.parametrize("value", [True, "relu", 0, 0.0, -1.0, 1, 7, ["fc1", "fc2"]])
def test_what_is_chosen_or_counted_is_left_alone(value: bool | str | int | float | list[str]) -> None:
    assert not is_measured(value)


@given(st.floats(1e-9, 1e9), st.floats(1e-3, 1e3))
def test_a_dose_keeps_two_digits_and_goes_where_it_is_sent(value: float, factor: float) -> None:
    found = scaled(value, factor)
    assert found == pytest.approx(value * factor, rel=0.06)
    assert found == float(f"{found:.2g}")


def test_whole_numbers_stay_whole_and_positive() -> None:
    assert scaled(100, 3.16) == 320
    assert scaled(10, 1e-3) == 1
    assert isinstance(scaled(100, 3.16), int)


def test_one_dose_is_moved_and_all_else_stays() -> None:
    both = Candidate(prescribed("swap", "clip", max_norm=2.0, kind="norm", steps=100), depth=2, order=5)
    assert [dose.key for dose in doses(both)] == ["max_norm", "steps"]
    more = moved(both, next(doses(both)), 3.0)
    assert more.prescription.items[1].dose == {"max_norm": 6.0, "kind": "norm", "steps": 100}
    assert more.prescription.items[0] == both.prescription.items[0]
    assert (more.depth, more.order) == (2, 5)
    assert more.key != both.key
