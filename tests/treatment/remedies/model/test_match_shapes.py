"""A column and a vector of as many numbers are compared one by one."""

import pytest
import torch
from support.treating import given
from torch.nn import functional as F

from gradmedic.treatment.remedies.model.match_shapes import MatchShapes

TARGET = torch.arange(5.0)


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_only_pairs_are_compared() -> None:
    output = torch.zeros(5, 1, requires_grad=True)
    with given(MatchShapes()):
        assert (output - TARGET).shape == (5,)
        assert F.mse_loss(output, TARGET) == F.mse_loss(torch.zeros(5), TARGET)
        assert F.l1_loss(TARGET, output) == TARGET.mean()


def test_other_broadcasts_stay() -> None:
    output = torch.zeros(5, 3, requires_grad=True)
    with given(MatchShapes()):
        assert (output - torch.ones(3)).shape == (5, 3)
        assert (torch.ones(5, 1) - TARGET).shape == (5, 5), "no gradient: not a loss"
