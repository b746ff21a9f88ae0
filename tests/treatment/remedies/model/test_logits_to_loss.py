"""A loss that wants logits gets logits, and everybody else the probabilities."""

from typing import Any

import pytest
import torch
from support.treating import given
from torch import Tensor, nn
from torch.nn import functional as F

from gradmedic.treatment.remedies.model.logits_to_loss import LogitsToLoss

Z = torch.tensor([[3.0, -1.0, 0.5], [0.1, 4.0, -2.0]])
Y = torch.tensor([0, 2])
T = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
RIGHT = F.cross_entropy(Z, Y)
BINARY = F.binary_cross_entropy_with_logits(Z, T)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (lambda: nn.CrossEntropyLoss()(nn.Softmax(1)(Z), Y), RIGHT),
        (lambda: F.cross_entropy(Z.softmax(-1).squeeze(), Y), RIGHT),
        (lambda: F.cross_entropy(torch.sigmoid(Z), Y), RIGHT),
        (lambda: F.cross_entropy(Z.unsqueeze(0).softmax(2).view(2, 3), Y), RIGHT),
        (lambda: F.nll_loss(torch.log_softmax(Z.softmax(1), 1), Y), RIGHT),
        (lambda: nn.BCEWithLogitsLoss()(torch.sigmoid(Z), T), BINARY),
        (lambda: nn.BCEWithLogitsLoss()(torch.sigmoid(Z).flatten(), T.flatten()), BINARY),
        (lambda: F.nll_loss(Z, Y), RIGHT),
        (lambda: F.nll_loss(Z.softmax(1), Y), RIGHT),
        (lambda: F.binary_cross_entropy(Z.clamp(0, 1), T), BINARY),
    ],
)
def test_a_loss_that_is_fed_wrongly_is_the_right_one(wrong: Any, right: Tensor) -> None:
    with given(LogitsToLoss()):
        found = wrong()
    assert torch.allclose(found, right)


@pytest.mark.parametrize(
    "right",
    [
        lambda: F.cross_entropy(Z, Y),
        lambda: F.nll_loss(torch.log_softmax(Z, 1), Y),
        lambda: F.nll_loss(torch.log(torch.softmax(Z, 1)), Y),
        lambda: F.binary_cross_entropy(torch.sigmoid(Z), T),
        lambda: F.binary_cross_entropy_with_logits(Z, T),
        lambda: F.cross_entropy(torch.relu(Z) + 1, Y),
    ],
)
def test_a_loss_that_is_fed_rightly_stays(right: Any) -> None:
    expected = right()
    with given(LogitsToLoss()):
        assert torch.allclose(right(), expected)


def test_evaluation_still_sees_probabilities() -> None:
    model: Any = nn.Sequential(nn.Linear(3, 3), nn.Softmax(1))
    expected = model(Z)
    with given(LogitsToLoss(), model):
        seen = model(Z)
        F.cross_entropy(seen, Y).backward()
        assert torch.equal(seen, expected)
