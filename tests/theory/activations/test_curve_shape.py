"""Kinks, flat places and the steepest slope are found by looking at the function."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.oracle import ACTIVATIONS
from torch import Tensor

from gradmedic.theory.activations import activation
from gradmedic.theory.activations.curve_shape import Dies, find_kinks, flat, steepest


@given(st.lists(st.floats(-1000, 1000).map(lambda x: round(x, 4)), min_size=1, max_size=4, unique=True))
def test_finds_every_kink_of_a_broken_line(places: list[float]) -> None:
    found = find_kinks(lambda x: sum((x - place).relu() for place in places) + torch.sin(x))
    assert found == pytest.approx(sorted(places), abs=1e-9)


@given(st.floats(-50, 50), st.floats(0.01, 100))
def test_finds_a_jump_wherever_it_is(place: float, height: float) -> None:
    found = find_kinks(lambda x: torch.tanh(x) + height * (x > place))
    assert found == pytest.approx([place], abs=1e-9)


@given(st.floats(-3, 3), st.floats(0.01, 1000))
def test_a_smooth_function_has_no_kink_however_steep(shift: float, steepness: float) -> None:
    assert find_kinks(lambda x: torch.sigmoid(steepness * (x - shift))) == ()


def test_a_wave_without_end_is_no_problem() -> None:
    assert find_kinks(lambda x: torch.sin(3 * x)) == ()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_flat_places_and_steepest_slope_meet_the_oracle(name: str) -> None:
    known = ACTIVATIONS[name]
    f = activation(known["spelled"]).expected.f
    assert steepest(f)[0] == pytest.approx(float(known["steepest"]), rel=1e-7)
    for below, intervals in known["flat"].items():
        found = [end for interval in flat(f, float(below)) for end in interval]
        assert found == pytest.approx([float(end) for interval in intervals for end in interval], abs=1e-7)


@pytest.mark.parametrize(
    ("f", "dies"),
    [
        (lambda x: x.relu().square(), Dies.HARD_ONE_SIDED),
        (lambda x: x.clamp(-2, 2), Dies.HARD_TWO_SIDED),
        (lambda x: x / (1 + x.abs()), Dies.SOFT),
        (lambda x: x**3, Dies.DEAD_ZONE),
        (lambda x: x + 0.5 * torch.sin(x), Dies.NO),
    ],
)
def test_tells_how_units_of_any_function_die(f: object, dies: Dies) -> None:
    assert activation(f).dies is dies  # type: ignore[arg-type]


def test_a_slope_that_grows_without_end_is_infinite() -> None:
    def cube(x: Tensor) -> Tensor:
        return x**3

    assert steepest(cube)[0] == math.inf
