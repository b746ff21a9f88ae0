"""Inputs come at mean zero and spread one, in training and afterwards alike."""

import pytest
import torch
from support.treating import given, mlp
from torch import Tensor, nn

from gradmedic.base.errors import RemedyError
from gradmedic.treatment.remedies.model.standardize_inputs import StandardizeInputs


class Seen(nn.Module):
    """Hands on what it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_all_entries_share_one_mean_and_spread() -> None:
    model = Seen()
    x = 40 * torch.rand(64, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([0.0, 100.0, 300.0])
    with given(StandardizeInputs()):
        seen = model(x)
    assert float(seen.mean()) == pytest.approx(0, abs=1e-4)
    assert float(seen.std()) == pytest.approx(1, abs=1e-2)
    assert seen[:, 2].mean() > 1


def test_each_feature_its_own_but_for_those_that_are_flat() -> None:
    model = Seen()
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([50.0, 2.0, 1e-3])
    with given(StandardizeInputs("feature")):
        seen = model(x)
    assert torch.allclose(seen[:, :1].std(0), torch.ones(1), atol=0.02)
    assert seen[:, 2].abs().max() < 0.1


def test_pixels_are_divided_by_the_largest_one() -> None:
    model = Seen()
    x = torch.tensor([[0.0, 51.0], [255.0, 102.0]])
    with given(StandardizeInputs("largest")):
        assert torch.allclose(model(x), x / 255)


def test_the_numbers_are_fixed_after_the_first_batches() -> None:
    model = Seen()
    with given(StandardizeInputs()):
        for _ in range(10):
            model(torch.full((4, 4), 2.0) + torch.eye(4))
        first = model(torch.ones(4, 4))
        model(torch.full((4, 4), 1e6))
        assert torch.equal(model(torch.ones(4, 4)), first)


def test_whole_numbers_and_what_needs_a_gradient_are_left_alone() -> None:
    model = Seen()
    tokens, fake = torch.arange(6).view(2, 3), torch.ones(2, 3, requires_grad=True)
    with given(StandardizeInputs()):
        assert model(tokens) is tokens
        assert model(fake) is fake


def test_a_critic_of_data_and_of_what_a_network_makes_is_refused() -> None:
    critic, generator = mlp(2, 4, 1), mlp(2, 4, 2)
    with given(StandardizeInputs()):
        critic(torch.randn(4, 2))
        with pytest.raises(RemedyError, match="what another one computes"):
            critic(generator(torch.randn(4, 2)))
