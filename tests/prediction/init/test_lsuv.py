"""LSUV: what weights make of a batch has size one, and nothing blows up."""

import pytest
import torch
import torch.nn.functional as F
from support.nets import Functional, data, mlp
from torch import Tensor, nn

from gradmedic.base.errors import InitError
from gradmedic.prediction import init


def outputs(model: nn.Module, x: Tensor) -> list[float]:
    """Root mean squares of what linear layers make."""
    found: list[float] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> None:
        found.append(float(output.detach().square().mean().sqrt()))

    handles = [m.register_forward_hook(keep) for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    model(x)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("size", [1.0, 0.3])
@pytest.mark.parametrize("function", [torch.sigmoid, F.relu, torch.sin], ids=["sigmoid", "relu", "sine"])
def test_each_layer_makes_the_size_that_is_asked_for(function: nn.Module, size: float) -> None:
    model = Functional(6, 32, function)
    init.lsuv_(model, 10 * data(), size=size, seed=0)
    assert outputs(model, 10 * data()) == pytest.approx([size] * 7, rel=1e-3)


def test_convolutions_are_scaled_with_their_borders() -> None:
    x = torch.randn(4, 3, 6, 6)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=2, stride=2))
    init.lsuv_(model, x, seed=0)
    assert outputs(model, x) == pytest.approx([1.0, 1.0], rel=1e-3)


def test_saturated_outputs_that_are_all_alike_do_not_blow_weights_up() -> None:
    model = mlp(8, 32, nn.Sigmoid(), 32, nn.Sigmoid(), 3)
    init.lsuv_(model, 1e-4 * data().abs() + 1, seed=0)
    assert float(model.get_parameter("2.weight").detach().abs().max()) < 3


def test_a_layer_without_a_signal_is_left_as_drawn() -> None:
    model = mlp(8, 32, nn.ReLU(), 3)
    init.lsuv_(model, torch.zeros(4, 8), seed=0)
    assert all(bool(p.isfinite().all()) for p in model.parameters())


def test_the_parts_of_attention_are_all_scaled() -> None:
    model = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    x = torch.randn(4, 6, 16)
    init.lsuv_(model, x, seed=0)
    q, k, v = F.linear(x, model.self_attn.in_proj_weight).detach().chunk(3, -1)
    assert float(torch.cat([q, k, v]).square().mean()) == pytest.approx(1.0, rel=1e-3)
    assert not torch.equal(model.self_attn.out_proj.weight, before["self_attn.out_proj.weight"])


def test_a_shape_alone_will_not_do() -> None:
    with pytest.raises(InitError, match="a shape alone"):
        init.lsuv_(mlp(8, 3), (4, 8))
