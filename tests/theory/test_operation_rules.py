"""Rules of single operations, each in a small network, against the mean of many initializations."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from support.sampled import compared
from torch import Tensor, nn

WIDTH = 64


class Between(nn.Module):
    """Something between two layers, with a parameter of its own."""

    def __init__(self, change: Callable[[Tensor, Tensor], Tensor], out: int = WIDTH) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(32, WIDTH), nn.Linear(out, 10)
        self.own = nn.Parameter(torch.randn(WIDTH) * 0.1)
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.change(self.first(x), self.own).flatten(1, -2).mean(1))
        return out


class Standardized(nn.Module):
    """Weights of mean zero and variance one, as batch norm makes them (BiT, NFNet)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.gain = nn.Parameter(torch.randn(WIDTH, 32) * 3 + 1), nn.Parameter(torch.full((WIDTH,), 0.2))
        self.last = nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        held = F.batch_norm(self.weight[None], None, None, self.gain, training=True)[0]
        out: Tensor = self.last(F.linear(x, held).relu().mean(1))
        return out


def gates(x: Tensor) -> Tensor:
    """Weights of two branches, for each unit, as selective kernels have them."""
    return x.roll(8, -1).reshape(*x.shape[:-1], 2, -1).softmax(-2)


def products(x: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of a token with each, and values, made of different units."""
    return x.roll(8, -1)[..., :16] @ x.roll(24, -1)[..., :16].transpose(1, 2), x.roll(40, -1)


CASES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], int]] = {
    "a weight plus one": (lambda x, w: x * (1 + w), WIDTH),
    "a gate of a parameter": (lambda x, w: x * torch.sigmoid(w) + torch.exp(w), WIDTH),
    "addcmul": (lambda x, w: torch.addcmul(x, x.tanh().detach() * 0 + x.roll(1, -1), w), WIDTH),
    "baddbmm": (lambda x, w: torch.baddbmm(x, *products(x), beta=0.5, alpha=0.1), WIDTH),
    "F.normalize": (lambda x, w: F.normalize(x, dim=-1) * 8, WIDTH),
    "a length": (lambda x, w: x * x.norm(dim=-1, keepdim=True), WIDTH),
    "a gated half": (lambda x, w: F.glu(x, -1), WIDTH // 2),
    "the larger": (lambda x, w: torch.maximum(x, x.roll(8, -1)), WIDTH),
    "the smaller": (lambda x, w: torch.minimum(x, x.roll(8, -1)), WIDTH),
    "roll": (lambda x, w: x.roll(2, 1), WIDTH),
    "flip": (lambda x, w: x.flip(1), WIDTH),
    "picked places": (lambda x, w: x[:, torch.tensor([0, 2, 5])], WIDTH),
    "repeated places": (lambda x, w: x.repeat_interleave(2, 1), WIDTH),
    "picked units": (lambda x, w: x[..., torch.arange(0, WIDTH, 2)], WIDTH // 2),
    "largest unit": (lambda x, w: x * x.amax(-1, keepdim=True), WIDTH),
    "logsumexp": (lambda x, w: x * x.logsumexp(-1, keepdim=True), WIDTH),
    "softmax of two": (lambda x, w: (x.reshape(*x.shape[:-1], 2, -1) * gates(x)).sum(-2), WIDTH // 2),
    "written to": (lambda x, w: (lambda y: y.add_(x.roll(8, -1)))(x.clone()[..., :WIDTH]), WIDTH),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rule(case: str) -> None:
    change, out = CASES[case]
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(16, 8, 32, generator=generator), torch.randint(10, (16,), generator=generator)
    found = compared(lambda: Between(change, out), x, y, inits=16, init=None)
    assert not found.flow.unknown
    assert found.worst < 0.1
    assert found.worst_weight < 0.2


def test_standardized_weights() -> None:
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(16, 8, 32, generator=generator), torch.randint(10, (16,), generator=generator)
    found = compared(Standardized, x, y, inits=16, init=None)
    assert not found.flow.unknown
    assert found.worst < 0.05
    assert abs(found.weights.pop("gain")) < 0.4  # what arrives there depends on the weights, which no rule knows of
    assert found.worst_weight < 0.1


class Handmade(nn.Module):
    """Weights that are standardized by hand (weight standardization, Qiao+ 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.last = nn.Parameter(torch.randn(WIDTH, 32) * 3 + 1), nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        held = self.weight - self.weight.mean(1, keepdim=True)
        held = held / (self.weight.std(1, keepdim=True) + 1e-5) / 32**0.5
        out: Tensor = self.last(F.linear(x, held).relu().mean(1))
        return out


class Experts(nn.Module):
    """A weight of its own for each entry of the first dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(32, WIDTH), nn.Linear(WIDTH, 10)
        self.weight = nn.Parameter(torch.randn(4, WIDTH, WIDTH) / WIDTH**0.5)

    def forward(self, x: Tensor) -> Tensor:
        held = torch.bmm(self.first(x).relu().reshape(4, -1, WIDTH), self.weight)
        out: Tensor = self.last(held.reshape(*x.shape[:2], WIDTH).relu().mean(1))
        return out


class Shuffled(nn.Module):
    """Channels that become places, and places that become channels again."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        held = self.second(F.pixel_shuffle(self.first(x).relu(), 2)).relu()
        out: Tensor = self.last(F.pixel_unshuffle(held, 2).mean((2, 3)))
        return out


def test_weights_that_are_standardized_by_hand() -> None:
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(16, 8, 32, generator=generator), torch.randint(10, (16,), generator=generator)
    found = compared(Handmade, x, y, inits=16, init=None)
    assert not found.flow.unknown
    assert found.worst_weight < 0.1


@pytest.mark.parametrize(("made", "shape"), [(Experts, (16, 8, 32)), (Shuffled, (8, 3, 12, 12))])
def test_a_small_network(made: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(shape, generator=generator), torch.randint(10, (shape[0],), generator=generator)
    found = compared(made, x, y, inits=16, init=None)
    assert not found.flow.unknown
    assert found.worst < 0.1
    assert found.worst_weight < 0.25


class Contrasted(nn.Module):
    """A picture less what lies around each place, or less its mean, or both together."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.first, self.second = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)
        self.last = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        pool = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        x = {"pool": pool - x, "both": x + pool, "mean": x - x.mean((2, 3), keepdim=True)}[self.kind]
        out: Tensor = self.last(self.second(x).relu().mean((2, 3)))
        return out


@pytest.mark.parametrize("kind", ["pool", "both", "mean"])
def test_a_map_of_a_signal_beside_the_signal(kind: str) -> None:
    generator = torch.Generator().manual_seed(1)
    x = 3 * F.avg_pool2d(torch.randn(8, 3, 12, 12, generator=generator), 3, 1, 1)
    found = compared(lambda: Contrasted(kind), x, torch.randint(10, (8,), generator=generator), inits=16)
    assert not found.flow.unknown
    assert found.worst < 0.05


def test_a_fourier_transform_keeps_the_sum_of_squares() -> None:
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(16, 8, 32, generator=generator), torch.randint(10, (16,), generator=generator)

    def real(x: Tensor, w: Tensor) -> Tensor:
        return torch.view_as_real(torch.fft.fftn(x.to(torch.complex64), dim=(1, 2), norm="ortho"))[..., 0]

    found = compared(lambda: Between(real), x, y, inits=16, init=None)
    assert not found.flow.unknown
    assert found.worst < 0.1
