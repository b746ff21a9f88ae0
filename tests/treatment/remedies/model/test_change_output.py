"""An output becomes one that can say what is asked for."""

from typing import Any

import pytest
import torch
from support.treating import given, mlp
from torch import nn

from gradmedic.base.errors import RemedyError
from gradmedic.treatment.remedies.model.change_output import ChangeOutput

X = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))


def test_the_last_activation_is_left_out() -> None:
    model: Any = nn.Sequential(mlp(4, 4, 2), nn.ReLU(inplace=True))
    with given(ChangeOutput("linear", ("1/relu",)), model):
        assert torch.equal(model(X), model[0](X))


def test_an_output_becomes_positive_everywhere() -> None:
    model = mlp(4, 4, 2)
    assert model(X).min() < 0
    with given(ChangeOutput("positive"), model):
        assert model(X).min() > 0


def test_a_softmax_over_one_unit_becomes_a_sigmoid() -> None:
    model: Any = nn.Sequential(mlp(4, 4, 1), nn.Softmax(1))
    with given(ChangeOutput("probability", ("1/softmax",)), model):
        assert torch.equal(model(X), model[0](X).sigmoid())


def test_several_outputs_are_refused() -> None:
    model: Any = nn.LSTM(4, 4)
    with given(ChangeOutput("positive"), model), pytest.raises(RemedyError, match="several things"):
        model(X.unsqueeze(0))
