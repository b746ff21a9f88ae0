"""What a loss would be if the network knew nothing but its targets' frequencies or means.

No constant output does better than this; a network that ends there has learned nothing of its
inputs. A criterion is seldom the loss itself: it is averaged, divided by tokens or by the steps of
an accumulation, weighted, added to others. The gradient that arrives at it is by how much all of
that multiplies it, so that everything here is in the unit of the loss that `backward` was called on.
"""

from collections.abc import Callable
from math import log, nan
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gradmedic.probe.graph.graph import Vertex
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.reading import one_pass
from gradmedic.probe.reading.statistics import Number
from gradmedic.probe.torch_internals import saved

FEWEST = 8
"""Samples of a batch from which a mean over them says something."""
SAMPLES_PER_CLASS = 10
"""Below so many per class that is there, a batch does not tell how frequent classes are."""
ALIKE = 1e-3
"""Share by which what samples count for may differ, from rounding alone."""
REDUCTIONS = ("none", "mean", "sum")
"""As torch numbers them."""

Part = tuple[Number, Number]
"""What a criterion adds to the loss, and what it would add for the best constant outputs (NaN if unknown)."""


def part(layout: Layout, i: int, arrived: Tensor) -> Part | None:
    """What the criterion `i` adds to the loss, given the gradient that arrives at its result."""
    vertex, arrived = layout.vertices[i], arrived.detach()
    if vertex.operation.op == "pow":
        return _by_hand(layout, i, arrived)
    if vertex.operation.op == "log_softmax":
        by_class = any(layout.vertices[j].operation.op == "nll_loss" for j, _ in vertex.consumers)
        return _of_log_softmax(vertex, arrived, by_class)
    return _PARTS[vertex.operation.op](vertex, arrived)


def _of_log_softmax(vertex: Vertex, arrived: Tensor, by_class: bool) -> Part | None:
    """A cross-entropy in whatever way it is written: a weighted sum of log-probabilities.

    Samples count alike, or for what their class counts: in a policy gradient each counts for its return.
    """
    told = vertex.tensor("result")
    if not isinstance(told, Tensor) or told.dim() < 1 or told.shape != arrived.shape:
        return None
    dim = int(saved(vertex.node, "dim"))
    dim = dim - 2**64 if dim >= 2**63 else dim
    if dim in (-1, told.dim() - 1) and (known := one_pass.log_probabilities(arrived, told)) is not None:
        return known.adds, _entropy(known, told, by_class)
    classes = told.shape[dim]
    adds = torch.dot(arrived.flatten(), told.detach().flatten().to(arrived.dtype)).double()
    of_sample = -arrived.sum(dim).flatten().double()
    of_class = -arrived.transpose(dim, -1).flatten(0, -2).sum(0).double() if told.dim() > 1 else -arrived.double()
    number = (of_sample > 0).sum().clamp(min=1)
    total = of_sample.sum()
    share = of_class / total
    there = (of_class > 0).sum()
    # The correction of Miller and Madow (1955); log C where a batch is too small.
    entropy = -torch.xlogy(share, share).sum() + (there - 1) / (2 * number)
    most = torch.log(torch.full_like(entropy, classes))
    entropy = torch.where(number >= SAMPLES_PER_CLASS * there, torch.minimum(entropy, most), most)
    counted = torch.where(of_sample > 0, of_sample, total / number)
    even = (counted.max() - counted.min() <= ALIKE * counted.max()) | by_class
    is_entropy = even & (arrived.max() <= 0) & (total > 0)
    return adds, torch.where(is_entropy, total * entropy, torch.nan)


def _entropy(known: one_pass.Weighted, told: Tensor, by_class: bool) -> float:
    """The same of numbers that are on the host."""
    number, total, classes = max(known.number, 1.0), known.total, told.shape[-1]
    if not (known.top <= 0 and total > 0):
        return nan
    low, high = known.low, known.high
    if known.number * classes < told.numel():  # some samples do not count
        low, high = min(low, total / number), max(high, total / number)
    if not (high - low <= ALIKE * high or by_class):
        return nan
    if number < SAMPLES_PER_CLASS * known.there:
        return total * log(classes)
    entropy = log(total) - known.spread / total + (known.there - 1) / (2 * number)
    return total * (log(classes) if entropy > log(classes) else entropy)


def _elementwise(loss: Callable[..., Tensor], guess: Callable[[Tensor, Tensor], Tensor | None] | None) -> Any:
    def part(vertex: Vertex, arrived: Tensor) -> Part | None:
        output, target = vertex.tensor("self"), vertex.tensor("target")
        reduction = saved(vertex.node, "reduction")
        if not isinstance(output, Tensor) or not isinstance(target, Tensor) or reduction not in (0, 1, 2):
            return None
        output, target = output.detach(), target.detach()
        weights = {name: w for name in ("weight", "pos_weight") if isinstance(w := vertex.tensor(name), Tensor)}
        if weights or output.shape != target.shape:
            return None
        value = loss(output, target, reduction=REDUCTIONS[reduction])
        if value.shape != arrived.shape:
            return None
        adds = (value * arrived).sum().double()
        known = guess(output, target) if guess is not None else None
        return adds, _scaled(known, arrived, target.numel() if reduction == 2 else 1)

    return part


def _scaled(known: Tensor | None, arrived: Tensor, count: int) -> Tensor:
    """A guess per entry in the unit of the loss; unknown where entries count for different amounts."""
    low, high = torch.aminmax(arrived.detach().double())
    even = (high - low <= ALIKE * high) & (low > 0)
    if known is None:
        return torch.full_like(low, torch.nan)
    return torch.where(even, known.to(low.device) * arrived.double().sum() * count, torch.nan)


def implied_target(layout: Layout, i: int) -> tuple[int, Tensor, Tensor] | None:
    """Behind a power or an absolute value: the difference that it is of, the output, and the target by both."""
    error = layout.vertices[i].tensor("self")
    for j in layout.signals[i]:
        behind, edges = layout.signals[j], layout.vertices[j].inputs
        if layout.vertices[j].operation.op != "sub" or len(behind) != 1 or len(edges) != 2:
            continue
        source = layout.vertices[behind[0]]
        output = source.tensor(source.operation.result) if source.operation.result else None
        if isinstance(output, Tensor) and isinstance(error, Tensor) and output.shape == error.shape:
            output, error = output.detach(), error.detach()
            return j, output, output - error if edges[0] is not None else output + error
    return None


def _by_hand(layout: Layout, i: int, arrived: Tensor) -> Part | None:
    found = implied_target(layout, i)
    if found is None or found[1].shape != arrived.shape or saved(layout.vertices[i].node, "exponent") != 2:
        return None
    _, output, target = found
    return ((output - target) ** 2 * arrived).sum().double(), _scaled(of_squares(output, target), arrived, 1)


def of_squares(output: Tensor, target: Tensor) -> Tensor | None:
    """The variance of each unit over the samples, without the bias of a small batch (Bessel)."""
    if output.shape != target.shape or target.dim() == 0 or len(target) < FEWEST or not target.is_floating_point():
        return None
    return target.double().var(0).mean()


def _of_probabilities(output: Tensor, target: Tensor) -> Tensor | None:
    """The entropy of each unit's frequency."""
    if output.shape != target.shape or target.dim() == 0 or len(target) < FEWEST:
        return None
    share = target.double().mean(0).clamp(0, 1)
    return -(torch.xlogy(share, share) + torch.xlogy(1 - share, 1 - share)).mean()


_PARTS: dict[str, Callable[[Vertex, Tensor], Part | None]] = {
    "mse_loss": _elementwise(F.mse_loss, of_squares),
    "l1_loss": _elementwise(F.l1_loss, None),
    "binary_cross_entropy": _elementwise(F.binary_cross_entropy, _of_probabilities),
    "binary_cross_entropy_with_logits": _elementwise(F.binary_cross_entropy_with_logits, _of_probabilities),
}
