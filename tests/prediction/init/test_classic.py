"""He, Xavier, orthogonal: torch's numbers, with the fans that layers have."""

import math

import pytest
import torch
import torch.nn.functional as F
from support.nets import Functional, data, mlp
from torch import Tensor, nn

from gradmedic import gain
from gradmedic.base.errors import InitError
from gradmedic.prediction import init


def std(done: init.Initialized, name: str) -> float:
    return done[name].after.std


@pytest.mark.parametrize(
    ("function", "factor"),
    [
        (F.relu, math.sqrt(2)),
        (torch.tanh, 5 / 3),
        (torch.sigmoid, 1.0),
        (F.selu, 0.75),
        (lambda x: F.leaky_relu(x, 0.2), math.sqrt(2 / 1.04)),
        (F.gelu, float(gain("gelu", "forward"))),
    ],
    ids=["relu", "tanh", "sigmoid", "selu", "leaky_relu", "gelu"],
)
def test_the_gain_is_that_of_the_activation_that_follows(function: nn.Module, factor: float) -> None:
    done = init.he_(Functional(2, 256, function), data(), seed=0)
    assert std(done, "layers.1.weight") == pytest.approx(factor / 16, rel=0.02)
    assert std(done, "head.weight") == pytest.approx(1 / 16, rel=0.15)


@pytest.mark.parametrize("law", ["normal", "uniform"])
def test_laws_are_those_of_torch(law: str) -> None:
    model = mlp(8, 200, nn.ReLU(), 100, nn.ReLU(), 3)
    done = init.xavier_(model, data(), gain=1.0, law=law, seed=0)
    twin = nn.init.xavier_normal_ if law == "normal" else nn.init.xavier_uniform_
    expected = twin(torch.empty(100, 200))
    assert std(done, "2.weight") == pytest.approx(float(expected.std()), rel=0.03)
    weight = model.get_parameter("2.weight")
    assert float(weight.detach().abs().max()) == pytest.approx(float(expected.abs().max()), rel=0.3)


def test_orthogonal_matrices_are_those_of_torch() -> None:
    model = mlp(8, 64, nn.ReLU(), 16, nn.ReLU(), 3)
    init.orthogonal_(model, data(), gain=1.0, seed=0)
    tall, wide = (model.get_parameter(f"{i}.weight").detach() for i in (0, 2))
    assert torch.allclose(tall.T @ tall, torch.eye(8), atol=1e-5)
    assert torch.allclose(wide @ wide.T, torch.eye(16), atol=1e-5)


def test_biases_become_zero_and_norms_stay() -> None:
    model = mlp(8, 16, nn.LayerNorm(16), nn.ReLU(), 3)
    nn.init.constant_(model.get_parameter("1.weight"), 0.7)
    init.he_(model, data())
    assert not model.get_parameter("0.bias").any()
    assert bool((model.get_parameter("1.weight") == 0.7).all())


@pytest.mark.parametrize(
    ("layer", "fan_in", "fan_out"),
    [
        (nn.Conv2d(16, 32, 3), 16 * 9, 32 * 9),
        (nn.Conv2d(16, 32, 3, groups=4), 4 * 9, 8 * 9),
        (nn.Conv2d(16, 16, 3, groups=16), 9, 9),
        (nn.ConvTranspose2d(16, 32, 4, stride=2), 16 * 16 / 4, 32 * 16),
        (nn.ConvTranspose2d(16, 32, 4, stride=2, groups=2), 8 * 16 / 4, 16 * 16),
    ],
    ids=["plain", "grouped", "depthwise", "transposed", "transposed grouped"],
)
@pytest.mark.parametrize("traced", [True, False])
def test_fans_are_those_that_a_convolution_has(layer: nn.Module, fan_in: float, fan_out: float, traced: bool) -> None:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    batch = torch.randn(2, 16, 8, 8) if traced else None
    for mode, fan in (("fan_in", fan_in), ("fan_out", fan_out)):
        done = init.he_(layer, batch, gain=1.0, mode=mode, seed=0)
        assert std(done, "weight") == pytest.approx(fan**-0.5, rel=4 / math.sqrt(weight.numel()))


def test_weights_of_shape_in_out_have_the_right_fan() -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Parameter(torch.randn(8, 400)), nn.Parameter(torch.randn(30, 400))

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(x @ self.first) @ self.second.T

    done = init.he_(Turned(), data(), gain=1.0, seed=0)
    assert std(done, "first") == pytest.approx(8**-0.5, rel=0.05)
    assert std(done, "second") == pytest.approx(400**-0.5, rel=0.05)


def test_recurrent_layers_are_drawn_gate_by_gate() -> None:
    model = nn.LSTM(8, 32)
    done = init.xavier_(model, torch.randn(5, 2, 8), seed=0)
    assert std(done, "weight_ih_l0") == pytest.approx((2 / 40) ** 0.5, rel=0.1)
    init.orthogonal_(model, torch.randn(5, 2, 8), seed=0)
    for gate in model.get_parameter("weight_hh_l0").detach().reshape(-1, 32, 32):
        assert torch.allclose(gate @ gate.T, torch.eye(32), atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "says"), [({"law": "cauchy"}, "law 'cauchy'"), ({"mode": "fan_avg"}, "mode 'fan_avg'")]
)
def test_what_nobody_knows_is_refused(wrong: dict[str, str], says: str) -> None:
    with pytest.raises(InitError, match=says):
        init.he_(mlp(8, 3), data(), **wrong)  # type: ignore[arg-type]
