"""Recurrent weights keep the size of a state."""

from typing import Any

import pytest
import torch
from support.treating import given
from torch import nn

from gradmedic.treatment.remedies.weights.init_orthogonal import InitOrthogonal


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_each_gate_of_a_recurrent_layer_gets_its_own_orthogonal_matrix(kind: Any) -> None:
    rnn: Any = kind(3, 16)
    inputs = rnn.weight_ih_l0.detach().clone()
    with given(InitOrthogonal()):
        rnn(torch.ones(5, 2, 3))
        for block in rnn.weight_hh_l0.detach().split(16):
            assert torch.allclose(block @ block.T, torch.eye(16), atol=1e-5)
        assert torch.equal(rnn.weight_ih_l0, inputs)


def test_a_cell_that_is_written_by_hand_gets_it_by_name() -> None:
    hidden, other = (torch.ones(8, 8, requires_grad=True) for _ in range(2))
    with given(InitOrthogonal(("hidden",), 0.9)):
        state = torch.ones(2, 8)
        for _ in range(3):
            state = torch.tanh(state @ hidden + torch.ones(2, 8) @ other)
        assert torch.allclose(hidden.detach() @ hidden.detach().T, 0.81 * torch.eye(8), atol=1e-5)
        assert torch.equal(other.detach(), torch.ones(8, 8))


def test_the_identity_is_one() -> None:
    rnn: Any = nn.RNN(3, 16, nonlinearity="relu")
    with given(InitOrthogonal(("weight_hh_l0",), identity=True), rnn):
        rnn(torch.ones(5, 2, 3))
        assert torch.equal(rnn.weight_hh_l0.detach(), torch.eye(16))
