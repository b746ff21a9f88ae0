"""Small networks of random operations on odd shapes, to try rules of theory on."""

import random
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZES = (1, 2, 3, 4, 6, 8)
LARGEST = 20_000


class Draw:
    """Random choices, and the parameters that operations ask for."""

    def __init__(self, seed: int, weights: list[nn.Parameter], *, first: bool) -> None:
        self.random, self.weights, self.first, self.asked = random.Random(seed), weights, first, 0

    def dim(self, x: Tensor) -> int:
        """Any dimension, counted from either end."""
        return self.random.randrange(-x.dim(), x.dim())

    def upto(self, low: int, high: int) -> int:
        """A whole number between two, both included."""
        return self.random.randint(low, high)

    def maybe(self) -> bool:
        """True half of the time."""
        return self.random.random() < 0.5

    def size(self) -> int:
        """A size of a dimension."""
        return self.random.choice(SIZES)

    def weight(self, *shape: int) -> Tensor:
        """A parameter: a new one in the first pass, the same one in later passes."""
        if self.first:
            self.weights.append(nn.Parameter(torch.randn(shape)))
        self.asked += 1
        return self.weights[self.asked - 1]


def _split(x: Tensor, d: Draw) -> Tensor:
    dim = d.dim(x)
    at = d.upto(0, x.shape[dim])
    first, second = torch.split(x, [at, x.shape[dim] - at], dim)
    return first if first.numel() and d.maybe() else second


def _reshaped(x: Tensor, d: Draw) -> Tensor:
    left, sizes = x.numel(), list[int]()
    for _ in range(d.upto(0, 3)):
        size = d.random.choice([n for n in range(1, left + 1) if left % n == 0])
        sizes.append(size)
        left //= size
    return x.reshape([*sizes, left])


def _gathered(x: Tensor, d: Draw) -> Tensor:
    dim = d.dim(x)
    return x.gather(dim, torch.randint(x.shape[dim], x.shape))


def _einsum(x: Tensor, d: Draw) -> Tensor:
    names = "abcdef"[: x.dim()]
    gone = names[d.dim(x)]
    weight = d.weight(x.shape[names.index(gone)], 3)
    return torch.einsum(f"{names},{gone}z->{names.replace(gone, 'z')}", x, weight)


def _sliced(x: Tensor, d: Draw) -> Tensor:
    dim = d.dim(x)
    index = [slice(None)] * x.dim()
    index[dim] = slice(d.upto(0, x.shape[dim] - 1), None, d.upto(1, 2))
    return x[tuple(index)]


def _beside_weight(x: Tensor, d: Draw) -> Tensor:
    dim, shape = d.dim(x), list(x.shape)
    shape[dim] = d.upto(1, 2)
    return torch.cat([d.weight(*shape), x], dim)


def _written(x: Tensor, d: Draw) -> Tensor:
    x = x.clone()
    x[..., 0] = 0
    return x


def _picture(operation: Callable[[Tensor, Draw], Tensor], rank: int) -> Callable[[Tensor, Draw], Tensor]:
    return lambda x, d: operation(x, d) if x.dim() == rank else x


Operation = Callable[[Tensor, Draw], Tensor]

OPERATIONS: dict[str, Operation] = {
    "stack": lambda x, d: torch.stack([x, *[torch.tanh(x)] * d.upto(0, 3)], d.upto(-x.dim() - 1, x.dim())),
    "cat": lambda x, d: torch.cat([x, torch.relu(x)], d.dim(x)),
    "cat of a part": lambda x, d: torch.cat([_sliced(x, d), x], d.dim(x)),
    "cat of a parameter": _beside_weight,
    "cat of nothing": lambda x, d: torch.cat([x.narrow(0, 0, 0), x]),
    "cat of a constant": lambda x, d: torch.cat([torch.ones_like(x), x], d.dim(x)),
    "split": _split,
    "chunk": lambda x, d: torch.chunk(x, d.upto(1, 4), d.dim(x))[-1],
    "unbind": lambda x, d: torch.unbind(x, d.dim(x))[-1],
    "select": lambda x, d: x.select(d.dim(x), -1),
    "slice": _sliced,
    "permute": lambda x, d: x.permute(d.random.sample(range(x.dim()), x.dim())),
    "transpose": lambda x, d: x.transpose(d.dim(x), d.dim(x)),
    "flatten": lambda x, d: x.flatten(d.upto(0, x.dim() - 1), -1),
    "reshape": _reshaped,
    "unsqueeze": lambda x, d: x.unsqueeze(d.upto(-x.dim() - 1, x.dim())),
    "squeeze": lambda x, d: x.squeeze() if d.maybe() else x.squeeze(d.dim(x)),
    "expand": lambda x, d: x.expand(d.upto(1, 3), *[-1] * x.dim()),
    "expand ones": lambda x, d: x.expand([d.upto(1, 3) if size == 1 else size for size in x.shape]),
    "repeat": lambda x, d: x.repeat([d.upto(1, 2) for _ in x.shape]),
    "repeat_interleave": lambda x, d: x.repeat_interleave(2, d.dim(x)),
    "roll": lambda x, d: torch.roll(x, d.upto(-2, 2), d.dim(x)),
    "flip": lambda x, d: x.flip(d.dim(x)),
    "einsum": _einsum,
    "matmul": lambda x, d: x @ d.weight(x.shape[-1], d.size()),
    "mv": lambda x, d: x @ d.weight(x.shape[-1]),
    "squared": lambda x, d: x @ torch.tanh(x).transpose(-1, -2),
    "linear": lambda x, d: F.linear(x, d.weight(4, x.shape[-1]), d.weight(4) if d.maybe() else None),
    "attention": lambda x, d: torch.softmax(x @ x.transpose(-1, -2), -1) @ x,
    "sdpa": lambda x, d: F.scaled_dot_product_attention(x, x, x, is_causal=d.maybe()) if x.dim() > 2 else x,
    "conv1d": _picture(lambda x, d: F.conv1d(x, d.weight(d.size(), x.shape[1], 3), padding=1), 3),
    "conv2d": _picture(
        lambda x, d: F.conv2d(x, d.weight(3, x.shape[1], 3, 2), d.weight(3), stride=d.upto(1, 2), padding=1), 4
    ),
    "depthwise": _picture(
        lambda x, d: F.conv2d(x, d.weight(x.shape[1] * d.upto(1, 2), 1, 3, 3), padding=1, groups=x.shape[1]), 4
    ),
    "conv_transpose": _picture(lambda x, d: F.conv_transpose2d(x, d.weight(x.shape[1], 3, 2, 2), stride=2), 4),
    "max_pool": _picture(lambda x, d: F.max_pool2d(x, 2, 1, 1), 4),
    "avg_pool": _picture(lambda x, d: F.avg_pool2d(x, 2, 2, 1), 4),
    "adaptive_avg_pool": _picture(lambda x, d: F.adaptive_avg_pool2d(x, d.upto(1, 2)), 4),
    "adaptive_max_pool": _picture(lambda x, d: F.adaptive_max_pool1d(x, d.upto(1, 2)), 3),
    "interpolate": _picture(lambda x, d: F.interpolate(x, scale_factor=2, mode=("nearest", "bilinear")[d.maybe()]), 4),
    "pixel_shuffle": _picture(lambda x, d: F.pixel_shuffle(x, 2), 4),
    "unfold": _picture(lambda x, d: F.unfold(x, 2, padding=1), 4),
    "pad": lambda x, d: F.pad(x, [d.upto(0, 2) for _ in range(2 * d.upto(1, x.dim()))]),
    "pad by less": lambda x, d: F.pad(x, (-1, 1)),
    "index": lambda x, d: x[torch.tensor([0, 0, x.shape[0] - 1])],
    "index behind": lambda x, d: x[..., torch.tensor([[0, x.shape[-1] - 1]])],
    "mask": lambda x, d: x[x.detach() > 0],
    "gather": _gathered,
    "sort": lambda x, d: x.sort(d.dim(x))[0],
    "topk": lambda x, d: x.topk(1, d.dim(x))[0],
    "where": lambda x, d: torch.where(x > 0, x, d.random.choice([torch.tanh(x), torch.zeros(())])),
    "masked_fill": lambda x, d: x.masked_fill(torch.rand_like(x) > 0.5, 1.0),
    "sum": lambda x, d: x.sum(d.dim(x), keepdim=d.maybe()),
    "mean": lambda x, d: x.mean(d.dim(x), keepdim=d.maybe()),
    "amax": lambda x, d: x.amax(d.dim(x), keepdim=d.maybe()),
    "logsumexp": lambda x, d: x.logsumexp(d.dim(x)),
    "norm": lambda x, d: x.norm(dim=d.dim(x), keepdim=True),
    "normalize": lambda x, d: F.normalize(x, dim=d.dim(x)),
    "var": lambda x, d: x.var(d.dim(x), keepdim=True, unbiased=False),
    "cumsum": lambda x, d: x.cumsum(d.dim(x)),
    "softmax": lambda x, d: x.softmax(d.dim(x)),
    "log_softmax": lambda x, d: x.log_softmax(d.dim(x)),
    "layer_norm": lambda x, d: F.layer_norm(x, x.shape[-1:], d.weight(x.shape[-1])),
    "rms_norm": lambda x, d: F.rms_norm(x, x.shape[-1:]),
    "group_norm": lambda x, d: F.group_norm(x, 1),
    "batch_norm": lambda x, d: F.batch_norm(x, None, None, training=True),
    "activation": lambda x, d: d.random.choice([torch.relu, torch.sigmoid, F.gelu, torch.exp, torch.abs, torch.sin])(x),
    "square": lambda x, d: x**2,
    "reciprocal": lambda x, d: 1 / (x.abs() + 1),
    "floor": lambda x, d: x.floor(),
    "glu": lambda x, d: F.glu(x, d.dim(x)),
    "gain": lambda x, d: x * d.weight(x.shape[-1]) + d.weight(1),
    "gain of some dims": lambda x, d: x * d.weight(*(size if d.maybe() else 1 for size in x.shape)),
    "outer": lambda x, d: x.unsqueeze(-1) * d.weight(d.size()),
    "residual": lambda x, d: x + torch.tanh(x),
    "less its mean": lambda x, d: x - x.mean(d.dim(x), keepdim=True),
    "by itself": lambda x, d: x.unsqueeze(d.dim(x)) * x,
    "baddbmm": _picture(lambda x, d: torch.baddbmm(x, x @ x.transpose(1, 2), x), 3),
    "addcmul": lambda x, d: torch.addcmul(x, torch.tanh(x), x),
    "fft": lambda x, d: torch.fft.fft(x, dim=d.dim(x)).real,
    "diagonal": lambda x, d: x.diagonal(0, -2, -1),
    "dropout": lambda x, d: F.dropout(x, 0.5),
    "written into": _written,
    "scatter": lambda x, d: torch.zeros_like(x).scatter_add(d.dim(x), torch.zeros(x.shape, dtype=torch.long), x),
    "gru": _picture(lambda x, d: nn.GRU(x.shape[-1], 3)(x)[0], 3),
    "detached": lambda x, d: x * x.detach(),
    "complex": lambda x, d: torch.view_as_real(torch.complex(x, torch.tanh(x))),
}


class RandomNetwork(nn.Module):
    """So many random operations one after the other; what an operation cannot take is passed by it."""

    def __init__(self, seed: int, length: int, x: Tensor) -> None:
        super().__init__()
        self.seed, self.length = seed, length
        self.weights: list[nn.Parameter] = []
        self.trace: list[tuple[str, Sequence[int]]] = []
        out = self._run(x.clone().requires_grad_(), first=True)
        self.all = nn.ParameterList(self.weights)
        self.trains = bool(self.weights) and out.requires_grad and out.is_floating_point() and out.numel() > 0

    def forward(self, x: Tensor) -> Tensor:
        return self._run(x, first=False)

    def _run(self, x: Tensor, *, first: bool) -> Tensor:
        torch.manual_seed(self.seed)
        draw, self.trace = Draw(self.seed, self.weights, first=first), []
        for _ in range(self.length):
            x = x.flatten(0, 1) if x.dim() > 5 else x
            name = draw.random.choice(list(OPERATIONS))
            asked, weights = draw.asked, len(self.weights)
            try:
                y = OPERATIONS[name](x, draw)
            except (RuntimeError, IndexError, ValueError, TypeError):
                draw.asked = asked
                del self.weights[weights if first else len(self.weights) :]
                continue
            if not 0 < y.numel() <= LARGEST:
                break
            if y is not x:
                self.trace.append((name, tuple(y.shape)))
            x = y
        return x


def random_input(seed: int) -> Tensor:
    """An input of one to four dimensions."""
    chosen = random.Random(seed)
    shape = [chosen.choice(SIZES) for _ in range(chosen.choice([1, 2, 3, 3, 4, 4]))]
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
