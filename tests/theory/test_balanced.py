"""Weights that sum to zero for each unit give every activation a critical point."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradmedic.theory.activations import activation
from gradmedic.theory.kernels.critical import enduring, on_edge
from gradmedic.theory.kernels.moments import moments

SMOOTH = [
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu(0.2)",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "hardsigmoid",
]
SMOOTH += ["softsign", "logsigmoid", "hardswish", "tanhshrink", "softshrink"]


@given(st.sampled_from(SMOOTH), st.floats(0.01, 10.0))
def test_there_is_one_at_every_size(name: str, q: float) -> None:
    point = on_edge(activation(name), q, balanced=True)
    assert point.feasible
    assert point.sigma_w**2 * moments(activation(name), q).d2 == pytest.approx(1.0)
    kept = point.sigma_w**2 * moments(activation(name), q).var + point.sigma_b2
    assert kept == pytest.approx(q, rel=1e-6)


def test_a_sigmoid_is_then_a_tanh_of_half_the_size() -> None:
    sigmoid, tanh = on_edge(activation("sigmoid"), 1.0, balanced=True), on_edge(activation("tanh"), 0.25)
    assert sigmoid.sigma_w == pytest.approx(4 * tanh.sigma_w)
    assert sigmoid.sigma_b2 == pytest.approx(4 * tanh.sigma_b2)
    assert sigmoid.slope == pytest.approx(tanh.slope, rel=1e-4)


@pytest.mark.parametrize("name", [name for name in SMOOTH if name != "tanhshrink"])  # which is steeper the farther out
def test_the_point_for_deep_networks_is_stable(name: str) -> None:
    point = enduring(activation(name))
    assert point.feasible
    assert point.q_star == 1.0
    assert point.slope < 1.0 + 1e-6


@pytest.mark.parametrize(("name", "balanced"), [("relu", False), ("tanh", False), ("gelu", True), ("sigmoid", True)])
def test_plain_weights_do_where_they_can(name: str, balanced: bool) -> None:
    assert enduring(activation(name)).balanced is balanced
