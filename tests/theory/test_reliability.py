"""A prediction calls itself reliable only where its assumptions hold."""

import pytest
import torch
import torch.nn.functional as F
from support.sampled import compared
from torch import Tensor, nn

import gradmedic as gm


class Branches(nn.Module):
    """A filter for each channel, beside the channel itself, each normalized (RepVGG, MobileOne)."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last((self.norms[0](x) + self.norms[1](self.filter(x))).relu().mean((2, 3)))
        return out

    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Conv2d(16, 16, 1, groups=16)
        self.norms = nn.ModuleList(nn.BatchNorm2d(16) for _ in range(2))
        self.last = nn.Linear(16, 3)


class Bare(nn.Module):
    """A branch without weights beside what it is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(16, 64), nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        out: Tensor = self.last(x + F.layer_norm(x, (64,)))
        return out


class LinearAttention(nn.Module):
    """q (k^T v), without a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.all, self.last = nn.Linear(16, 96), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.all(x).chunk(3, -1)
        out: Tensor = self.last((q @ (k.transpose(1, 2) @ v)).mean(1))
        return out


class Shared(nn.Module):
    """One layer, four times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(4):
            x = x + self.layer(F.layer_norm(x, (16,))).tanh()
        out: Tensor = self.last(x)
        return out


@pytest.mark.parametrize(
    ("model", "shape", "said"),
    [
        (Shared(), (8, 16), "The same weights are applied in several layers"),
        (Branches(), (8, 16, 6, 6), "Branches with a filter of its own for each channel"),
        (Bare(), (8, 16), "A branch without weights is added to what it is made of"),
        (LinearAttention(), (8, 12, 16), "with no softmax between"),
    ],
)
def test_what_is_not_independent_is_told(model: nn.Module, shape: tuple[int, ...], said: str) -> None:
    found = gm.predict(model, torch.randn(shape))
    assert any(said in str(reason) for reason in found.reasons)


class Dropped(nn.Module):
    """Stochastic depth: a branch that is left out for some samples."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.branch, self.last = nn.Linear(16, 128), nn.Linear(128, 128), nn.Linear(128, 3)
        self.kept: Tensor = torch.tensor([0.0, 2.0] * 4)[:, None]

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        out: Tensor = self.last(x + self.branch(x) * self.kept)
        return out


def test_a_branch_that_is_left_out_for_some_samples_counts_as_over_all_draws() -> None:
    half, most = Dropped(), Dropped()
    most.load_state_dict(half.state_dict())
    most.kept = torch.tensor([2.0] * 7 + [0.0])[:, None]
    x = torch.randn(8, 16)
    sizes = [[op.value.middle for op in gm.predict(model, x).operations if op.value] for model in (half, most)]
    assert sizes[0] == pytest.approx(sizes[1])


class ClassToken(nn.Module):
    """A token of its own, of which alone the output is made, through two layers of attention."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 64))
        self.layers = nn.ModuleList(nn.Linear(64, 192) for _ in range(2))
        self.last = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        for layer in self.layers:
            q, k, v = layer(F.layer_norm(x, (64,))).chunk(3, -1)
            x = x + F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.last(x[:, 0])
        return out


def test_a_class_token_gets_the_gradient_that_other_tokens_do_not() -> None:
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(8, 24, 64, generator=generator), torch.randint(10, (8,), generator=generator)
    found = compared(ClassToken, x, y, inits=24)
    assert abs(found.weights["token"]) < 0.2
    assert found.worst_weight < 0.3
