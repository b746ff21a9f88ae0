"""Companions of an optimizer, which clip before each step."""

from typing import Any

import pytest
import torch
from torch import nn

import gradmedic as gm


def stepped(optimizer: torch.optim.Optimizer, weight: nn.Parameter, norm: float) -> float:
    """One step with a gradient of that norm; the norm that the optimizer used."""
    weight.grad = torch.full_like(weight, norm / weight.numel() ** 0.5)
    optimizer.step()
    return float(weight.grad.norm()) if weight.grad is not None else 0.0


@pytest.fixture
def weight() -> nn.Parameter:
    return nn.Parameter(torch.zeros(16))


@pytest.fixture
def optimizer(weight: nn.Parameter) -> torch.optim.Optimizer:
    return torch.optim.SGD([weight], lr=1e-3)


def test_the_robust_one_lets_a_trend_through_and_catches_spikes(
    weight: nn.Parameter, optimizer: torch.optim.Optimizer
) -> None:
    with gm.clip.robust(optimizer) as clip:
        for at in range(300):
            norm = 1.01**at * (1 + 0.1 * ((7 * at) % 5))
            assert stepped(optimizer, weight, norm) == pytest.approx(norm, rel=1e-5)
        assert stepped(optimizer, weight, 1000 * norm) < 10 * norm
        assert clip.engaged == 1
        assert clip.fraction == pytest.approx(1 / 301)


def test_it_leaves_steps_out_that_are_not_finite(weight: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
    with gm.clip.robust(optimizer):
        stepped(optimizer, weight, float("nan"))
    assert torch.equal(weight.detach(), torch.zeros(16))


def test_autoclip_clips_nine_steps_of_ten(weight: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
    with gm.clip.auto(optimizer) as clip:
        for at in range(200):
            stepped(optimizer, weight, 1 + ((37 * at) % 100) / 100)
    assert 0.8 < clip.fraction < 0.95


def test_zclip_brings_a_spike_near_to_the_mean(weight: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
    with gm.clip.zclip(optimizer):
        for at in range(60):
            stepped(optimizer, weight, 1 + 0.1 * ((7 * at) % 5))
        assert stepped(optimizer, weight, 50.0) < 1.3


def test_units_bounds_each_by_its_weights(weight: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
    with torch.no_grad():
        weight.fill_(1.0)
    with gm.clip.units(optimizer, ratio=0.01) as clip:
        assert stepped(optimizer, weight, 100.0) == pytest.approx(0.04, rel=1e-4)
    assert clip.fraction == 1.0


def test_it_is_gone_after_the_block(weight: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
    with gm.clip.units(optimizer):
        pass
    assert stepped(optimizer, weight, 100.0) == pytest.approx(100.0, rel=1e-5)
    assert not optimizer._optimizer_step_pre_hooks


def test_gradients_that_a_scaler_has_scaled_are_judged_by_their_true_norm(weight: nn.Parameter) -> None:
    fused: Any = torch.optim.SGD([weight], lr=1e-3, fused=True)
    fused.grad_scale, fused.found_inf = torch.tensor(1024.0), torch.tensor(0.0)
    with gm.clip.zclip(fused):
        for at in range(60):
            stepped(fused, weight, 1024 * (1 + 0.1 * ((7 * at) % 5)))
        assert stepped(fused, weight, 1024 * 50.0) < 1024 * 1.3
