"""Clipping by norm bounds what a step can do, and leaves ordinary steps alone."""

import pytest
import torch
from support.treating import given, mlp, sgd, step
from torch import nn

from gradmedic.base.errors import RemedyError
from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.recording.sketch import sketch
from gradmedic.treatment.remedies.update.clip_grad_norm import ClipGradNorm

X, Y = torch.ones(4, 3), torch.full((4, 1), 1e6)


def moved(model: nn.Module, remedy: ClipGradNorm) -> float:
    """How far one step of size one goes."""
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = sgd(model, 1.0)
    with given(remedy, model, optimizer):
        step(model, optimizer, X, Y)
    moves = [(p.detach() - b).flatten() for p, b in zip(model.parameters(), before, strict=True)]
    return float(torch.cat(moves).norm())


def test_a_huge_gradient_makes_a_step_of_the_norm() -> None:
    assert moved(mlp(3, 8, 1), ClipGradNorm(0.5)) == pytest.approx(0.5, rel=1e-4)


def test_a_gradient_whose_square_float32_cannot_hold_is_clipped_too() -> None:
    weight = nn.Parameter(torch.zeros(4))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    weight.grad = torch.full((4,), 1e30)
    with given(ClipGradNorm(2.0), None, optimizer):
        optimizer.step()
    assert float(weight.detach().norm()) == pytest.approx(2.0, rel=1e-4)


def test_a_small_gradient_is_left_as_it_is() -> None:
    first, second = mlp(3, 8, 1), mlp(3, 8, 1)
    optimizers = sgd(first), sgd(second)
    with given(ClipGradNorm(1e9), first, optimizers[0]):
        step(first, optimizers[0], X, Y)
    step(second, optimizers[1], X, Y)
    assert all(torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters(), strict=True))


def test_gradients_that_a_closure_computes_are_clipped() -> None:
    model = mlp(3, 8, 1)
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = sgd(model, 1.0)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (model(X) - Y).square().mean()
        loss.backward()
        return float(loss.item())

    with given(ClipGradNorm(0.5), model, optimizer):
        optimizer.step(closure)
    moves = [(p.detach() - b).flatten() for p, b in zip(model.parameters(), before, strict=True)]
    assert float(torch.cat(moves).norm()) == pytest.approx(0.5, rel=1e-4)


def test_lbfgs_is_refused() -> None:
    model = mlp(3, 8, 1)
    optimizer = torch.optim.LBFGS(model.parameters())

    def closure() -> torch.Tensor:
        loss: torch.Tensor = (model(X) - Y).square().mean()
        loss.backward()
        return loss

    with given(ClipGradNorm(0.5), model, optimizer), pytest.raises(RemedyError, match="LBFGS compares the gradients"):
        optimizer.step(closure)


def test_the_dose_stands_above_healthy_norms_and_below_the_spikes() -> None:
    norms = [1.0, 1.3, 0.8, 1.1, 0.9, 1.2, 1.0, 0.95, 40.0] * 10
    recording = sketch(losses=[1.0] * 90, grad_norms=norms)
    spikes = Finding("loss-spike", Severity.WARNING, Message(""), Message(""))
    first = next(ClipGradNorm.doses(spikes, recording))
    assert 1.3 < first.max_norm < 40
