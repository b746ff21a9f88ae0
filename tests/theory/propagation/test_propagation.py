"""Signals and gradients through whole networks, against the mean of many initializations."""

from collections.abc import Iterator

import pytest
import torch
from support.sampled import compared
from torch import Tensor, nn


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def data(*shape: int, classes: int = 10) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(shape, generator=generator)
    return x, torch.randint(classes, (shape[0],), generator=generator)


class Residual(nn.Module):
    """x + W2 phi(W1 norm(x))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.branch(x)
        return out


class Swish(nn.Module):
    """x * sigmoid(x), written out."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class Normalized(nn.Module):
    """LayerNorm, written out."""

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean(-1, keepdim=True)
        return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)


class Gated(nn.Module):
    """W3 (silu(W1 x) * W2 x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate, self.up, self.down = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(nn.functional.silu(self.gate(x)) * self.up(x))
        return out


class Beside(nn.Module):
    """What came in and what is new, side by side."""

    def __init__(self, width: int, new: int) -> None:
        super().__init__()
        self.new = nn.Sequential(nn.Linear(width, new), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.new(x)], -1)


def plain(width: int, phi: type[nn.Module], depth: int = 3, norm: type[nn.Module] = nn.Identity) -> nn.Module:
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), norm(width), phi())]
    return nn.Sequential(*layers, nn.Linear(width, 10))


@pytest.mark.parametrize("phi", [nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.ELU, nn.LeakyReLU, nn.Hardswish, Swish])
def test_activations(phi: type[nn.Module]) -> None:
    found = compared(lambda: plain(96, phi), *data(16, 96))
    assert found.worst < 0.03
    assert found.worst_weight < 0.04


@pytest.mark.parametrize("init", ["he", "xavier", "lecun", "orthogonal", "default"])
def test_initializations_are_predicted_by_their_names(init: str) -> None:
    def make() -> nn.Module:
        model = plain(96, nn.Tanh)
        for layer in model.modules():
            if isinstance(layer, nn.Linear) and init != "default":
                nn.init.zeros_(layer.bias)
                if init == "he":
                    nn.init.kaiming_normal_(layer.weight)
                elif init == "xavier":
                    nn.init.xavier_uniform_(layer.weight)
                elif init == "lecun":
                    nn.init.normal_(layer.weight, 0, layer.in_features**-0.5)
                else:
                    nn.init.orthogonal_(layer.weight)
        return model

    assert compared(make, *data(16, 96), init=init).worst < 0.03


@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.RMSNorm, nn.BatchNorm1d])
def test_normalization(norm: type[nn.Module]) -> None:
    found = compared(lambda: plain(96, nn.ReLU, norm=norm), *data(32, 96))
    assert found.worst < 0.1  # the gradient of a norm's inner steps included
    assert max(abs(off) for name, off in found.activations.items() if name.endswith("linear")) < 0.03


def test_normalization_that_is_written_out() -> None:
    found = compared(
        lambda: nn.Sequential(nn.Linear(96, 96), Normalized(), nn.ReLU(), nn.Linear(96, 10)), *data(16, 96)
    )
    assert abs(found.activations["0 linear"]) < 0.02


def test_residual_branches() -> None:
    found = compared(lambda: nn.Sequential(*(Residual(64) for _ in range(4)), nn.Linear(64, 10)), *data(16, 64))
    assert found.worst < 0.05
    assert found.worst_weight < 0.06


def test_gates() -> None:
    found = compared(lambda: nn.Sequential(Gated(96), Gated(96), nn.Linear(96, 10)), *data(16, 96))
    assert found.worst < 0.05


def test_concatenation() -> None:
    found = compared(lambda: nn.Sequential(Beside(64, 32), Beside(96, 32), nn.Linear(128, 10)), *data(16, 64))
    assert found.worst < 0.05


def test_dropout() -> None:
    found = compared(
        lambda: nn.Sequential(nn.Linear(96, 96), nn.ReLU(), nn.Dropout(0.4), nn.Linear(96, 10)), *data(16, 96)
    )
    assert found.worst < 0.03


@pytest.mark.parametrize("loss", [nn.functional.mse_loss, nn.functional.binary_cross_entropy_with_logits])
def test_losses_other_than_cross_entropy(loss: nn.Module) -> None:
    x, _ = data(16, 64)
    y = (torch.randn(16, 10, generator=torch.Generator().manual_seed(2)) > 0).double()
    assert compared(lambda: plain(64, nn.Tanh), x, y, loss=loss).worst < 0.04


@pytest.mark.parametrize("size", [64, 100])
def test_a_large_batch_keeps_its_share_of_equal_targets(size: int) -> None:
    found = compared(lambda: plain(64, nn.Sigmoid), *data(size, 64))
    assert found.worst_weight < 0.08
