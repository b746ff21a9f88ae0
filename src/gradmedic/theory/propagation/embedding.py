"""Tables: a row for each token."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import NoRuleError, Propagation, Value, WeightOperand, one, rule
from gradmedic.theory.propagation.input_signal import moments_between
from gradmedic.theory.signals.axes import Axis, same_entries
from gradmedic.theory.signals.signal import UNITS, Atom, Signal

SUM, MEAN = 0, 1
"""Modes of a bag, as torch numbers them."""

MOST = 4_000_000
"""Entries of the table of which token is where; beyond this, tokens are taken as drawn at random."""


@rule("embedding")
def embedding(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Two instances have in common what equal tokens give; the gradients of a token's rows add.

    A bag is the sum or the mean of its tokens: it has in common with another what each pair of tokens has.
    """
    if not isinstance(inputs[0], WeightOperand):
        raise NoRuleError("a table that is no parameter")
    law, rows = inputs[0].law, inputs[0].shape[0]
    *places, width = step.shape
    axes = tuple(Axis(size) for size in places if size > 1)
    numbers = iter(range(len(axes)))
    dims = tuple((Atom(size, next(numbers)),) if size > 1 else () for size in places)
    words, scale = _words(step, prod(places))
    equal, mean = _equal(step.sample, axes, rows, words) * scale**2, law.mean * words * scale
    k = (equal * (law.square - law.mean**2) + mean**2)[None]
    m = torch.full_like(k, mean**2)
    three = torch.tensor([[3.0, 1.0]], dtype=torch.float64)
    out = Signal((*dims, (Atom(width, UNITS),)), axes, (width,), k, m, torch.full_like(k, mean), three)

    def back(grad: Signal) -> list[float]:
        return [float(grad.everywhere(grad.blended().k * equal)[0]) * prod(places) ** 2 * width]

    return one(out, back)


def _words(step: Step, places: int) -> tuple[int, float]:
    """How many tokens a place holds, and by what their sum is multiplied."""
    mode = step.attributes.get("mode")
    if mode is None:
        return 1, 1.0
    if mode not in (SUM, MEAN) or step.sample is None or step.sample.numel() % places:
        raise NoRuleError("bags of tokens of which only the largest counts, or that differ in size")
    words = step.sample.numel() // places
    return words, 1 / words if mode == MEAN else 1.0


def _equal(tokens: Tensor | None, axes: tuple[Axis, ...], rows: int, words: int) -> Tensor:
    """How many of the pairs of words that two places make are pairs of the same token."""
    if tokens is not None and not tokens.is_meta:
        _, which = torch.unique(tokens.cpu(), return_inverse=True)
        kinds = int(which.max()) + 1
        if kinds * which.numel() <= MOST:
            hot = torch.nn.functional.one_hot(which.reshape([*(axis.size for axis in axes), words]), kinds)
            return moments_between(hot.sum(-2).double(), axes) * kinds
    same = same_entries(axes) * words
    return same + (words**2 - same) / rows
