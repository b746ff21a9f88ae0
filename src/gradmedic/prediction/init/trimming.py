"""Scale weights, layer by layer, until what they make of a batch has the size that is wanted.

Each operation of a forward pass is seen below autograd, so that functional calls, raw tensors and fused layers are
seen as modules are. Sizes are root mean squares, not standard deviations: constant outputs have next to none of
these, and dividing by it blew weights up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any

import torch
from torch import Tensor, nn

from gradmedic.prediction.dispatch_mode import Dispatched
from gradmedic.prediction.init.weights import Normed, Weight
from gradmedic.prediction.model_input import Feed
from gradmedic.probe.preserved_state import undisturbed

MIXES = frozenset(["mm", "addmm", "bmm", "baddbmm", "addbmm", "mv", "addmv", "linear", "convolution", "_convolution"])
LEAST = 0.01
"""No weight gets a hundred times smaller than it was drawn."""


@dataclass(frozen=True)
class TargetSize:
    """The root mean square that what a weight makes is to have, and by how much it may be multiplied."""

    weight: Weight
    size: float
    most: float


def trim(model: nn.Module, feed: Feed, wishes: Mapping[str, TargetSize]) -> dict[str, float]:
    """Trim each weight at its first use with a signal; the factors by the weights' names.

    The model runs in training mode, without gradients; buffers, modes and random states are put back.
    """
    trimmer = _Trimmer(model, wishes)
    with undisturbed(model), torch.no_grad(), trimmer:
        model.train()
        fed = feed.mapped(lambda x: x.clone())
        model(*fed.args, **dict(fed.kwargs or {}))
    return trimmer.factors


class _Trimmer(Dispatched):
    def __init__(self, model: nn.Module, wishes: Mapping[str, TargetSize]) -> None:
        super().__init__()
        self.factors: dict[str, float] = {}
        self._owned = {_storage(parameter) for parameter in model.parameters()}
        self._wishes: dict[int, TargetSize] = {}
        self._directions: dict[int, TargetSize] = {}
        for wish in wishes.values():
            kept = self._directions if isinstance(wish.weight, Normed) else self._wishes
            kept[_storage(wish.weight.parts[-1][1])] = wish
        self._done: set[tuple[int, int, int]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.name().partition("::")[2].partition(".")[0]
        if name in MIXES:
            self._trim(func, args, kwargs)
        out = func(*args, **kwargs)
        if name in ("_weight_norm_interface", "_weight_norm") and _storage(args[0]) in self._directions:
            made = out[0] if isinstance(out, tuple) else out
            self._wishes[_storage(made)] = self._directions[_storage(args[0])]
        return out

    def _trim(self, func: Any, args: Any, kwargs: Any) -> None:
        at = next((i for i, x in enumerate(args) if isinstance(x, Tensor) and _storage(x) in self._wishes), None)
        if at is None:
            return
        weight: Tensor = args[at]
        key = (_storage(weight), int(weight.storage_offset()), weight.numel())
        if weight.dim() < 2 or key in self._done:
            return
        alone = [self._without(x) if i != at else x for i, x in enumerate(args)]
        made = func(*alone, **kwargs)
        size = float(made.double().square().mean().sqrt()) if made.numel() else 0.0
        if size > 0 and isfinite(size):
            self._done.add(key)
            self._multiply(self._wishes[key[0]], weight, size)

    def _without(self, x: Any) -> Any:
        """An operand that is a parameter is a bias."""
        return torch.zeros_like(x) if isinstance(x, Tensor) and _storage(x) in self._owned else x

    def _multiply(self, wish: TargetSize, weight: Tensor, size: float) -> None:
        factor = min(max(wish.size / size, LEAST), wish.most)
        weight.mul_(factor)
        if isinstance(wish.weight, Normed):
            wish.weight.multiply(factor)
        self.factors[wish.weight.name] = factor


def _storage(x: Tensor) -> int:
    return x.untyped_storage().data_ptr() if x.device.type != "meta" else id(x)


def wished(weight: Weight, made: float, most: float) -> TargetSize:
    """The wish that stands for a mean square."""
    return TargetSize(weight, sqrt(made), most)
