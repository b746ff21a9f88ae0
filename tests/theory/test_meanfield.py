"""Deep plain networks: fixed points, depth scales, and what a real wide network does."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradmedic.theory.activations import activation
from gradmedic.theory.kernels.critical import critical
from gradmedic.theory.meanfield import MeanField, decades_per_10_layers, depth_scale

bounded = st.sampled_from(["tanh", "erf", "hardtanh", "softsign", "sigmoid"])
variances = st.floats(0.1, 9)


@settings(max_examples=15)
@given(bounded, variances, st.one_of(st.just(0.0), st.floats(1e-3, 2)))
def test_with_a_bounded_activation_layers_reach_a_stable_point(name: str, weights: float, biases: float) -> None:
    net = MeanField(activation(name), weights, biases)
    stable = [point for point in net.fixed_points() if point.stable]
    if abs(weights - 1) > 0.05:
        assert stable
    reached = net.lengths(3.0, 400)[-1]
    assert min((abs(point.q - reached) for point in stable), default=0.0) < 1e-2


@pytest.mark.parametrize(
    ("weights", "q", "factor"),  # of sigmoid nets without biases, from independent quadrature
    [(1.0, 0.2647, 0.2361), (2.0, 0.5553, 0.3178)],
)
def test_sigmoid_nets_lose_what_they_are_known_to_lose(weights: float, q: float, factor: float) -> None:
    (point,) = MeanField(activation("sigmoid"), weights).fixed_points()
    assert point.q == pytest.approx(q, abs=1e-4)
    assert math.sqrt(point.chi) == pytest.approx(factor, abs=1e-4)
    assert decades_per_10_layers(point.chi) == pytest.approx(10 * math.log10(factor), abs=1e-2)


@given(st.sampled_from(["tanh", "elu", "selu", "hardtanh", "sigmoid"]))
def test_at_the_critical_point_depth_is_no_limit(name: str) -> None:
    at = critical(name)
    net = MeanField(activation(name), at.sigma_w**2, at.sigma_b2)
    point = min(net.fixed_points(), key=lambda p: abs(p.q - at.q_star))
    assert point.q == pytest.approx(at.q_star, rel=1e-6)
    assert point.slope == pytest.approx(at.slope, abs=1e-6)
    assert abs(point.xi_grad) > 1e6
    assert not point.chaotic


def test_chaos_parts_inputs_and_order_joins_them() -> None:
    nets = [MeanField(activation("tanh"), weights, 0.05) for weights in (4.0, 1.0)]
    chaotic, ordered = (net.fixed_points()[-1] for net in nets)
    assert chaotic.chi > 1
    assert 0 < chaotic.c < 0.9
    assert chaotic.xi_grad < 0 < chaotic.xi_c < 10
    assert ordered.c == 1
    assert ordered.xi_c == ordered.xi_grad > 0
    c = torch.tensor([0.99], dtype=torch.float64)
    for _ in range(300):
        c = nets[0].correlation(c, chaotic.q)
    assert float(c) == pytest.approx(chaotic.c, abs=1e-6)


def test_relu_at_its_critical_point_comes_together_as_known() -> None:
    """1 - c ~ 9 pi^2 / (2 l^2) (Hayou et al., 2019)."""
    net, c = MeanField(activation("relu"), 2.0), torch.tensor([0.5], dtype=torch.float64)
    for _ in range(500):
        c = net.correlation(c, 1.0)
    assert (1 - float(c)) * 500**2 / (9 * math.pi**2 / 2) == pytest.approx(0.95, abs=0.02)


def test_relu_keeps_every_size_or_none() -> None:
    assert [point.q for point in MeanField(activation("relu"), 2.0).fixed_points()] == [1.0]
    assert [point.q for point in MeanField(activation("relu"), 1.0).fixed_points()] == [0.0]
    (point,) = MeanField(activation("relu"), 1.0, 0.5).fixed_points()
    assert point.q == pytest.approx(1.0)


def test_a_wide_network_follows_the_maps() -> None:
    torch.manual_seed(1)
    width, net = 2000, MeanField(activation("gelu"), 1.7, 0.1)
    x = torch.randn(2, width, dtype=torch.float64)
    x[1] = 0.8 * x[0] + 0.6 * x[1]
    q = float((x**2).mean())
    c = torch.tensor([float((x[0] * x[1]).mean()) / q], dtype=torch.float64)
    for _ in range(4):
        weights = torch.randn(width, width, dtype=torch.float64) * (1.7 / width) ** 0.5
        x = torch.nn.functional.gelu(x) @ weights + 0.1**0.5 * torch.randn(width, dtype=torch.float64)
        q, c = net.length(q), net.correlation(c, q)
    assert float((x**2).mean()) == pytest.approx(q, rel=0.15)
    assert float((x[0] * x[1]).mean() / (x**2).mean()) == pytest.approx(float(c), abs=0.03)


def test_depth_scales_say_where_things_go() -> None:
    assert depth_scale(math.exp(-1 / 7)) == pytest.approx(7)
    assert depth_scale(math.exp(1 / 7)) == pytest.approx(-7)
    assert depth_scale(1.0) == math.inf
    assert depth_scale(0.0) == 0


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "gelu"])
def test_what_a_signal_settles_at_is_what_many_layers_make_of_it(name: str) -> None:
    net = MeanField(activation(name), 1 / 3, 1e-3)
    assert net.settled() == pytest.approx(net.lengths(1.0, 400)[-1], rel=1e-3)


def test_a_signal_that_grows_without_end_does_not_keep_anybody_waiting() -> None:
    assert MeanField(activation("relu"), 8.0).settled() > 1e3
    assert MeanField(activation("hardshrink"), 1e-3).settled() < 1e-9


def test_no_gradient_is_all_decades() -> None:
    assert decades_per_10_layers(0.0) == -math.inf
