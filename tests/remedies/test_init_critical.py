"""Deep networks start where gradients neither vanish nor explode."""

import pytest
import torch
from torch import nn
from treating import given, mlp

from gradmedic.errors import RemedyError
from gradmedic.remedies.init_critical import InitCritical

KINDS = {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU, "softsign": nn.Softsign}


@pytest.mark.parametrize("name", KINDS)
def test_the_first_layer_gets_as_much_gradient_as_the_last(name: str) -> None:
    model = mlp(*[200] * 21, activation=KINDS[name])
    with given(InitCritical(name), model):
        torch.manual_seed(1)
        out = model(torch.randn(50, 200))
        out.backward(torch.randn_like(out))
    first, last = (model[at].weight.grad.norm() for at in (0, 38))
    assert 0.3 < float(first / last) < 3


def test_a_sigmoid_keeps_gradients_where_signals_are_large() -> None:
    model = mlp(*[200] * 13, activation=nn.Sigmoid)
    with given(InitCritical("sigmoid"), model):
        torch.manual_seed(1)
        model(torch.randn(50, 200)).sum().backward()
    first, last = (float(model[at].weight.grad.norm()) for at in (0, 22))
    assert first / last > 0.01  # as torch draws weights it is 1e-9


@pytest.mark.parametrize(("name", "why"), [("softplus", "no critical initialization"), ("nothing", "no activation")])
def test_an_activation_without_such_a_point_is_refused(name: str, why: str) -> None:
    with pytest.raises(RemedyError, match=why), given(InitCritical(name)):
        pass
