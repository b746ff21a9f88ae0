"""Scores are brought together before their softmax."""

import torch
from support.treating import given

from gradmedic.treatment.remedies.model.scale_attention import ScaleAttention


def test_the_softmax_gets_milder_scores() -> None:
    scores = torch.tensor([[90.0, 10.0, -40.0]])
    with given(ScaleAttention(("*/softmax",), 0.01)):
        seen = scores.softmax(dim=1)
    assert torch.allclose(seen, (0.01 * scores).softmax(1))
