"""The norms of a run's gradients: what was usual, and from where on one is a spike."""

from collections.abc import Sequence
from math import ceil, exp, inf, isfinite, log
from statistics import median

from gradmedic.recording.records import Recording

WIDTH = 3.0
"""Robust standard deviations of ln(norm) above its median from which a norm is a spike: under one
healthy step in a hundred is beyond that, and of spikes of 20 times the usual norm nearly all are."""

LEAST_SPREAD = 0.1
"""The least standard deviation of ln(norm): gradients of full batches hardly vary at all."""


def sound_norms(recording: Recording) -> list[float]:
    """The norms before clipping of all streams, until the first loss or norm that is not finite; zeros left out."""
    ends = [v.step for v in recording.vitals if not (isfinite(v.loss or 0.0) and isfinite(v.grad_norm or 0.0))]
    end = min(ends, default=inf)
    return [v.grad_norm for v in recording.vitals if v.grad_norm and v.step < end]


def spike_limit(norms: Sequence[float], width: float = WIDTH) -> float:
    """The norm from which on one is a spike: exp(median + width x spread) of the logarithms.

    The spread is 1.4826 x the median absolute deviation, which spikes themselves do not move.
    """
    logs = [log(norm) for norm in norms]
    middle = median(logs)
    spread = 1.4826 * median(abs(one - middle) for one in logs)
    return exp(middle + width * max(spread, LEAST_SPREAD))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is at least as large as this share of them."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]
