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


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "nothing"])
def test_an_activation_without_such_a_point_is_refused(name: str) -> None:
    with pytest.raises(RemedyError, match="no initialization at which"), given(InitCritical(name)):
        pass
