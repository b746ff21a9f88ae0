"""A gradient that comes to vanish over depth while a network trains."""

from dataclasses import dataclass
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
    """Since `capture` the first layers get less by `fell` decades than at first, of which `depth` over depth."""

    capture: Capture
    now: Slope
    fell: float
    depth: float


def late_fall(recording: Recording, stream: int, least: float) -> LateFall | None:
    """The fall since the first capture that has lasted to the end, of `least` decades, half of it over depth."""
    looks = [
        (capture, found)
        for capture in recording.captures_of(stream)
        if sound(capture) and (found := slope(recording, capture)) is not None
    ]
    if len(looks) < 3:
        return None
    start = looks[0][1]
    falls = [LateFall(at, now, _reach(start) - _reach(now), start.arriving - now.arriving) for at, now in looks[1:]]
    lasting: list[LateFall] = []
    for fall in reversed(falls):
        if fall.fell < least or fall.depth < least / 2:
            break
        lasting.insert(0, fall)
    return lasting[0] if len(lasting) > 1 else None


def _reach(found: Slope) -> float:
    """Decades of the gradient that reaches the first layers."""
    return median(log10(max(layer.arriving, 1e-45)) for layer in found.first)
