"""The probabilities of a fused attention, of which no kernel keeps any: some rows are worked out anew."""

from typing import Any

import torch
from torch import Tensor

from gradmedic.base.storage import is_readable
from gradmedic.probe.reading.saturation import ONE_HOT
from gradmedic.probe.reading.statistics import none_if_unsupported, wide

HEADS, ROWS = 4, 64
"""Heads of single samples, and rows of each, that are worked out; they are spread evenly."""


@none_if_unsupported
def one_hot_rows(query: Tensor, key: Tensor, scale: float | None, causal: bool, mask: Any) -> Tensor | None:
    """The share of rows whose largest probability is over 0.99, of those that see more than one entry.

    `query` is (batch, heads, rows, width), `key` has as many or fewer heads; `mask` is added to the scores.
    None for another shape, or where no row sees more than one entry.
    """
    if query.dim() != 4 or key.dim() != 4 or not (is_readable(query) and is_readable(key)):
        return None
    rows = _spread(query.shape[2], ROWS, query.device)
    tops, seen = [], []
    for at in _spread(query.shape[0] * query.shape[1], HEADS, torch.device("cpu")).tolist():
        sample, head = divmod(at, query.shape[1])
        keys = wide(key[sample, head * key.shape[1] // query.shape[1]].detach())
        scores = wide(query[sample, head, rows].detach()) @ keys.T * (scale or query.shape[3] ** -0.5)
        if causal:
            later = torch.arange(key.shape[2], device=query.device) > rows[:, None]
            scores = scores.masked_fill(later, float("-inf"))
        if isinstance(mask, Tensor) and is_readable(mask):
            shape = (*query.shape[:3], key.shape[2])
            added = mask.detach().expand(shape)[sample, head, rows]
            scores = scores.masked_fill(~added, float("-inf")) if added.dtype == torch.bool else scores + added
        tops.append(scores.softmax(1).amax(1) > ONE_HOT)
        seen.append(scores.isfinite().sum(1) > 1)
    told, sees = torch.cat(tops), torch.cat(seen)
    return wide((told & sees).sum()) / sees.sum() if bool(sees.any()) else None


def _spread(length: int, most: int, device: torch.device) -> Tensor:
    return torch.arange(0, length, max(1, -(-length // most)), device=device)
