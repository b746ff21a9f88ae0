"""The network learns standard targets, and predicts in the script's units."""

import pytest
import torch
from support.treating import given, mlp, sgd, train
from torch import Tensor, nn
from torch.nn import functional as F

from gradmedic.treatment.remedies.model.standardize_targets import StandardizeTargets


def test_prices_are_learned_by_plain_gradient_descent() -> None:
    torch.manual_seed(1)
    x = torch.randn(64, 3)
    y = 2e5 * x[:, :1] + 3e5
    model = mlp(3, 16, 1)
    with given(StandardizeTargets(), model):
        losses = train(model, sgd(model, 0.1), x, y, 300)
        with torch.no_grad():
            error = F.mse_loss(model(x), y) / y.var()
    assert losses[-1] < 0.05
    assert float(error) < 0.05


def test_a_difference_that_is_written_by_hand_is_seen_in_both_orders_and_through_reshapes() -> None:
    torch.manual_seed(1)
    x = torch.randn(64, 3)
    y = 2e5 * x[:, 0] + 3e5
    model = mlp(3, 16, 1)
    with given(StandardizeTargets(), model):
        losses = train(model, sgd(model, 0.1), x, y, 300, lambda out, target: (target - out.squeeze(1)).pow(2).mean())
        with torch.no_grad():
            error = (model(x).squeeze(1) - y).square().mean() / y.var()
    assert losses[-1] < 0.05
    assert float(error) < 0.05


def test_of_several_outputs_only_the_one_that_is_compared_gets_units() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value, self.policy = mlp(3, 1), mlp(3, 2)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.policy(x), self.value(x).squeeze(1)

    model = Two()
    x, returns = torch.ones(4, 3), torch.tensor([1e4, 0.0, 1e4, 2e4])
    with given(StandardizeTargets(), model):
        logits, value = model(x)
        (value - returns).square().mean().backward()
        assert float(value.grad_fn is not None)
        later, scaled = model(x)
        assert torch.equal(later, logits)
        assert float(scaled.detach().mean()) == pytest.approx(1e4 + 8165 * float(value.detach().mean()), rel=1e-3)
        advantage = (returns - scaled).detach()
    assert advantage.abs().max() < 10


def test_a_metric_without_gradients_is_in_the_units_of_the_script() -> None:
    model = mlp(3, 1)
    x, y = torch.ones(4, 3), torch.tensor([[1.0], [2.0], [3.0], [4e5]])
    with given(StandardizeTargets(), model):
        F.mse_loss(model(x), y).backward()
        with torch.no_grad():
            assert F.mse_loss(model(x), y) > 1e9
