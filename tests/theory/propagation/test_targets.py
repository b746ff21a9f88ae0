"""Gradients start where targets are: of all kinds of losses, against the mean of many initializations."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from support.sampled import compared
from torch import Tensor, nn

CLASSES, SAMPLES = 100, 64


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def classes(*shape: int, power: float = 4.0) -> Tensor:
    """Few classes are frequent, as words are."""
    return (torch.rand(shape, generator=torch.Generator().manual_seed(2)) ** power * CLASSES).long()


def net(out: int) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, out))


class Words(nn.Module):
    """A table and two layers, applied to each word."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.body = nn.Embedding(CLASSES, 64), nn.Sequential(nn.Linear(64, 128), nn.GELU())
        self.head = nn.Linear(128, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(self.table(x)))
        return out


def masked(target: Tensor) -> Tensor:
    """A fifth of the targets, of the others nothing is asked."""
    kept = torch.rand(target.shape, generator=torch.Generator().manual_seed(3)) < 0.2
    return torch.where(kept, target, -100)


WEIGHT = torch.linspace(0.1, 3, CLASSES)

OF_CLASSES = {
    "equal classes": (classes(SAMPLES, power=1.0), F.cross_entropy),
    "frequent classes": (classes(SAMPLES), F.cross_entropy),
    "one class": (torch.zeros(SAMPLES, dtype=torch.long), F.cross_entropy),
    "masked": (masked(classes(SAMPLES)), F.cross_entropy),
    "weights": (classes(SAMPLES), lambda out, y: F.cross_entropy(out, y, weight=WEIGHT)),
    "smoothed": (classes(SAMPLES), lambda out, y: F.cross_entropy(out, y, label_smoothing=0.3)),
    "each": (classes(SAMPLES), lambda out, y: F.cross_entropy(out, y, reduction="none").mean()),
    "picked": (classes(SAMPLES), lambda out, y: -out.log_softmax(-1).gather(1, y[:, None]).mean()),
    "soft": (drawn(SAMPLES, CLASSES).softmax(-1), F.cross_entropy),
}


@pytest.mark.parametrize("case", OF_CLASSES)
def test_classes(case: str) -> None:
    y, loss = OF_CLASSES[case]
    found = compared(net(CLASSES), drawn(SAMPLES, 32), y, loss=loss, inits=12)
    assert not found.flow.unknown
    assert found.worst < 0.02
    assert found.worst_weight < 0.1


@pytest.mark.parametrize("y", [classes(8, 16), masked(classes(8, 16))], ids=["all", "masked"])
def test_words(y: Tensor) -> None:
    def loss(out: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(out.flatten(0, 1), y.flatten())

    found = compared(Words, classes(8, 16, power=2.0).flip(1), y, loss=loss, inits=12)
    assert found.worst < 0.02
    assert found.worst_weight < 0.15


ZERO_ONE = (drawn(SAMPLES, 16) > 1).double().float()

OF_NUMBERS = {
    "mse": (drawn(SAMPLES, 16), F.mse_loss),
    "mse, far away": (5 + 10 * drawn(SAMPLES, 16), F.mse_loss),
    "mse, one value": (torch.full((SAMPLES, 16), 5.0), F.mse_loss),
    "huber": (5 + 10 * drawn(SAMPLES, 16), lambda out, y: F.huber_loss(out, y, delta=2.0)),
    "smooth l1": (drawn(SAMPLES, 16), F.smooth_l1_loss),
    "rare ones": (ZERO_ONE, F.binary_cross_entropy_with_logits),
    "rare ones that weigh more": (
        ZERO_ONE,
        lambda out, y: F.binary_cross_entropy_with_logits(out, y, pos_weight=torch.full((16,), 6.0)),
    ),
    "each": (drawn(SAMPLES, 16), lambda out, y: F.mse_loss(out, y, reduction="none").mean()),
    "hinge": (2 * ZERO_ONE - 1, lambda out, y: F.relu(1 - out * y).mean()),
}


@pytest.mark.parametrize("case", OF_NUMBERS)
def test_numbers(case: str) -> None:
    y, loss = OF_NUMBERS[case]
    found = compared(net(16), drawn(SAMPLES, 32), y, loss=loss, inits=12)
    assert not found.flow.unknown
    assert found.worst < 0.02
    assert found.worst_weight < 0.1
