"""Weights stay in their box."""

from typing import Any

import torch
from support.treating import given, mlp, sgd, step
from torch import nn

from gradmedic.treatment.remedies.update.clip_weights import ClipWeights


def test_no_weight_of_the_named_model_leaves_the_box() -> None:
    critic, other = mlp(2, 4, 1), mlp(2, 4, 1)
    model: Any = nn.ModuleDict({"critic": critic, "other": other})
    optimizer = sgd(model, 10.0)
    with given(ClipWeights(0.05, ("critic.**",)), model, optimizer):
        for part in (critic, other):
            step(part, optimizer, torch.ones(3, 2), torch.ones(3, 1))
    assert max(float(p.detach().abs().max()) for p in critic.parameters()) <= 0.0501
    assert max(float(p.detach().abs().max()) for p in other.parameters()) > 0.0501
