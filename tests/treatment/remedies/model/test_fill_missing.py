"""Missing values do not reach the network."""

from typing import Any

import torch
from support.treating import given
from torch import nn

from gradmedic.treatment.remedies.model.fill_missing import FillMissing


def test_missing_values_are_filled_and_others_stay() -> None:
    model: Any = nn.Identity()
    x = torch.tensor([[1.0, float("nan")], [float("inf"), -2.0]])
    with given(FillMissing(0.5)):
        assert torch.equal(model(x), torch.tensor([[1.0, 0.5], [0.5, -2.0]]))
    assert x.isnan().any(), "the data themselves are left alone"
