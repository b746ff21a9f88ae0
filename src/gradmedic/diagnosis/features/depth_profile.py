"""How the gradient's size changes with depth, from the first layers to those near the output."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf, log10
from statistics import median

from gradmedic.diagnosis.features.layers import Layer, layers
from gradmedic.recording.ledger import Ledger
from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.site import Kind, Place

TINIEST = -45.0
"""log10 of the smallest float32: what is below it has been flushed to zero."""


@dataclass(frozen=True)
class Slope:
    """The change over depth of one capture, in decades; negative is a loss on the way to the input.

    `weights` is that of the weights' gradients, `arriving` that of the gradient that reaches the
    layers' outputs, both from the last third of the layers to the first. `fall` is the largest
    share of it that a single layer makes.
    """

    layers: tuple[Layer, ...]
    weights: float
    arriving: float
    fall: float

    @property
    def first(self) -> tuple[Layer, ...]:
        """The layers of the first third."""
        return self.layers[: max(1, len(self.layers) // 3)]

    @property
    def last(self) -> tuple[Layer, ...]:
        """The layers of the last third."""
        return self.layers[-max(1, len(self.layers) // 3) :]

    @property
    def per_layer(self) -> float:
        """Decades per layer of the gradient that arrives."""
        return self.arriving / max(1, len(self.layers) - len(self.first))


def slope(recording: Recording, capture: Capture, fewest: int = 4) -> Slope | None:
    """The change over depth, or None where there are fewer than `fewest` layers or nothing flows at all.

    A third is taken by its median in decades, so that one layer with a small input, or the query
    weights of an attention layer, does not count as depth. Zeros at the input's end stand for
    float32's smallest number only if the gradient was already falling when it reached them.
    """
    found = layers(recording, capture)
    arriving = _decades([layer.arriving for layer in found])
    weights = _decades([layer.grad for layer in found])
    if len(found) < fewest or arriving is None or weights is None:
        return None
    third = len(found) // 3
    return Slope(tuple(found), _over(weights, third), _over(arriving, third), _steepest(arriving, third))


def _steepest(arriving: Sequence[float], third: int) -> float:
    """The largest share of a fall that one layer makes.

    Of parallel branches, a gate beside what it lets through, the one that gets more is the way: of two
    neighbors the larger counts, and the most that has arrived anywhere up to there.
    """
    way = list(accumulate(map(max, pairwise(arriving)), max))
    total = _over(way, third)
    return max(later - earlier for earlier, later in pairwise(way)) / -total if total < 0 else 1.0


def _over(decades: Sequence[float], third: int) -> float:
    return median(decades[:third]) - median(decades[-third:])


def _decades(sizes: Sequence[float]) -> list[float] | None:
    """log10 of the sizes, the input first; None where zeros are not the end of a decline."""
    flowing = [log10(size) for size in sizes if size > 0]
    if len(flowing) == len(sizes):
        return flowing
    blocked = len(sizes) - len(flowing)
    declining = len(flowing) > 2 and all(size == 0 for size in sizes[:blocked]) and flowing[0] - flowing[-1] < -10
    return [TINIEST] * blocked + flowing if declining else None


def longest(capture: Capture) -> Ledger | None:
    """The ledger of a capture that passes the most operations."""
    return max(capture.ledgers, key=lambda ledger: len(ledger.entries), default=None)


def shares(capture: Capture) -> tuple[float, float] | None:
    """What activations and what weights did to the gradient on the longest path, in decades."""
    ledger = longest(capture)
    if ledger is None:
        return None
    kinds = ledger.by_kind()
    bounded = kinds.get(Kind.ACTIVATION, 0.0) + kinds.get(Kind.OPAQUE, 0.0)
    return bounded, kinds.get(Kind.WEIGHTS, 0.0)


def forward_growth(recording: Recording, capture: Capture) -> tuple[float, Place] | None:
    """Decades from the first layer's input to the largest finite activation, and where that is.

    Inputs smaller than one count as one. What belongs to the loss is left out: squares and sums
    there have a scale of their own.
    """
    start = next((layer.flow.get("input_rms", 0.0) for layer in layers(recording, capture)), 0.0)
    sizes: list[tuple[float, Place]] = []
    for site in recording.in_order(capture.stream):
        numbers = capture.sites.get(site.id, {})
        size = numbers.get("value_rms", 0.0)
        if not site.tail and 0 < size < inf:
            sizes.append((size, site.place))
        if numbers.get("value_bad", 0) > 0:
            break
    if not sizes or start <= 0:
        return None
    size, place = max(sizes, key=lambda pair: pair[0])
    return log10(size / max(start, 1.0)), place


def foreseen(recording: Recording, ledger: Ledger) -> tuple[float, float] | None:
    """The decades that theory expects along a ledger: with the weights as they were, and with critical ones.

    The last entry, from a layer's output to its own weights, is a matter of the layer's input and
    stays as it was measured. None unless all other operations that matter were worked out.
    """
    *way, last = ledger.entries or (None,)
    passed = [recording.sites[entry.site] for entry in way if entry and entry.site in recording.sites]
    known = [(s.expected_gain, s.critical_gain) for s in passed if s.expected_gain is not None]
    silent = [s for s in passed if s.expected_gain is None and s.kind not in (Kind.SHAPE, Kind.LOSS)]
    if silent or not known or any(critical is None for _, critical in known):
        return None
    own = ledger.start + (last.decades if last else 0.0)
    return own + sum(as_is or 0.0 for as_is, _ in known), own + sum(critical or 0.0 for _, critical in known)
