"""Six small trainings whose steps are timed: from three tiny layers to a ResNet-18."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, relu, scaled_dot_product_attention

Step = Callable[[], None]


@dataclass(frozen=True)
class Workload:
    """A training by name; `start` builds it and returns the function that does one step of it."""

    name: str
    start: Callable[[], Step]


def stepping(model: nn.Module, optimizer: torch.optim.Optimizer, loss_of: Callable[[], Tensor]) -> Step:
    """One ordinary training step."""

    def step() -> None:
        optimizer.zero_grad()
        loss_of().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    model.train()
    return step


def mlp(depth: int, width: int, batch: int = 64) -> Step:
    """A ReLU net of `depth` equal layers."""
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    for layer in layers[::2]:
        nn.init.kaiming_normal_(layer.weight)  # type: ignore[arg-type]
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    x, y = torch.randn(batch, width), torch.randint(0, 10, (batch,))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return stepping(model, optimizer, lambda: cross_entropy(model(x), y))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a skip, as in He 2015."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(c_out), nn.BatchNorm2d(c_out)
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.skip = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        inner = relu(self.bn1(self.conv1(x)))
        return relu(self.bn2(self.conv2(inner)) + self.skip(x))


def resnet18(batch: int = 8) -> Step:
    """ResNet-18 with the usual stem for 32x32 images."""
    widths = [64, 64, 64, 128, 128, 256, 256, 512, 512]
    strides = [1, 1, 2, 1, 2, 1, 2, 1]
    blocks = [BasicBlock(a, b, s) for a, b, s in zip(widths, widths[1:], strides, strict=False)]
    stem = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    model = nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    x, y = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return stepping(model, optimizer, lambda: cross_entropy(model(x), y))


class DecoderBlock(nn.Module):
    """Causal attention and an MLP, normalized first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """The residual stream behind this block."""
        b, t, d = x.shape
        q, k, v = (z.view(b, t, self.heads, -1).transpose(1, 2) for z in self.qkv(self.ln1(x)).chunk(3, -1))
        attended = scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(attended.transpose(1, 2).reshape(b, t, d))
        return x + self.mlp(self.ln2(x))  # type: ignore[no-any-return]


def decoder(width: int = 256, depth: int = 6, length: int = 64, batch: int = 4, vocabulary: int = 256) -> Step:
    """A small GPT."""
    blocks = [DecoderBlock(width, 4) for _ in range(depth)]
    head = nn.Linear(width, vocabulary, bias=False)
    model = nn.Sequential(nn.Embedding(vocabulary, width), *blocks, nn.LayerNorm(width), head)
    tokens = torch.randint(0, vocabulary, (batch, length + 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    return stepping(
        model, optimizer, lambda: cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    )


def lstm(hidden: int = 128, length: int = 50, batch: int = 32) -> Step:
    """Two LSTM layers that predict a number from a sequence."""
    rnn, head = nn.LSTM(8, hidden, num_layers=2, batch_first=True), nn.Linear(hidden, 1)
    x, y = torch.randn(batch, length, 8), torch.randn(batch, 1)
    model = nn.ModuleList([rnn, head])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return stepping(model, optimizer, lambda: mse_loss(head(rnn(x)[0][:, -1]), y))


WORKLOADS = (
    Workload("MLP 20x256", lambda: mlp(20, 256)),
    Workload("MLP 100x64", lambda: mlp(100, 64)),
    Workload("ResNet-18, 32x32", resnet18),
    Workload("decoder 6 layers, d=256", decoder),
    Workload("LSTM, 2 layers", lstm),
    Workload("MLP 3x32", lambda: mlp(3, 32, 32)),
)
