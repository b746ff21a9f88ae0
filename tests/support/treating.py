"""Small patients, and a training loop that knows nothing of remedies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Optimizer

from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Remedy

Loss = Callable[[Tensor, Tensor], Tensor]


def mlp(*widths: int, activation: type[nn.Module] = nn.ReLU) -> Any:
    """Linear layers with an activation between each two, as a Sequential."""
    torch.manual_seed(0)
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), activation())]
    return nn.Sequential(*layers[:-1])


def step(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor, loss_fn: Loss = F.mse_loss) -> float:
    """One step of training; its loss."""
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def train(
    model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor, steps: int = 50, loss_fn: Loss = F.mse_loss
) -> list[float]:
    """Training on one batch; the losses."""
    return [step(model, optimizer, x, y, loss_fn) for _ in range(steps)]


@contextmanager
def given(remedy: Remedy, model: nn.Module | None = None, optimizer: Optimizer | None = None) -> Iterator[Patient]:
    """A patient under a remedy; what goes wrong is raised."""
    patient = Patient(model, optimizer)
    with remedy.given_to(patient):
        yield patient


def gradients(model: nn.Module) -> Tensor:
    """All gradients in one vector."""
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def sgd(model: nn.Module, lr: float = 0.1, **options: float) -> SGD:
    """Plain gradient descent."""
    return SGD(model.parameters(), lr=lr, **options)  # type: ignore[arg-type]
