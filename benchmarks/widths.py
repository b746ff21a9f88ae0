"""Is the coordinate check right? Exponents of width by theory beside those of measured first steps.

    python benchmarks/widths.py            # an MLP, a GPT and a ResNet, standard and maximal-update, SGD and Adam
    python benchmarks/widths.py mlp/mup    # those whose name begins so

Measured, for each layer and over several initializations: the rms of its result, of the gradient there, and of what
one step of the optimizer on its own parameters changes of that result, with the same input: all of the change, and
its part along the gradient, which theory predicts.
"""

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

import gradmedic as gm
from gradmedic.prediction.coordinate_check import slope

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
BASE = 64
APPLIED = (nn.Linear, nn.Conv2d, nn.Embedding)


class Readout(nn.Linear):
    """The last layer, scaled by a number of its own."""

    def __init__(self, fan_in: int, fan_out: int, scale: float) -> None:
        super().__init__(fan_in, fan_out)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = super().forward(x) * self.scale
        return out


class MLP(nn.Module):
    def __init__(self, n: int, scale: float) -> None:
        super().__init__()
        self.first = nn.Linear(32, n)
        self.hidden = nn.ModuleList(nn.Linear(n, n) for _ in range(3))
        self.readout = Readout(n, 10, scale)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        for layer in self.hidden:
            x = F.relu(layer(x))
        out: Tensor = self.readout(x)
        return out


class Block(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.before, self.behind = nn.LayerNorm(n), nn.LayerNorm(n)
        self.q, self.k, self.v, self.mix = (nn.Linear(n, n) for _ in range(4))
        self.up, self.down = nn.Linear(n, 4 * n), nn.Linear(4 * n, n)

    def forward(self, x: Tensor) -> Tensor:
        h = self.before(x)
        q, k, v = (f(h).unflatten(-1, (4, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.mix(mixed.transpose(1, 2).flatten(2))
        out: Tensor = x + self.down(F.gelu(self.up(self.behind(x))))
        return out


class GPT(nn.Module):
    def __init__(self, n: int, scale: float) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(100, n), nn.Embedding(16, n)
        self.blocks = nn.ModuleList(Block(n) for _ in range(2))
        self.norm, self.readout = nn.LayerNorm(n), Readout(n, 100, scale)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.table(tokens) + self.places(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.readout(self.norm(x))
        return out


class Residual(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.one, self.two = (nn.Conv2d(n, n, 3, padding=1, bias=False) for _ in range(2))
        self.norm_one, self.norm_two = nn.BatchNorm2d(n), nn.BatchNorm2d(n)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm_two(self.two(F.relu(self.norm_one(self.one(x))))))


class ResNet(nn.Module):
    def __init__(self, n: int, scale: float) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, n, 3, padding=1, bias=False), nn.BatchNorm2d(n)
        self.blocks = nn.ModuleList(Residual(n) for _ in range(2))
        self.readout = Readout(n, 10, scale)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.readout(x.mean((2, 3)))
        return out


KINDS: dict[str, tuple[type[nn.Module], int]] = {"mlp": (MLP, BASE), "gpt": (GPT, BASE), "resnet": (ResNet, 32)}


def made(kind: str, form: str, optimizer: str, width: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A network with its optimizer, whose learning rates are as the parametrization has them (Yang+ 2021, table 3)."""
    network, base = KINDS[kind]
    mup = form == "mup"
    model = network(int(base * width), 1 / width if mup else 1.0)
    groups = []
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            table = "table" in name or "places" in name
            fan = base if mup and "readout" in name else 1 if table else parameter[0].numel()
            nn.init.normal_(parameter, std=fan**-0.5)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
        groups.append({"params": [parameter], "lr": 1e-3 * (rate(name, parameter, optimizer, width) if mup else 1.0)})
    return model, torch.optim.SGD(groups) if optimizer == "sgd" else torch.optim.Adam(groups)


def rate(name: str, parameter: Tensor, optimizer: str, width: float) -> float:
    """By how much a learning rate is multiplied where a network is so much wider."""
    hidden = parameter.dim() > 1 and not any(part in name for part in ("readout", "first", "stem", "table", "places"))
    if optimizer == "adam":
        return 1 / width if hidden else 1.0
    return 1.0 if hidden or name == "readout.bias" else width


def data(kind: str) -> tuple[Tensor, Tensor]:
    """A batch."""
    torch.manual_seed(7)
    if kind == "gpt":
        return torch.randint(100, (8, 16)), torch.randint(100, (8, 16))
    x = torch.randn(32, 32) if kind == "mlp" else torch.randn(16, 3, 8, 8)
    return x, torch.randint(10, (len(x),))


def loss(output: Tensor, target: Tensor) -> Tensor:
    """Cross entropy over the last dimension."""
    return F.cross_entropy(output.flatten(0, -2), target.flatten())


def measured(model: nn.Module, stepping: torch.optim.Optimizer, x: Tensor, y: Tensor) -> dict[str, tuple[float, ...]]:
    """Of each layer the rms of signal, gradient, update, and of the update along the gradient."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    layers = {name: module for name, module in model.named_modules() if isinstance(module, APPLIED)}

    def hook(name: str) -> Callable[..., None]:
        def keep(module: nn.Module, args: Any, out: Tensor) -> None:
            out.retain_grad()
            seen[name] = (args[0].detach(), out)

        return keep

    handles = [module.register_forward_hook(hook(name)) for name, module in layers.items()]
    loss(model(x), y).backward()  # type: ignore[no-untyped-call]
    for handle in handles:
        handle.remove()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    stepping.step()
    found = {}
    for name, module in layers.items():
        given, out = seen[name]
        assert out.grad is not None
        old = {part: before[f"{name}.{part}"] for part, _ in module.named_parameters()}
        with torch.no_grad():
            change = module(given) - functional_call(module, old, given)
        along = (change * out.grad).sum().abs() / out.grad.norm() / math.sqrt(out.numel())
        found[name] = tuple(float(v) for v in (rms(out), rms(out.grad), rms(change), along))
    return found


def rms(x: Tensor) -> Tensor:
    """The root of the mean square."""
    return x.detach().double().square().mean().sqrt()


def compared(name: str, inits: int) -> Iterator[float]:
    """Print the exponents of one case; yields how far those of updates are off."""
    kind, form, optimizer = name.split("/")
    x, y = data(kind)
    sums: dict[str, list[list[float]]] = defaultdict(lambda: [[0.0] * len(WIDTHS) for _ in range(4)])
    for seed in range(inits):
        for at, width in enumerate(WIDTHS):
            torch.manual_seed(seed)
            for layer, sizes in measured(*made(kind, form, optimizer, width), x, y).items():
                for what, size in enumerate(sizes):
                    sums[layer][what][at] += size**2 / inits
    check = gm.coordinate_check(lambda width: made(kind, form, optimizer, width), (x, y), loss, widths=WIDTHS)
    print(f"{name}: {check.verdict}, loss {check.loss_exponent or 0.0:+.2f}")
    for layer in check.layers:
        told = [slope(WIDTHS, [square**0.5 for square in squares]) or 0.0 for squares in sums[layer.name]]
        theory = [slope(WIDTHS, sizes) or 0.0 for sizes in (layer.signal, layer.grad, layer.update)]
        ratio = [u / s[3] ** 0.5 for u, *s in zip(layer.update, *sums[layer.name], strict=True) if u is not None]
        print(
            f"  {layer.name:20} signal {theory[0]:+.2f} ({told[0]:+.2f})  gradient {theory[1]:+.2f} ({told[1]:+.2f})  "
            f"update {theory[2]:+.2f} ({told[2]:+.2f}, along {told[3]:+.2f})  "
            f"size/measured {min(ratio):.2f}-{max(ratio):.2f}"
        )
        yield abs(theory[2] - told[3])


def main() -> None:
    """Print all cases, and how far the exponents of updates are off."""
    torch.set_num_threads(1)
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    names = [f"{kind}/{form}/{how}" for kind in KINDS for form in ("standard", "mup") for how in ("sgd", "adam")]
    off = sorted(error for name in names if name.startswith(only) for error in compared(name, 4))
    told = f"{off[len(off) // 2]:.2f} (median), {off[-1]:.2f} (most)"
    print(f"exponents of updates along the gradient: off by {told}, {len(off)} layers")


if __name__ == "__main__":
    main()
