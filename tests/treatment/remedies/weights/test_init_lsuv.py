"""Each layer puts out signals of size one for the first batch."""

import pytest
import torch
from support.treating import given, mlp
from torch import Tensor, nn

from gradmedic.treatment.remedies.weights.init_lsuv import InitLsuv


def sizes(model: nn.Sequential, x: Tensor) -> list[float]:
    """The root mean square of what comes out of each linear layer."""
    found = []
    for layer in model:
        x = layer(x)
        if isinstance(layer, nn.Linear):
            found.append(float(x.detach().square().mean().sqrt()))
    return found


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Sigmoid, nn.Tanh])
def test_all_layers_put_out_size_one(activation: type[nn.Module]) -> None:
    model = mlp(*[64] * 11, activation=activation)
    torch.manual_seed(1)
    x = 300 * torch.randn(40, 64)
    with given(InitLsuv()):
        model(x)
        assert sizes(model, x) == pytest.approx([1.0] * 10, abs=0.05)


def test_constant_outputs_do_not_blow_the_weights_up() -> None:
    model = mlp(8, 8, 8, activation=nn.Sigmoid)
    with given(InitLsuv()):
        model(torch.zeros(4, 8))
        assert max(float(p.detach().abs().max()) for p in model.parameters()) < 20


def test_functions_of_raw_tensors_are_fitted_too() -> None:
    weight = torch.full((64, 64), 1e-4, requires_grad=True)
    torch.manual_seed(1)
    x = torch.randn(40, 64)
    with given(InitLsuv()):
        assert float((x @ weight).detach().square().mean().sqrt()) == pytest.approx(1.0, abs=0.05)
