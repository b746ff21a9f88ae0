"""A gradient that comes to vanish over depth while a network trains."""

from dataclasses import dataclass, replace
from math import log10
from statistics import median

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.depth_profile import Slope, slope
from gradmedic.diagnosis.features.layers import sound
from gradmedic.diagnosis.finding import Cure
from gradmedic.recording.records import Capture, Recording

CURES = (
    Cure(
        Message("Warm the learning rate up, or lower it tenfold"),
        "warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=500)",
    ),
    Cure(
        Message("Normalize before each block instead of behind it"),
        "nn.TransformerEncoderLayer(width, heads, norm_first=True)",
    ),
)


@dataclass(frozen=True)
class LateFall:
    """At the last `capture` the first layers get less by `fell` decades than at first, of which `depth` over depth."""

    capture: Capture
    now: Slope
    fell: float
    depth: float
    since: int = 0
    """The step since which they have got less at every look, by half as many decades at least."""


def late_fall(recording: Recording, stream: int, least: float) -> LateFall | None:
    """The fall from the first capture to the last, of `least` decades, half of it over depth."""
    looks = [
        (capture, found)
        for capture in recording.captures_of(stream)
        if sound(capture) and (found := slope(recording, capture)) is not None
    ]
    if len(looks) < 3:
        return None
    start = looks[0][1]
    falls = [LateFall(at, now, _reach(start) - _reach(now), start.arriving - now.arriving) for at, now in looks[1:]]
    since = len(falls)
    while since and falls[since - 1].fell >= least / 2:
        since -= 1
    last = falls[-1]
    if len(falls) - since < 2 or last.fell < least or last.depth < least / 2:
        return None
    return replace(last, since=falls[since].capture.step)


def _reach(found: Slope) -> float:
    """Decades of the gradient that reaches the first layers."""
    return median(log10(max(layer.arriving, 1e-45)) for layer in found.first)
