"""What a loss would be if the network knew nothing but its targets' frequencies or means.

No constant output does better than this; a network that ends there has learned nothing of its
inputs. Read from the targets that autograd has kept, on their device.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from gradmedic.probe.graph.graph import Vertex
from gradmedic.probe.torch_internals import saved

FEWEST = 8
"""Samples of a batch from which a mean over them says something."""
SAMPLES_PER_CLASS = 10
"""Below so many per class that is there, a batch does not tell how frequent classes are."""
MEAN, SUM = 1, 2
"""Reductions, as torch numbers them."""


def guess(vertex: Vertex, target: Tensor) -> Tensor | None:
    """The loss of the best constant outputs (one per unit) on these targets; None where that is not known."""
    known = _KNOWN.get(vertex.operation.op)
    reduction = saved(vertex.node, "reduction")
    if known is None or reduction not in (MEAN, SUM) or saved(vertex.node, "weight") is not None:
        return None
    output = vertex.tensor(vertex.operation.operand) if vertex.operation.operand else None
    found = known(output, target.detach()) if isinstance(output, Tensor) else None
    if found is None:
        return None
    return found * target.numel() if reduction == SUM else found


def of_squares(output: Tensor, target: Tensor) -> Tensor | None:
    """The variance of each unit over the samples, without the bias of a small batch (Bessel)."""
    if output.shape != target.shape or target.dim() == 0 or len(target) < FEWEST or not target.is_floating_point():
        return None
    return target.double().var(0).mean()


def _of_classes(output: Tensor, target: Tensor) -> Tensor | None:
    """The entropy of the classes, with the correction of Miller and Madow (1955); log C where a batch is too small."""
    if output.dim() < 2 or target.is_floating_point():
        return None
    classes, flat = output.shape[1], target.flatten()
    told = (flat >= 0) & (flat < classes)  # the others are ignored
    counts = torch.zeros(classes, dtype=torch.float64, device=flat.device)
    counts.scatter_add_(0, flat.clamp(0, classes - 1), told.double())
    number = counts.sum().clamp(min=1)
    share = counts / number
    there = (counts > 0).sum()
    entropy = -torch.xlogy(share, share).sum() + (there - 1) / (2 * number)
    most = torch.log(torch.full_like(entropy, classes))
    return torch.where(number >= SAMPLES_PER_CLASS * there, torch.minimum(entropy, most), most)


def _of_probabilities(output: Tensor, target: Tensor) -> Tensor | None:
    """The entropy of each unit's frequency."""
    if output.shape != target.shape or target.dim() == 0 or len(target) < FEWEST:
        return None
    share = target.double().mean(0).clamp(0, 1)
    return -(torch.xlogy(share, share) + torch.xlogy(1 - share, 1 - share)).mean()


_KNOWN: dict[str, Callable[[Tensor, Tensor], Tensor | None]] = {
    "nll_loss": _of_classes,
    "mse_loss": of_squares,
    "binary_cross_entropy": _of_probabilities,
    "binary_cross_entropy_with_logits": _of_probabilities,
}
