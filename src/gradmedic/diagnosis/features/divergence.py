"""Whether a run had run away before a step: what tells an explosion from one bad operation.

Inf and NaN end both stories. An explosion is seen coming: the loss or the gradient climbs by
decades over the steps before, the values climb by decades over the depth, or the steps were
larger than the weights. An operation outside of its domain strikes out of the blue.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot, inf, isfinite, log10
from statistics import median

from gradmedic.diagnosis.features.layers import paces
from gradmedic.diagnosis.training_state import climb_by_step
from gradmedic.recording.records import Capture, Recording

LOSS = 2.0
"""Decades that a loss has to climb. A logarithm that approaches 0 in float32 reaches 87, which is
less than two decades above the loss of a guess; noise does less."""
GRADIENT = 3.0
"""Decades that a gradient has to climb and stay: one more than the loss, because 1/x and 1/sqrt(x)
near 0 make single large gradients without any explosion."""
DEPTH = 4.0
"""Decades that forward values may climb from the first to the largest layer: a residual net of
twenty blocks that double the variance climbs three."""
BACKWARD = 6.0
"""Decades that the gradient may climb from the loss to a parameter: fifty plain layers with batch
normalization, which train, climb four."""
UPDATE = 1.0
"""A step as large as the weights that it changes, for the median weight matrix, replaces them."""
OPERAND = 12.0
"""Decades of a finite operand: float32 ends at 38.5, so a sum of a few million products overflows
when its factors are near 1e16; no data and no mask has entries like that."""


@dataclass(frozen=True)
class RunGrowth:
    """How far a run had grown before a step: decades, and for `update` a ratio."""

    losses: float = 0.0
    gradients: float = 0.0
    values: float = 0.0
    backward: float = 0.0
    operand: float = 0.0
    update: float = 0.0

    @property
    def exploded(self) -> bool:
        """True where any of the numbers is beyond what a sound run does."""
        return bool(self.signs)

    @property
    def signs(self) -> dict[str, float]:
        """The numbers that are beyond what a sound run does, by what they say."""
        limits = {
            "loss_decades": (self.losses, LOSS),
            "gradient_decades": (self.gradients, GRADIENT),
            "forward_decades": (self.values, DEPTH),
            "backward_decades": (self.backward, BACKWARD),
            "operand_decades": (self.operand, OPERAND),
            "update_over_weight": (self.update, UPDATE),
        }
        return {name: number for name, (number, limit) in limits.items() if number >= limit}


def grew_before(recording: Recording, step: int) -> RunGrowth:
    """What had grown until `step`; the largest growth of all streams."""
    earlier = [vital for vital in recording.vitals if vital.step <= step]
    seen = [capture for capture in recording.captures if capture.step <= step]
    by_stream = [[vital for vital in earlier if vital.stream == stream] for stream in recording.streams or (0,)]
    return RunGrowth(
        max((_rise([v.loss for v in some if v.loss is not None], brief=True) for some in by_stream), default=0.0),
        max((_rise([v.grad_norm for v in some if v.grad_norm is not None]) for some in by_stream), default=0.0),
        max((_over_depth(recording, capture) for capture in seen), default=0.0),
        max((entries.total for capture in seen for entries in capture.ledgers if isfinite(entries.total)), default=0.0),
        max(_operands(recording, step), default=0.0),
        max((pace for capture in seen for pace in _pace(recording, capture)), default=0.0),
    )


def _rise(values: Sequence[float], *, brief: bool = False) -> float:
    """Decades from the typical size in the first half to that of the last three.

    Where `brief` a single step counts too, if it climbs one decade more.
    """
    sizes = [abs(value) for value in values if isfinite(value) and value != 0]
    if len(sizes) < 2:
        return 0.0
    late = sizes[max(1, len(sizes) - 3) :]
    steady, peak = (log10(size / median(sizes[: (len(sizes) + 1) // 2])) for size in (median(late), max(late)))
    return max(steady, peak - 1 if brief or len(sizes) < 6 else -inf)


def _over_depth(recording: Recording, capture: Capture) -> float:
    """Decades from the size of the first values to the largest, in the body of the network."""
    body = [site for site in recording.in_order(capture.stream) if not site.tail]
    rows = [capture.sites.get(site.id, {}) for site in body]
    sizes = [row["value_rms"] for row in rows if 0 < row.get("value_rms", 0.0) < inf]
    return log10(max(sizes) / sizes[0]) if sizes else 0.0


def _operands(recording: Recording, step: int) -> Iterator[float]:
    """log10 of the finite operands that arithmetic choked on; a softmax may hold masks of any size."""
    for event in recording.events_of("non-finite"):
        if event.step > step or "softmax" in str(event.data.get("op")) or event.data.get("phase") == "input":
            continue
        ends = (event.data.get("operand_min"), event.data.get("operand_max"))
        yield from (log10(abs(end)) for end in ends if isinstance(end, int | float) and isfinite(end) and end)


def _pace(recording: Recording, capture: Capture) -> Iterator[float]:
    """The step of the median weight matrix over its size; what started near zero is left out."""
    if found := paces(recording, capture):
        yield median(found.values())


def sizes_by_step(recording: Recording, stream: int) -> list[tuple[int, float]]:
    """(step, norm of the whole gradient), of captures and of the passes between them where it was taken."""
    read = {
        capture.step: hypot(*(row.get("grad_norm", row.get("grad_rms", 0.0)) for row in capture.parameters.values()))
        for capture in recording.captures_of(stream)
    }
    taken = {v.step: v.grad_norm for v in recording.vitals if v.stream == stream and v.grad_norm is not None}
    return sorted((taken | read).items())


def left_behind(losses: Sequence[tuple[int, float]]) -> int:
    """The step from which the loss was never again near its first values."""
    start = median(abs(loss) for _, loss in losses[:3])
    return max((step + 1 for step, loss in losses if abs(loss) <= 3 * start), default=0)


def target_drift(recording: Recording, stream: int) -> float:
    """Decades by which the targets of a loss have grown."""
    return max(
        (
            climb_by_step([(at, max(-low, high)) for (at, low), (_, high) in zip(lows, highs, strict=True)])
            for site in recording.in_order(stream)
            if (lows := recording.site_series(site.id, "target_min"))
            and len(highs := recording.site_series(site.id, "target_max")) == len(lows)
        ),
        default=0.0,
    )
