"""Small networks that are initialized in tests, and what is measured of them."""

from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Function = Callable[[Tensor], Tensor]


class Functional(nn.Module):
    """Linear layers with a function between them that no module tells of."""

    def __init__(self, depth: int, width: int, function: Function) -> None:
        super().__init__()
        sizes = [8, *[width] * depth]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.head, self.function = nn.Linear(width, 3), function

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = self.function(layer(x))
        logits: Tensor = self.head(x)
        return logits


class Residual(nn.Module):
    """x + W2 relu(W1 x), again and again."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(8, width)
        self.up = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.down = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for up, down in zip(self.up, self.down, strict=True):
            x = x + down(F.relu(up(x)))
        logits: Tensor = self.head(x)
        return logits


def mlp(*modules: nn.Module | int) -> nn.Sequential:
    """Linear layers of the given widths, with the given modules between them."""
    layers: list[nn.Module] = []
    width = 0
    for one in modules:
        if isinstance(one, int):
            layers += [nn.Linear(width, one)] if width else []
            width = one
        else:
            layers.append(one)
    return nn.Sequential(*layers)


def data(count: int = 64) -> Tensor:
    """Standard normal inputs with eight features."""
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(7))


def decades(model: nn.Module, x: Tensor) -> list[float]:
    """log10 of the gradient's norm at the output of each linear layer but the last."""
    model = deepcopy(model).double()
    outputs: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> None:
        output.retain_grad()
        outputs.append(output)

    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(keep)
    logits = model(x.double())
    F.cross_entropy(logits, torch.arange(len(x)) % logits.shape[-1]).backward()  # type: ignore[no-untyped-call]
    return [float(output.grad.norm().log10()) for output in outputs[:-1] if output.grad is not None]


def spread(model: nn.Module, x: Tensor) -> float:
    """Largest minus smallest of these."""
    found = decades(model, x)
    return max(found) - min(found)


def state(model: nn.Module) -> dict[str, Tensor]:
    """A copy of all parameters and buffers."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """True if they are alike bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
