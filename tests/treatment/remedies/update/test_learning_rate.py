"""All learning rates of a script are multiplied, and the script does not notice."""

import torch
from support.treating import given, mlp, sgd, step, train

from gradmedic.treatment.remedies.update.learning_rate import LearningRate

X, Y = torch.ones(4, 3), torch.zeros(4, 1)


def test_training_is_that_with_another_rate_and_schedules_go_on() -> None:
    first, second = mlp(3, 8, 1), mlp(3, 8, 1)
    slow, fast = sgd(first, 0.01), sgd(second, 0.1)
    schedules = [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5) for optimizer in (slow, fast)]
    with given(LearningRate(10.0), first, slow):
        for _ in range(3):
            step(first, slow, X, Y)
            schedules[0].step()
    for _ in range(3):
        step(second, fast, X, Y)
        schedules[1].step()
    assert all(torch.allclose(p, q, rtol=1e-5) for p, q in zip(first.parameters(), second.parameters(), strict=True))
    assert slow.param_groups[0]["lr"] == 0.01 / 8


def test_steps_that_are_made_by_hand_are_scaled_too() -> None:
    weights = [torch.ones(3, requires_grad=True) for _ in range(2)]
    for weight, factor in zip(weights, (1.0, 0.1), strict=True):
        with given(LearningRate(factor)):
            (weight.square().sum()).backward()
            (grad,) = torch.autograd.grad(weight.square().sum(), [weight])
        with torch.no_grad():
            assert weight.grad is not None
            weight -= 0.1 * weight.grad + 0.1 * grad
    assert torch.allclose(weights[0], torch.full((3,), 0.6))
    assert torch.allclose(weights[1], torch.full((3,), 0.96))


def test_the_rate_is_put_back_after_a_step_that_crashed() -> None:
    model = mlp(3, 8, 1)
    optimizer = sgd(model, 0.01)

    def closure() -> float:
        raise ZeroDivisionError

    with given(LearningRate(10.0), model, optimizer):
        try:
            optimizer.step(closure)
        except ZeroDivisionError:
            train(model, optimizer, X, Y, 1)
    assert optimizer.param_groups[0]["lr"] == 0.01
