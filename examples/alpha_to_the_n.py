"""How much of a gradient is left after n layers or time steps: the popular rule alpha^n beside theory and measurement.

Prints the tables of docs/explanation/alpha-to-the-n.md.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

import gradmedic as gm

WIDTH, BATCH, SEEDS = 256, 64, 20
Init = Callable[[Tensor], object]
INITS: dict[str, Init | None] = {
    "torch's default": None,
    "Xavier": nn.init.xavier_normal_,
    "He": nn.init.kaiming_normal_,
}


class Net(nn.Module):
    """Layers one behind the other; `signals` are what they returned last, activations after the weights before them."""

    def __init__(self, depth: int, phi: type[nn.Module], init: Init | None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(depth))
        self.phis = nn.ModuleList(phi() for _ in range(depth))
        self.signals: list[Tensor] = []
        if init is not None:
            for layer in self.layers:
                init(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        self.signals = []
        for layer, phi in zip(self.layers, self.phis, strict=True):
            self.signals.append(layer(x))
            x = phi(self.signals[-1])
            self.signals.append(x)
        return x


class Recurrent(nn.Module):
    """h = sigmoid(W x + V h), step by step, since nn.RNN has no sigmoid; returns the last state."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.into, self.back = nn.Linear(16, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.phis = nn.ModuleList(nn.Sigmoid() for _ in range(steps))
        self.signals: list[Tensor] = []
        for weight in self.parameters():  # as torch initializes its recurrent layers
            nn.init.uniform_(weight, -(WIDTH**-0.5), WIDTH**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        self.signals, h = [], torch.full((x.shape[0], WIDTH), 0.5)
        for t, phi in enumerate(self.phis):
            self.signals.append(self.into(x[:, t]) + self.back(h))
            h = phi(self.signals[-1])
            self.signals.append(h)
        return h


@dataclass(frozen=True)
class Left:
    """What is left of the gradient's norm between the last activation's output and the first one's input."""

    name: str
    bound: float
    """The largest slope to the power of n: what the rule says."""
    slopes: float
    """Predicted, of the activations alone."""
    whole: float
    low: float
    high: float
    """Predicted, with the weights between them; 95 of 100 initializations are between low and high."""
    measured: float
    """The root of the mean square over `SEEDS` initializations."""


def left(name: str, make: Callable[[], nn.Module], x: Tensor, steepest: float) -> Left:
    """Predict one network, and measure it."""
    torch.manual_seed(0)
    told = gm.predict(make(), x, recommend=False)
    phis = sorted((o for o in told.operations if o.site.module.startswith("phis")), key=lambda o: o.site.order)
    first, last = phis[0], phis[-1]
    into = 10 ** (first.gain or 0.0)  # from the first activation's output to its input
    ends = [size / last.grad.middle * into for size in (first.grad.middle, first.grad.low, first.grad.high)]
    squares = []
    for seed in range(SEEDS):
        torch.manual_seed(100 + seed)
        squares.append(measured(make(), x) ** 2)
    slopes = prod(10 ** (phi.gain or 0.0) for phi in phis)
    return Left(name, steepest ** len(phis), slopes, *ends, statistics.mean(squares) ** 0.5)


def measured(model: nn.Module, x: Tensor) -> float:
    """The gradient's norm at the first activation's input, where it has norm one at the last one's output."""
    out = model(x)
    start = torch.randn_like(out)
    first: Tensor = model.signals[0]
    (grad,) = torch.autograd.grad(out, first, start / start.norm())
    return float(grad.double().norm())


def tables() -> Iterator[tuple[str, list[Left]]]:
    """All networks, under their titles."""
    x = torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(1))
    yield (
        "Twenty sigmoid layers",
        [left(name, lambda init=init: Net(20, nn.Sigmoid, init), x, 0.25) for name, init in INITS.items()],
    )
    x = torch.randn(BATCH, 20, 16, generator=torch.Generator().manual_seed(1))
    yield "Twenty time steps of a sigmoid RNN", [left("torch's default", lambda: Recurrent(20), x, 0.25)]
    x = torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(1))
    yield (
        "Five layers with weights of variance 1",
        [
            left(kind.__name__, lambda kind=kind: Net(5, kind, nn.init.normal_), x, steepest)
            for kind, steepest in ((nn.ReLU, 1.0), (nn.Tanh, 1.0), (nn.Sigmoid, 0.25))
        ],
    )


def main() -> None:
    """Print everything as Markdown."""
    print(f"0.25^20 = {0.25**20:.3g}")
    for title, rows in tables():
        print(f"\n**{title}**\n")
        print("| | largest slope ^ n | slopes, predicted | with weights, predicted | 95 % of inits | measured |")
        print("|---|---|---|---|---|---|")
        for row in rows:
            sizes = (row.bound, row.slopes, row.whole, row.low, row.high, row.measured)
            a, b, c, low, high, m = (f"{size:.2e}" if not 0.01 < size < 100 else f"{size:.3g}" for size in sizes)
            print(f"| {row.name} | {a} | {b} | {c} | {low} to {high} | {m} |")


if __name__ == "__main__":
    main()
