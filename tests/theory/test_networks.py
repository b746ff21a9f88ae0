"""Convolutions, attention, recurrence: whole networks against the mean of many initializations."""

from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from support.sampled import compared
from torch import Tensor, nn


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def data(*shape: int, targets: int | None = None) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(shape, generator=generator)
    return x, torch.randint(10, (targets or shape[0],), generator=generator)


class Mean(nn.Module):
    """The mean over all places."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


MIDDLES = {
    "plain": lambda: nn.Conv2d(24, 24, 3, padding=1),
    "stride": lambda: nn.Conv2d(24, 24, 3, stride=2, padding=1),
    "dilation and groups": lambda: nn.Conv2d(24, 24, 3, padding=2, dilation=2, groups=4),
    "transposed": lambda: nn.ConvTranspose2d(24, 24, 4, 2, 1),
}


@pytest.mark.parametrize("middle", MIDDLES.values(), ids=MIDDLES)
def test_convolutions(middle: Callable[[], nn.Module]) -> None:
    def make() -> nn.Module:
        head = [nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(), Mean(), nn.Linear(24, 10)]
        return nn.Sequential(nn.Conv2d(3, 24, 3, padding=1), nn.ReLU(), middle(), nn.ReLU(), *head)

    found = compared(make, *data(8, 3, 12, 12))
    assert found.worst < 0.05
    # Pixels that happen to be alike add up in the first filter where the gradient is the same at all places.
    assert max(abs(off) for name, off in found.weights.items() if not name.startswith("0.")) < 0.06


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AvgPool2d(3, 2, 1), nn.AdaptiveAvgPool2d(5)])
def test_pooling(pool: nn.Module) -> None:
    places = pool(torch.zeros(1, 1, 12, 12)).numel()

    def make() -> nn.Module:
        body = [nn.Conv2d(3, 24, 3, padding=1), nn.ReLU(), pool, nn.Conv2d(24, 24, 3, padding=1), nn.ReLU()]
        return nn.Sequential(*body, nn.Flatten(), nn.Linear(24 * places, 10))

    assert compared(make, *data(8, 3, 12, 12)).worst < 0.06


@pytest.mark.parametrize("scale", ["nearest", "bilinear"])
def test_upsampling(scale: str) -> None:
    def make() -> nn.Module:
        up = nn.Upsample(scale_factor=2, mode=scale)
        return nn.Sequential(
            nn.Conv2d(3, 24, 3, padding=1), nn.Tanh(), up, nn.Conv2d(24, 8, 3), nn.Flatten(), nn.Linear(288, 10)
        )

    assert compared(make, *data(8, 3, 4, 4)).worst < 0.06


class Basic(nn.Module):
    """A residual block as ResNet has it, with an activation behind the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        filters = [nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2)]
        self.branch = nn.Sequential(filters[0], nn.BatchNorm2d(width), nn.ReLU(), filters[1], nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.branch(x))


def test_a_residual_network_with_batch_normalization() -> None:
    def make() -> nn.Module:
        stem = [nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
        return nn.Sequential(*stem, *(Basic(32) for _ in range(4)), Mean(), nn.Linear(32, 10))

    found = compared(make, *data(8, 3, 8, 8), inits=12)
    assert found.worst < 0.08
    assert found.worst_weight < 0.13


class Encoder(nn.Module):
    """Transformer layers, and a head at every token."""

    def __init__(self, norm_first: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(48, 4, 96, dropout=0.0, batch_first=True, norm_first=norm_first)
            for _ in range(2)
        )
        self.head = nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.head(x).flatten(0, 1)
        return out


@pytest.mark.parametrize("norm_first", [True, False])
def test_transformers(norm_first: bool) -> None:
    found = compared(lambda: Encoder(norm_first), *data(4, 16, 48, targets=64))
    assert found.worst < 0.1
    assert max(abs(off) for name, off in found.weights.items() if "norm" not in name) < 0.1


class Causal(nn.Module):
    """Attention that is written out, with a mask."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        scores = self.q(x) @ self.k(x).transpose(1, 2) / x.shape[-1] ** 0.5
        hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        weights = scores.masked_fill(hidden, float("-inf")).softmax(-1)
        out: Tensor = self.out(weights @ self.v(x)).flatten(0, 1)
        return out


def test_causal_attention_that_is_written_out() -> None:
    found = compared(lambda: nn.Sequential(Causal(48), nn.Linear(48, 10)), *data(4, 24, 48, targets=96))
    assert not found.flow.unknown
    assert max(abs(off) for name, off in found.activations.items() if "linear" in name and "q" not in name) < 0.15
    scores = [off for name, off in found.activations.items() if "masked_fill" in name or "div" in name]
    assert max(map(abs, scores)) < 0.05


class Reader(nn.Module):
    """A recurrent layer, read at its last step."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(layer.hidden_size, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.layer(x)[0][:, -1])
        return out


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_layers(kind: Callable[..., nn.RNNBase]) -> None:
    found = compared(lambda: Reader(kind(24, 64, batch_first=True)), *data(8, 12, 24))
    assert not found.flow.unknown
    assert found.worst_weight < 0.15
    assert abs(found.weights["layer.weight_hh_l0"]) < 0.06


class Loop(nn.Module):
    """A cell in a loop of the user's own."""

    def __init__(self, cell: nn.RNNCellBase) -> None:
        super().__init__()
        self.cell, self.head = cell, nn.Linear(cell.hidden_size, 10)

    def forward(self, x: Tensor) -> Tensor:
        state = None
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        out: Tensor = self.head(state[0] if isinstance(state, tuple) else state)
        return out


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_recurrent_cells(kind: Callable[..., nn.RNNCellBase]) -> None:
    found = compared(lambda: Loop(kind(24, 64)), *data(8, 12, 24))
    assert not found.flow.unknown
    assert max(abs(off) for name, off in found.weights.items() if "weight" in name) < 0.08


def test_tokens() -> None:
    tokens = torch.randint(20, (4, 12), generator=torch.Generator().manual_seed(3))
    y = data(1, targets=48)[1]

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.body, self.head = nn.Embedding(20, 48), nn.Linear(48, 48), nn.Linear(48, 10)

        def forward(self, tokens: Tensor) -> Tensor:
            out: Tensor = self.head(torch.tanh(self.body(self.table(tokens)))).flatten(0, 1)
            return out

    found = compared(Tagger, tokens, y)
    assert found.worst < 0.03
    assert found.worst_weight < 0.05


class Tokens(nn.Module):
    """A token of its own before all others, and read in the end: nothing like the others."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU())
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        out: Tensor = self.head((x + self.body(x))[:, 0])
        return out


def test_a_token_unlike_the_others_is_told_from_them() -> None:
    found = compared(lambda: Tokens(48), *data(8, 15, 48))
    assert abs(found.activations["body.1 linear"]) < 0.03
    assert abs(found.weights["token"]) < 0.15


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_bags_of_tokens(mode: str) -> None:
    tokens = torch.randint(20, (8, 12), generator=torch.Generator().manual_seed(3))

    def make() -> nn.Module:
        return nn.Sequential(nn.EmbeddingBag(20, 48, mode=mode), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 10))

    found = compared(make, tokens, data(8)[1])
    assert not found.flow.unknown
    assert found.worst < 0.06
    assert found.worst_weight < 0.08


def test_pixels_that_are_compared_with_their_targets() -> None:
    def make() -> nn.Module:
        body = [nn.Conv2d(1, 24, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(24, 24, 4, 2, 1), nn.ReLU()]
        return nn.Sequential(*body, nn.Conv2d(24, 1, 3, padding=1), nn.Sigmoid())

    x = data(8, 1, 12, 12)[0]
    found = compared(make, x, x.sigmoid(), loss=F.binary_cross_entropy)
    assert not found.flow.unknown
    assert max(abs(found.activations[name]) for name in found.activations if "relu" in name) < 0.1
