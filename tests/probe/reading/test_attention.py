"""Rows of a fused attention that are worked out anew are those that it computed."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gradmedic.probe.reading.attention import one_hot_rows
from gradmedic.recording.records import Recording

Watch = Callable[..., Recording]
MASKS = {
    "none": None,
    "added": torch.linspace(-3, 3, 144).reshape(12, 12),
    "of samples": (torch.arange(12) < torch.tensor([5, 9])[:, None])[:, None, None].expand(2, 1, 12, 12),
}


def by_hand(q: Tensor, k: Tensor, scale: float, causal: bool, mask: Tensor | None) -> float:
    scores = q @ k.repeat_interleave(q.shape[1] // k.shape[1], 1).transpose(2, 3) * scale
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    if causal:
        scores = scores.masked_fill(torch.ones(12, 12).triu(1).bool(), -torch.inf)
    rows = scores.softmax(3).amax(3) > 0.99
    return float(rows[scores.isfinite().sum(3) > 1].double().mean())


@pytest.mark.parametrize("heads", [2, 1])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_the_share_is_that_of_the_whole_softmax(mask: str, causal: bool, heads: int) -> None:
    torch.manual_seed(0)
    q, k = torch.randn(2, 2, 12, 8), torch.randn(2, heads, 12, 8)
    for scale in (0.1, 3.0, 30.0):
        found = one_hot_rows(q, k, scale, causal, MASKS[mask])
        assert found is not None
        assert float(found) == pytest.approx(by_hand(q, k, scale, causal, MASKS[mask]))


def test_rows_that_see_one_entry_say_nothing() -> None:
    assert one_hot_rows(torch.randn(2, 2, 1, 8), torch.randn(2, 2, 1, 8), None, True, None) is None
    assert one_hot_rows(torch.randn(2, 5, 8), torch.randn(2, 5, 8), None, False, None) is None


@pytest.mark.parametrize(("scale", "low", "high"), [(None, 0.0, 0.1), (100.0, 0.8, 1.0)])
def test_a_pass_through_a_fused_attention_tells_it(watch: Watch, scale: float | None, low: float, high: float) -> None:
    torch.manual_seed(0)
    q = torch.randn(2, 4, 12, 16, requires_grad=True)

    def one_pass() -> None:
        out = F.scaled_dot_product_attention(q, q.flip(2) * 1, q, scale=scale)
        out.sum().backward()  # type: ignore[no-untyped-call]

    (row,) = (row for row in watch(one_pass).captures[0].sites.values() if "saturated" in row)
    assert low <= row["saturated"] <= high
    assert row["score_scale"] == pytest.approx(1.0 if scale is None else 4 * scale)
