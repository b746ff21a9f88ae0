"""Moments against independent quadrature, and against what must hold for any function."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.oracle import ACTIVATIONS, MOMENTS
from torch import nn

from gradmedic.base.errors import TheoryError
from gradmedic.theory.activations import Activation, activation, all_activations
from gradmedic.theory.kernels.moments import moments

names = st.sampled_from(sorted(all_activations()))
sizes = st.floats(-8, 8).map(lambda e: 10.0**e)

SLOPE_IN_FLOAT32 = 1e-7
"""torch multiplies Hardsigmoid's gradient by 1/6 in float32, even for float64."""


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_moment_meets_the_oracle(name: str) -> None:
    phi = activation(ACTIVATIONS[name]["spelled"])
    for q, *known in ACTIVATIONS[name]["moments"]:
        found = moments(phi, q)
        for key, value in zip(MOMENTS, known, strict=True):
            rel = 4 * SLOPE_IN_FLOAT32 if name == "hardsigmoid" else 1e-9
            # Slopes in q that nearly cancel are held to the size of what cancels.
            least = 1e-12 * max(1, found.m2 / q, found.d2 / q) if key.endswith("dq") else 1e-15
            assert getattr(found, key) == pytest.approx(value, rel=rel, abs=least), (q, key)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_function_of_ones_own_has_the_same_moments(name: str) -> None:
    phi = activation(ACTIVATIONS[name]["spelled"])
    if len(phi.variants) > 1:
        pytest.skip("it draws anew for every element: no function")
    own = activation(lambda x: phi.f(x))
    for q in (0.01, 1.0, 10.0):
        for key in MOMENTS:
            assert getattr(moments(own, q), key) == pytest.approx(getattr(moments(phi, q), key), rel=1e-9, abs=1e-12)


@given(names, sizes, st.floats(-3, 3))
def test_inequalities_hold_at_any_size_and_mean(name: str, q: float, mean: float) -> None:
    found = moments(activation(name), q, mean)
    slack = 1 + 1e-9
    assert found.m1**2 <= found.m2 * slack + 1e-15
    assert found.m2**2 <= found.m4 * slack
    assert found.d1**2 <= found.d2 * slack
    assert found.d2**2 <= found.d4 * slack
    assert found.x22**2 <= found.m4 * found.d4 * slack
    assert min(found.m2, found.m4, found.d2, found.d4, found.x22) >= 0


@given(names, st.floats(-2, 2), st.floats(0.1, 10), sizes)
def test_a_scale_on_the_way_in_is_a_larger_input(name: str, mean: float, scale: float, q: float) -> None:
    if not 1e-6 < q < 1e4:
        return
    phi = activation(name).expected
    outer = moments(activation(lambda x: phi.f(scale * x)), q, mean)
    inner = moments(phi, q * scale**2, mean * scale)
    assert outer.m2 == pytest.approx(inner.m2, rel=1e-8)
    assert outer.d2 == pytest.approx(scale**2 * inner.d2, rel=1e-8)


@given(st.floats(-3, 3), sizes)
def test_leaky_rectifiers_do_not_care_for_size(slope: float, q: float) -> None:
    found = moments(activation("leaky_relu", negative_slope=slope), q)
    assert found.m2 == pytest.approx(q * (1 + slope**2) / 2, rel=1e-12)
    assert found.d2 == pytest.approx((1 + slope**2) / 2, rel=1e-12)
    assert found.s == pytest.approx(1, rel=1e-9)
    assert found.k == pytest.approx(0, abs=1e-9)


@given(names, st.floats(-2, 2).map(lambda e: 10.0**e), st.floats(-2, 2))
def test_slopes_in_q_are_those_of_the_moments(name: str, q: float, mean: float) -> None:
    phi, h = activation(name), 1e-4 * q
    low, high, here = moments(phi, q - h, mean), moments(phi, q + h, mean), moments(phi, q, mean)
    assert (high.m2 - low.m2) / (2 * h) == pytest.approx(here.m2_dq, rel=1e-5, abs=1e-6)
    assert (high.d2 - low.d2) / (2 * h) == pytest.approx(here.d2_dq, rel=1e-5, abs=1e-6)


def test_the_closed_forms_of_erf_hold_at_any_size() -> None:
    for q in (1e-8, 1e-4, 0.3, 1.0, 50.0, 1e4, 1e8):
        found = moments(activation("erf"), q)
        assert found.m2 == pytest.approx(2 / math.pi * math.asin(2 * q / (1 + 2 * q)), rel=1e-9)
        assert found.d2 == pytest.approx(4 / math.pi / math.sqrt(1 + 4 * q), rel=1e-9)


def test_waves_are_followed_at_any_size() -> None:
    for q in (1e-8, 1.0, 1e4, 1e7):
        assert moments(activation("sin"), q).m2 == pytest.approx(-math.expm1(-2 * q) / 2, rel=1e-9)


def test_what_hides_far_in_the_tail_is_seen_where_there_is_nothing_else() -> None:
    found = moments(activation("relu"), 1.0, mean=-20.0)
    tail = torch.special.log_ndtr(torch.tensor(-20.0, dtype=torch.float64)).exp()
    assert found.d2 == pytest.approx(float(tail), rel=1e-9)


def test_units_that_differ_are_averaged() -> None:
    module = nn.PReLU(2)
    module.weight.data = torch.tensor([0.0, 1.0])
    assert moments(activation(module), 2.0).m2 == pytest.approx((1.0 + 2.0) / 2)


def test_without_variance_the_moments_are_those_of_a_constant() -> None:
    found = moments(activation("sigmoid"), 0.0, mean=1.0)
    assert found.m1 == pytest.approx(1 / (1 + math.exp(-1)))
    assert found.var == pytest.approx(0)
    assert moments(activation("relu"), 0.0).m2 == 0
    assert moments(activation("relu"), 0.0).d2 == pytest.approx(0.5)


@pytest.mark.parametrize("q", [-1.0, math.nan, math.inf])
def test_a_size_that_is_none_is_refused(q: float) -> None:
    with pytest.raises(TheoryError, match="finite"):
        moments(activation("tanh"), q)


def test_moments_do_not_depend_on_defaults_that_users_set() -> None:
    before = moments(activation("gelu"), 0.7)
    moments.cache_clear()
    torch.set_default_dtype(torch.float16)
    torch.set_default_device("meta")
    try:
        with torch.inference_mode():
            assert moments(activation("gelu"), 0.7) == before
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


def test_an_activation_of_a_plug_in_needs_only_its_function() -> None:
    class Cube(Activation):
        name = "cube"

        def f(self, x: torch.Tensor) -> torch.Tensor:
            return x**3

    assert moments(Cube(), 1.0).m2 == pytest.approx(15)
