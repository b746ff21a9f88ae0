"""Gates start open."""

from typing import Any

import pytest
import torch
from support.treating import given
from torch import nn

from gradmedic.treatment.remedies.weights.forget_gate_bias import ForgetGateBias


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3)])
def test_the_gate_that_keeps_the_state_is_opened_and_the_others_stay(kind: Any, gates: int) -> None:
    rnn: Any = kind(3, 16)
    before = rnn.bias_ih_l0.detach().clone()
    with given(ForgetGateBias(2.0)):
        rnn(torch.ones(5, 2, 3))
        ours, hidden = rnn.bias_ih_l0.detach(), rnn.bias_hh_l0.detach()
        assert torch.equal(ours[16:32] + hidden[16:32], torch.full((16,), 2.0))
        assert torch.equal(ours[:16], before[:16])
        assert torch.equal(ours[32:], before[32:])
        assert len(ours) == 16 * gates


def test_the_gradient_reaches_far_back() -> None:
    torch.manual_seed(0)
    reach = []
    for remedy in (ForgetGateBias(0.0), ForgetGateBias(4.0)):
        rnn = nn.LSTM(3, 16)
        x = torch.randn(30, 2, 3, requires_grad=True)
        with given(remedy):
            rnn(x)[0][-1].sum().backward()
        assert x.grad is not None
        reach.append(float(x.grad[0].norm() / x.grad[-1].norm()))
    assert reach[1] > 100 * reach[0]


def test_other_layers_are_left_alone() -> None:
    layer = nn.Linear(3, 4)
    before = layer.bias.detach().clone()
    with given(ForgetGateBias(2.0)):
        layer(torch.ones(1, 3))
        assert torch.equal(layer.bias, before)
