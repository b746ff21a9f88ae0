"""What comes out at a place has mean zero and spread one."""

from typing import Any

import pytest
import torch
from support.treating import given, mlp
from torch import Tensor, nn

from gradmedic.base.errors import RemedyError
from gradmedic.treatment.remedies.model.normalize import Normalize


def outputs(model: nn.Module, layer: nn.Module, x: Tensor) -> Tensor:
    """What reaches the layer behind the normalized one."""
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    model(x)
    handle.remove()
    return seen[0]


def test_each_sample_is_normalized_over_its_features() -> None:
    model = mlp(4, 16, 2)
    with given(Normalize(("0/linear",)), model):
        seen = outputs(model, model[1], 50 * torch.randn(8, 4) + 3)
    assert torch.allclose(seen.mean(1), torch.zeros(8), atol=1e-5)
    assert torch.allclose(seen.std(1, correction=0), torch.ones(8), atol=1e-2)


def test_rms_leaves_the_mean() -> None:
    model = mlp(4, 16, 2)
    with given(Normalize(("0/linear",), "rms"), model):
        seen = outputs(model, model[1], 50 * torch.randn(8, 4))
    assert torch.allclose(seen.square().mean(1), torch.ones(8), atol=1e-2)
    assert seen.mean(1).abs().max() > 0.01


def test_batches_are_normalized_over_the_batch_and_evaluation_by_running_averages() -> None:
    torch.manual_seed(0)
    model: Any = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU())
    x = 7 * torch.randn(16, 1, 8, 8) + 5
    with given(Normalize(("0/conv",), "batch"), model):
        for _ in range(60):
            seen = outputs(model, model[1], x)
        assert torch.allclose(seen.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
        with torch.no_grad():
            alone = outputs(model, model[1], x[:1])
        assert torch.allclose(alone, seen[:1], atol=0.1)


def test_a_kind_that_nobody_knows_is_refused() -> None:
    with pytest.raises(RemedyError, match="did you mean 'layer'"), given(Normalize(("0/linear",), "layers")):
        pass
