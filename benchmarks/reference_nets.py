"""The networks that `data/profiles.json.gz` tells of: built from their specification, run on the same data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATIONS = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
ORTHOGONAL_GAIN = dict.fromkeys(("relu", "leaky_relu", "elu", "gelu", "silu"), 2**0.5)
NORMS = {"ln": nn.LayerNorm, "rms": nn.RMSNorm, "bn": nn.BatchNorm1d}

Spec = dict[str, Any]


@dataclass
class Run:
    """One forward pass: its loss, and the tensors and weights that are measured, by the name of the statistic."""

    loss: Tensor
    tensors: dict[str, list[Tensor]] = field(default_factory=dict)
    weights: dict[str, list[Tensor]] = field(default_factory=dict)


Forward = Callable[[], Run]


def build(spec: Spec) -> tuple[nn.Module, Forward]:
    """A freshly initialized network and how to run it; draw the seed before."""
    return _BUILDERS[spec["family"]](spec)


def data(shape: Sequence[int], seed: int = 1, alike: float = 0.0) -> tuple[Tensor, Tensor]:
    """Standard normal inputs, perhaps with a common component, and random targets out of ten."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, generator=generator)
    if alike:
        x = (1 - alike) ** 0.5 * x + alike**0.5 * torch.randn(1, *shape[1:], generator=generator)
    return x, torch.randint(10, (shape[0],), generator=generator)


def _initialize(modules: Sequence[nn.Module], how: str, phi: str) -> None:
    for module in modules:
        weight, bias = module.weight, module.bias
        assert isinstance(weight, Tensor)
        if how == "default":
            continue
        if how == "xavier":
            nn.init.xavier_uniform_(weight)
        elif how == "he":
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
        elif how == "orthogonal":
            nn.init.orthogonal_(weight, ORTHOGONAL_GAIN.get(phi, 1.0))
        elif how == "lecun":
            nn.init.normal_(weight, 0, (1 / weight[0].numel()) ** 0.5)
        if isinstance(bias, Tensor):
            nn.init.zeros_(bias)


def _mlp(spec: Spec) -> tuple[nn.Module, Forward]:
    widths = spec["widths"]
    linear = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
    _initialize(list(linear), spec["init"], spec["act"])
    norms = nn.ModuleList(NORMS[spec["norm"]](b) if spec["norm"] else nn.Identity() for b in widths[1:-1])
    phi = ACTIVATIONS[spec["act"]]()
    x, y = data((spec["batch"], widths[0]), alike=spec["input_corr"])

    def forward() -> Run:
        h, z = x, list[Tensor]()
        for i, layer in enumerate(linear):
            z.append(layer(h))
            if i < len(norms):
                h = phi(norms[i](z[-1]))
        return Run(F.cross_entropy(z[-1], y), {"z_ms": z}, {"gw_sq": [_weight(layer) for layer in linear]})

    return nn.ModuleList([linear, norms]), forward


def _weight(module: nn.Module) -> Tensor:
    assert isinstance(module.weight, Tensor)
    return module.weight


def _residual(spec: Spec) -> tuple[nn.Module, Forward]:
    width, depth, kind = spec["width"], spec["depth"], spec["kind"]
    first, second = (nn.ModuleList(nn.Linear(width, width) for _ in range(depth)) for _ in range(2))
    head, norm, phi = nn.Linear(width, 10), nn.LayerNorm(width), ACTIVATIONS[spec["act"]]()
    layers = [*first, *second, head]
    _initialize(layers, spec["init"], spec["act"])
    x, y = data((spec["batch"], width))

    def forward() -> Run:
        stream = [x.clone().requires_grad_().clone()]
        for a, b in zip(first, second, strict=True):
            s = stream[-1]
            branch = b(phi(a(norm(s) if kind == "preln" else s)))
            s = s + (branch / depth**0.5 if kind == "scaled" else branch)
            stream.append(norm(s) if kind == "postln" else s)
        out = norm(stream[-1]) if kind == "preln" else stream[-1]
        return Run(F.cross_entropy(head(out), y), {"z_ms": stream}, {"gw_sq": [_weight(layer) for layer in layers]})

    return nn.ModuleList([first, second, head, norm]), forward


def _cnn(spec: Spec) -> tuple[nn.Module, Forward]:
    filters = [
        nn.Conv2d(3, 32, 3, padding=1),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.Conv2d(64, 64, 3, padding=1),
    ]
    linear = [nn.Linear(256, 128), nn.Linear(128, 10)]
    _initialize([*filters, *linear], spec["init"], "relu")
    x, y = data((16, 3, 16, 16))

    def forward() -> Run:
        z = [filters[0](x)]
        z.append(filters[1](F.relu(z[-1])))
        z.append(filters[2](F.max_pool2d(F.relu(z[-1]), 2)))
        z.append(linear[0](F.avg_pool2d(F.relu(z[-1]), 2).flatten(1)))
        z.append(linear[1](F.relu(z[-1])))
        return Run(F.cross_entropy(z[-1], y), {"z_ms": z}, {"gw_sq": [_weight(layer) for layer in [*filters, *linear]]})

    return nn.ModuleList([*filters, *linear]), forward


class _Block(nn.Module):
    def __init__(self, inside: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, out, 3, stride, 1, bias=False)
        self.norm, self.second = nn.BatchNorm2d(out), nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.last, self.skip = nn.BatchNorm2d(out), nn.Sequential()
        if stride != 1 or inside != out:
            self.skip = nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor, z: list[Tensor]) -> Tensor:
        z.append(self.first(x))
        z.append(self.second(F.relu(self.norm(z[-1]))))
        return F.relu(self.last(z[-1]) + self.skip(x))


def _resnet(spec: Spec) -> tuple[nn.Module, Forward]:
    base = spec["base"]
    stem, norm, blocks, width = nn.Conv2d(3, base, 3, 1, 1, bias=False), nn.BatchNorm2d(base), nn.ModuleList(), base
    for i in range(4):
        for j in range(2):
            blocks.append(_Block(width, base * 2**i, 2 if i and j == 0 else 1))
            width = base * 2**i
    head = nn.Linear(width, 10)
    filters = [stem, *(m for m in blocks.modules() if isinstance(m, nn.Conv2d))]
    if spec["init"] == "torchvision":
        for module in filters:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    x, y = data((16, 3, 16, 16))

    def forward() -> Run:
        z, stream = [stem(x)], list[Tensor]()
        h = F.relu(norm(z[0]))
        for block in blocks:
            h = block(h, z)
            stream.append(h)
        weights = [stem.weight, *(_weight(m) for b in blocks for m in (b.first, b.second))]  # type: ignore[arg-type]
        return Run(F.cross_entropy(head(h.mean((2, 3))), y), {"z_ms": z, "stream_ms": stream}, {"gw_sq": weights})

    return nn.ModuleList([stem, norm, blocks, head]), forward


def _transformer(spec: Spec) -> tuple[nn.Module, Forward]:
    d, first = spec["d"], spec["norm_first"]
    layers = [
        nn.TransformerEncoderLayer(d, spec["heads"], spec["ff"], 0.0, spec["act"], batch_first=True, norm_first=first)
        for _ in range(spec["layers"])
    ]
    norm, head = nn.LayerNorm(d) if first else nn.Identity(), nn.Linear(d, 10)
    x, _ = data((spec["batch"], spec["tokens"], d))
    y = torch.randint(10, (spec["batch"], spec["tokens"]), generator=torch.Generator().manual_seed(5))

    def forward() -> Run:
        stream = [x.clone().requires_grad_().clone()]
        for layer in layers:
            stream.append(layer(stream[-1]))
        weights = {
            "go_sq": [_weight(layer.self_attn.out_proj) for layer in layers],
            "g1_sq": [_weight(layer.linear1) for layer in layers],
            "g2_sq": [_weight(layer.linear2) for layer in layers],
            "ghead_sq": [head.weight],
        }
        loss = F.cross_entropy(head(norm(stream[-1])).flatten(0, 1), y.flatten())
        return Run(loss, {"z_ms": stream}, weights)

    return nn.ModuleList([*layers, norm, head]), forward


def _rnn(spec: Spec) -> tuple[nn.Module, Forward]:
    kind, variant, hidden = spec["kind"], spec["var"], spec["hidden"]
    cells: dict[str, Callable[[], nn.RNNCellBase]] = {
        "lstm": lambda: nn.LSTMCell(spec["inp"], hidden),
        "gru": lambda: nn.GRUCell(spec["inp"], hidden),
    }
    cell = cells.get(kind, lambda: nn.RNNCell(spec["inp"], hidden, nonlinearity=kind[4:]))()
    _vary(cell, variant, hidden)
    head = nn.Linear(hidden, 10)
    x, y = data((spec["batch"], spec["T"], spec["inp"]))

    def forward() -> Run:
        states, h, c = list[Tensor](), torch.zeros(len(x), hidden), torch.zeros(len(x), hidden)
        for t in range(spec["T"]):
            if kind == "lstm":
                h, c = cell(x[:, t], (h, c))
            else:
                h = cell(x[:, t], h)
            states.append(h)
        weights = [cell.weight_ih, cell.weight_hh]
        return Run(F.cross_entropy(head(h), y), {"z_ms": states}, {"gw_sq": weights})

    return nn.ModuleList([cell, head]), forward


def _vary(cell: nn.RNNCellBase, variant: str, hidden: int) -> None:
    """The initializations that are told from torch's own."""
    with torch.no_grad():
        if variant.startswith("orthogonal"):
            for gate in torch.split(cell.weight_hh, hidden):
                nn.init.orthogonal_(gate)
        if variant == "identity":
            nn.init.eye_(cell.weight_hh)
            nn.init.normal_(cell.weight_ih, 0, 0.001)
            nn.init.zeros_(cell.bias_ih)
            nn.init.zeros_(cell.bias_hh)
        if variant == "he_hh":
            nn.init.normal_(cell.weight_hh, 0, (2 / hidden) ** 0.5)
        if variant.endswith("fb1"):
            cell.bias_ih[hidden : 2 * hidden] = 1.0
            cell.bias_hh[hidden : 2 * hidden] = 0.0
        if variant == "zb2":
            cell.bias_ih[hidden : 2 * hidden] = 2.0


_BUILDERS: dict[str, Callable[[Spec], tuple[nn.Module, Forward]]] = {
    "mlp": _mlp,
    "res": _residual,
    "cnn": _cnn,
    "resnet18": _resnet,
    "transformer": _transformer,
    "rnn": _rnn,
}
