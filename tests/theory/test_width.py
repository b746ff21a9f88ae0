"""Networks of finite width: their spread over initializations, drawn and told."""

import math

import pytest
import torch
from torch import nn

from gradmedic.theory.activations import activation
from gradmedic.theory.one_sample import Layer, one_sample
from gradmedic.theory.width import interval, noise, reliable


@pytest.mark.parametrize(
    ("name", "backward", "forward"),  # n times what is added; from closed forms, tanh from independent quadrature
    [("relu", 5.0, 5.0), ("identity", 2.0, 2.0), ("tanh", 3.75, None)],
)
def test_one_sample_varies_by_the_fourth_moments(name: str, backward: float, forward: float | None) -> None:
    found = noise(activation(name), 1.0, 100)
    assert 100 * found.backward == pytest.approx(backward, abs=0.01)
    if forward is not None:
        assert 100 * found.forward == pytest.approx(forward, abs=1e-6)


def test_orthogonal_weights_take_away_what_they_fix() -> None:
    found = noise(activation("identity"), 1.0, 100, orthogonal=True)
    assert found.forward == pytest.approx(0, abs=1e-9)
    assert found.backward == pytest.approx(0, abs=1e-9)


def test_samples_that_differ_average_out() -> None:
    alike, apart = (noise(activation("relu"), 1.0, 50, c, c) for c in (1.0, 0.2))
    assert apart.forward < alike.forward
    assert apart.backward < alike.backward


def relu_net(width: int, depth: int) -> list[Layer]:
    return [Layer(activation("relu"), width, 2 / width) for _ in range(depth)] + [Layer(None, width, 2 / width)]


def test_the_drawn_law_of_relu_is_the_known_one() -> None:
    """Var ln |gradient|^2 ~ 5 depth / width, mean ln = ln mean - half of it (Hanin and Nica)."""
    width, depth = 200, 10
    drawn = one_sample(relu_net(width, depth), width, 1.0, draws=4000)
    _, gradient = drawn.log_std()
    assert float(gradient[0]) == pytest.approx(math.sqrt(5 * depth / width), rel=0.08)
    assert float(drawn.gradients[:, 0].mean()) == pytest.approx(1, rel=0.05)
    assert float(drawn.gradients[:, 0].log().mean()) == pytest.approx(-2.5 * depth / width, abs=0.04)


def test_the_drawn_law_is_that_of_real_networks() -> None:
    torch.manual_seed(0)
    width, depth, phi = 40, 6, activation("gelu")
    logs = []
    for _ in range(400):
        x = nn.functional.normalize(torch.randn(width), dim=0) * math.sqrt(width)
        for layer in range(depth):
            x = math.sqrt(2 / width) * torch.randn(width, width) @ (phi.f(x) if layer else x)
        logs.append(float(x.square().mean().log()))
    measured = torch.tensor(logs)
    layers = [Layer(phi, width, 2 / width) for _ in range(depth - 1)] + [Layer(None, width, 2 / width)]
    drawn = one_sample(layers, width, 1.0, draws=2000).squares[:, -1].log()
    assert float(drawn.mean()) == pytest.approx(float(measured.mean()), abs=0.15)
    assert float(drawn.std()) == pytest.approx(float(measured.std()), rel=0.15)


def test_drawing_is_repeatable_and_leaves_the_users_random_numbers_alone() -> None:
    before = torch.get_rng_state()
    first, second = (one_sample(relu_net(8, 3), 8, 1.0, draws=5).squares for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_quantiles_hold_their_share() -> None:
    low, high = one_sample(relu_net(30, 5), 30, 1.0, draws=1000).quantiles(0.025, 0.975)[0][:, -1]
    assert low < 1 < high


def test_intervals_widen_with_the_spread() -> None:
    low, high = interval(0.0)
    assert low * high == pytest.approx(1)
    assert 1.1 < high < 1.2
    assert interval(0.5)[1] > math.exp(1.96 * 0.5)


def test_unstable_sizes_and_large_spreads_are_not_relied_on() -> None:
    assert reliable(0.3, [1.0] * 50)
    assert not reliable(0.6, [1.0] * 50)
    assert not reliable(0.1, [0.5, 1.1, 1.2, 1.3, 1.3, 0.4])
    assert reliable(0.1, [0.5, 1.5, 0.4, 1.5])
