"""Each step uses the gradients of its own batches and no others."""

import torch
from support.treating import given, mlp, sgd
from torch import nn

from gradmedic.treatment.remedies.update.zero_gradients import ZeroGradients

X = torch.ones(4, 3)


def weights(zeroing: bool, *, remedy: ZeroGradients | None = None, passes: int = 1) -> list[torch.Tensor]:
    """Weights after three steps, in a loop that zeroes or does not."""
    model = mlp(3, 8, 1)
    optimizer = sgd(model)
    with given(remedy or ZeroGradients(), model, optimizer) if remedy else torch.enable_grad():
        for _ in range(3):
            if zeroing:
                optimizer.zero_grad()
            for _ in range(passes):
                model(X).square().mean().backward()
            optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(p, q) for p, q in zip(first, second, strict=True))


def test_a_loop_without_zeroing_trains_like_one_with_it() -> None:
    assert not same(weights(False), weights(True))
    assert same(weights(False, remedy=ZeroGradients()), weights(True))


def test_several_passes_before_a_step_still_add_up() -> None:
    assert same(weights(False, remedy=ZeroGradients(), passes=2), weights(True, passes=2))


def test_steps_by_hand_are_seen_too() -> None:
    weight = torch.ones(1, requires_grad=True)
    with given(ZeroGradients()):
        for _ in range(3):
            (3 * weight).sum().backward()
            with torch.no_grad():
                assert weight.grad is not None
                weight -= 0.1 * weight.grad
    assert torch.allclose(weight, torch.tensor([0.1]))


def test_zeroing_between_pass_and_step_is_ignored() -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    with given(ZeroGradients(only=True)):
        for _ in range(2):
            (3 * weight).sum().backward()
            optimizer.zero_grad()
            optimizer.step()
    assert torch.allclose(weight, torch.tensor([0.4]))
