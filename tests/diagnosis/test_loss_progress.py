"""Whether a network learns, from the loss alone."""

import random
from math import exp, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradmedic.diagnosis.loss_progress import LossProgress, progress


def judged(*values: float) -> LossProgress:
    return progress(list(enumerate(values)))


@pytest.mark.parametrize(
    ("state", "values"),
    [
        ("learning", [2.3 * 0.97**i for i in range(100)]),
        ("learning", [0.1 + exp(-i / 10) for i in range(200)]),
        ("learning", [-0.1 * i for i in range(50)]),  # a likelihood that goes on below zero
        ("stuck", [2.3] * 100),
        ("stuck", [2.35] + [2.30] * 99),  # forgot its random start
        ("worse", [1.0 * 1.1**i for i in range(50)]),
        ("worse", [1.0] * 20 + [nan]),
        ("unclear", [1.0, 0.5, 0.2]),
        ("worse", [1.0, inf]),
    ],
)
def test_states(state: str, values: list[float]) -> None:
    assert judged(*values).state == state


def test_noise_alone_is_not_learning() -> None:
    chance = random.Random(0)
    assert judged(*(1 + 0.3 * chance.gauss(0, 1) for _ in range(300))).state == "stuck"


def test_one_spike_decides_nothing() -> None:
    values = [2.3 * 0.97**i for i in range(100)]
    values[-1] = 50.0
    assert judged(*values).state == "learning"


def test_flat_tells_a_loss_that_has_arrived() -> None:
    assert judged(*([2.0 * 0.8**i for i in range(30)] + [0.0025] * 100)).flat
    assert not judged(*(2.3 * 0.97**i for i in range(100))).flat


def test_nothing_is_unclear() -> None:
    assert progress([]) == LossProgress("unclear")


@given(st.lists(st.floats(0.01, 100), min_size=8, max_size=60), st.floats(1e-6, 1e6))
def test_the_scale_of_a_loss_does_not_matter(values: list[float], scale: float) -> None:
    one, other = judged(*values), judged(*(value * scale for value in values))
    assert one.fell == pytest.approx(other.fell, abs=1e-6)
