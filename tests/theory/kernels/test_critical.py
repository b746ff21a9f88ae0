"""Critical points and gains: against the oracle, and as what they claim to be."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.oracle import ACTIVATIONS
from torch import nn
from torch.nn import functional

import gradmedic as gm
from gradmedic.base.errors import TheoryError
from gradmedic.theory.activations import activation
from gradmedic.theory.kernels.critical import critical, edge_of_chaos, homogeneous, on_edge, with_bias
from gradmedic.theory.kernels.gain import Gain, gain
from gradmedic.theory.kernels.moments import moments

every_oracle = pytest.mark.parametrize("name", ACTIVATIONS)
has_critical = st.sampled_from(["tanh", "elu", "selu", "gelu", "silu", "relu", "hardtanh", "softsign", "erf", "snake"])

NO_POINT = ["softplus", "logsigmoid", "hardshrink", "threshold"]


def near(value: float, name: str) -> object:
    """Hardsigmoid's gradient is rounded to float32 by torch."""
    return pytest.approx(value, rel=1e-6 if name == "hardsigmoid" else 1e-9, abs=1e-9)


@every_oracle
def test_the_point_at_size_one_meets_the_oracle(name: str) -> None:
    known, found = ACTIVATIONS[name]["critical"]["at_q_1"], on_edge(activation(ACTIVATIONS[name]["spelled"]), 1.0)
    assert found.sigma_w == near(known["sigma_w"], name)
    assert found.sigma_b2 == near(known["sigma_b2"], name)
    assert found.slope == near(known["q_map_slope"], name)
    assert found.dchi_dq == near(known["dchi_dq"], name)
    assert found.feasible == known["feasible"]


@every_oracle
def test_points_without_bias_meet_the_oracle(name: str) -> None:
    known = ACTIVATIONS[name]["critical"]
    phi = activation(ACTIVATIONS[name]["spelled"])
    assert homogeneous(phi) == known["homogeneous"]
    points = with_bias(phi)
    if known["homogeneous"]:
        assert [point.sigma_w for point in points] == [near(known["sigma_b0_points"][0]["sigma_w"], name)]
        return
    apart = [point for point in points if point.q_star > 0]
    assert [point.q_star for point in apart] == [near(k["q_star"], name) for k in known["sigma_b0_points"]]
    assert [point.sigma_w for point in apart] == [near(k["sigma_w"], name) for k in known["sigma_b0_points"]]
    assert [point.stable for point in apart] == [k["q_fixed_point_stable"] for k in known["sigma_b0_points"]]
    edge = known.get("q0_edge", {"attracting": False})
    vanishing = [point.sigma_w for point in points if point.q_star == 0]
    assert vanishing == ([near(edge["sigma_w"], name)] if edge["attracting"] else [])


@given(has_critical, st.floats(-2, 2).map(lambda e: 10.0**e))
def test_a_critical_point_holds_signal_and_gradient(name: str, q: float) -> None:
    phi, point = activation(name), critical(name, q)
    m = moments(phi, point.q_star)
    assert point.sigma_w**2 * m.d2 == pytest.approx(1)
    assert point.sigma_w**2 * m.m2 + point.sigma_b2 == pytest.approx(point.q_star)
    assert point.sigma_b2 >= 0


def test_a_deep_network_at_its_critical_point_keeps_signal_and_gradient() -> None:
    torch.manual_seed(0)
    at, width = gain("tanh"), 300
    layers = [nn.Linear(width, width) for _ in range(40)]
    for layer in layers:
        nn.init.normal_(layer.weight, std=at / width**0.5)
        nn.init.normal_(layer.bias, std=at.bias_std)
    x = signal = torch.randn(64, width, requires_grad=True)
    for layer in layers:
        signal = layer(torch.tanh(signal))
    (gradient,) = torch.autograd.grad(signal, x, torch.randn(64, width))
    assert signal.square().mean().item() == pytest.approx(1, rel=0.2)
    assert gradient.square().mean().item() == pytest.approx(1, rel=0.5)


def test_where_biases_cannot_do_it_the_nearest_size_is_taken() -> None:
    assert critical("sigmoid").q_star == pytest.approx(45.6242777974)
    assert critical("sigmoid", q=100.0).q_star == 100.0


def test_a_given_bias_variance_is_kept() -> None:
    point = critical("tanh", bias=0.05)
    assert point.sigma_b2 == pytest.approx(0.05)
    assert point.sigma_w**2 == pytest.approx(1.76, abs=0.01)  # Schoenholz et al., figure 2
    assert critical("tanh", bias=0.0).sigma_w == pytest.approx(1)


@pytest.mark.parametrize("name", NO_POINT)
def test_says_so_where_there_is_none_and_names_a_better_way(name: str) -> None:
    with pytest.raises(TheoryError, match=r"no critical initialization.*another activation.*normalize"):
        gain(name)


def test_says_which_bias_it_takes_where_none_is_not_enough() -> None:
    with pytest.raises(TheoryError, match="it takes gain"):
        critical("gelu", bias=0.0)


def test_the_edge_of_chaos_is_where_such_points_are() -> None:
    curve = edge_of_chaos(activation("sigmoid"))
    assert min(point.q_star for point in curve) > 45
    assert all(point.feasible for point in curve)


@every_oracle
def test_gains_meet_the_oracle(name: str) -> None:
    known = ACTIVATIONS[name]
    assert gain(known["spelled"], "forward") == near(known["gain_forward"], name)
    assert gain(known["spelled"], "backward") == near(known["gain_backward"], name)


@pytest.mark.parametrize(("name", "parameter"), [("linear", None), ("relu", None), ("leaky_relu", 0.2)])
def test_gains_of_broken_lines_are_those_of_torch(name: str, parameter: float | None) -> None:
    it = "identity" if name == "linear" else name
    mine = gain(activation(it, negative_slope=parameter) if parameter else it)
    assert mine == pytest.approx(nn.init.calculate_gain(name, parameter))  # type: ignore[arg-type]


def test_a_gain_is_a_number_that_knows_its_bias() -> None:
    found = gm.gain(functional.gelu)
    assert isinstance(found, Gain)
    assert found * 2 == float(found) * 2
    assert found.bias_std**2 == pytest.approx(found.bias_variance)
    assert repr(found).startswith("Gain(1.48")
    nn.init.xavier_normal_(torch.empty(3, 3), gain=found)


def test_gains_are_those_of_any_callable() -> None:
    assert gain(lambda x: torch.where(x > 0, x, 0.2 * x)) == pytest.approx(math.sqrt(2 / 1.04))
    assert gain(nn.Sequential(nn.Tanh(), nn.ReLU()), "backward") > 1


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(TheoryError, match="'sideways' is not one of critical, forward, backward"):
        gain("relu", "sideways")


def test_where_nothing_passes_there_is_no_gain() -> None:
    with pytest.raises(TheoryError, match="no gradient passes"):
        gain(lambda x: 0 * x, "backward")
