"""What networks are built of today: branches that start at zero, keys that heads share, pools that overlap."""

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


def pictures(targets: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, 3, 12, 12, generator=generator), torch.randint(10, (targets,), generator=generator)


class Silent(nn.Module):
    """A block whose branch gives zero at first, with an activation behind the sum."""

    def __init__(self, width: int, phi: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.phi, self.conv, self.norm = phi, nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.phi(self.norm(self.conv(x)) + x)


@pytest.mark.parametrize("phi", [F.relu, F.silu, torch.tanh], ids=["relu", "silu", "tanh"])
def test_an_activation_behind_another_and_a_branch_of_zeros(phi: Callable[[Tensor], Tensor]) -> None:
    def make() -> nn.Module:
        stem = [nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32)]
        head = [nn.Conv2d(32, 32, 1), nn.BatchNorm2d(32), nn.Flatten(), nn.Linear(32 * 144, 10)]
        return nn.Sequential(*stem, *(Silent(32, phi) for _ in range(4)), *head)

    found = compared(make, *pictures(), init={}, inits=12)
    assert found.worst < 0.03


def test_a_branch_of_zeros_leaves_the_stream_as_it_is() -> None:
    found = compared(
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), Silent(8, F.relu), nn.Flatten(1)), *pictures(), init={}, inits=1
    )
    sums = [i for i, step in enumerate(found.flow.plan.steps) if step.op == "add"]
    assert len(sums) == 1
    slot = found.flow.plan.steps[sums[0]].attributes["silent"]
    source = found.flow.plan.steps[sums[0]].inputs[slot]
    assert source is not None
    assert found.flow.values[sums[0]][0] is found.flow.values[source[0]][source[1]]


class Grouped(nn.Module):
    """Attention in which several heads have their keys and values in common."""

    def __init__(self, width: int, heads: int, shared: int) -> None:
        super().__init__()
        self.heads, self.shared = heads, shared
        self.q, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.k, self.v = (nn.Linear(width, width // heads * shared) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        q = self.q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = (layer(x).unflatten(-1, (self.shared, -1)).transpose(1, 2) for layer in (self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2)).flatten(0, 1)
        return out


@pytest.mark.parametrize("shared", [2, 1])
def test_keys_that_groups_of_heads_share(shared: int) -> None:
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(4, 16, 64, generator=generator), torch.randint(10, (64,), generator=generator)
    make = lambda: nn.Sequential(Grouped(64, 8, shared), nn.Linear(64, 10))  # noqa: E731
    found = compared(make, x, y)
    assert not found.flow.unknown
    assert found.worst < 0.1
    assert max(abs(off) for name, off in found.weights.items() if "k.bias" not in name) < 0.1


def test_neighbors_behind_pools_that_overlap() -> None:
    def make() -> nn.Module:
        body = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(32, 32, 1)]
        return nn.Sequential(*body, nn.AvgPool2d(2), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))

    assert compared(make, *pictures()).worst < 0.06
