"""A row without anything to look at gets no weight and no gradient."""

import torch
from support.treating import given
from torch.nn import functional as F

from gradmedic.treatment.remedies.model.safe_softmax import SafeSoftmax


def test_empty_rows_become_zero_and_others_stay() -> None:
    scores = torch.tensor([[1.0, 2.0, float("-inf")], [0.0, 0.0, 0.0]], requires_grad=True)
    masked = scores.masked_fill(torch.tensor([[False], [True]]), float("-inf"))
    with given(SafeSoftmax(("*/softmax",))):
        weights = F.softmax(masked, dim=-1)
        (weights * torch.arange(3)).sum().backward()
    assert torch.equal(weights[0].detach(), masked[0].detach().softmax(-1))
    assert not weights[1].any()
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()
    assert not scores.grad[1].any()
