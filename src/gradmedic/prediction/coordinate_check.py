"""How the sizes of signals, gradients and updates change with a network's width: whether a learning rate carries over.

Under maximal update parametrization (Yang+ 2021) none of them does, and what suits a narrow network suits a wide one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp, isfinite, log

from gradmedic.base.messages import Message
from gradmedic.base.views import view

HALF_WAY = 0.25
"""Exponents of width are multiples of one half: what is beyond the middle between zero and that is no zero."""

Steepness = Callable[["ScaledLayer"], float]

Sizes = tuple[float | None, ...]
"""One size for each width; None where it is zero or not known."""


@dataclass(frozen=True)
class ScaledLayer:
    """One layer at every width: the rms of its result, of the gradient that arrives there, and of an update's effect.

    The update's effect is how far one step of the optimizer on this layer's own parameters moves its result
    along the gradient.
    """

    name: str
    widths: tuple[float, ...]
    signal: Sizes
    grad: Sizes
    update: Sizes

    @property
    def signal_exponent(self) -> float | None:
        """The exponent of width in the size of the result."""
        return exponent(self.widths, self.signal)

    @property
    def grad_exponent(self) -> float | None:
        """The same of the gradient."""
        return exponent(self.widths, self.grad)

    @property
    def update_exponent(self) -> float | None:
        """The same of the update."""
        return exponent(self.widths, self.update)


@dataclass(frozen=True)
class CoordinateCheck:
    """The layers of one network at several widths, as theory expects them before the first step.

    `loss_change` is by how much one step changes the loss at each width, to first order in the learning rate.
    """

    layers: tuple[ScaledLayer, ...]
    widths: tuple[float, ...]
    loss_change: Sizes = ()
    optimizer: str = "adam"
    model: str = ""
    loss: str = ""
    reasons: tuple[Message, ...] = ()
    """Why not to rely on it; empty if it can be relied on."""

    @property
    def reliable(self) -> bool:
        """Whether sizes at every width can be relied on; exponents may be right even where they cannot."""
        return not self.reasons

    @cached_property
    def growing(self) -> tuple[ScaledLayer, ...]:
        """Layers whose signals or updates grow with width, the steepest first."""
        return self._sorted(lambda layer: max(_or_zero(layer.signal_exponent), _or_zero(layer.update_exponent)))

    @cached_property
    def fading(self) -> tuple[ScaledLayer, ...]:
        """Layers whose updates fade as the network gets wider, the steepest first."""
        return self._sorted(lambda layer: -_or_zero(layer.update_exponent))

    def _sorted(self, steep: Steepness) -> tuple[ScaledLayer, ...]:
        found = [layer for layer in self.layers if steep(layer) > HALF_WAY]
        return tuple(sorted(found, key=steep, reverse=True))

    @property
    def loss_exponent(self) -> float | None:
        """The exponent of width in what one step changes of the loss."""
        return exponent(self.widths, self.loss_change)

    @property
    def verdict(self) -> str:
        """ "carries over", "grows", "fades", or "unclear" where no layer's update is known at two widths."""
        if all(layer.update_exponent is None for layer in self.layers):
            return "unclear"
        if self.growing or _or_zero(self.loss_exponent) > HALF_WAY:
            return "grows"
        return "fades" if self.fading else "carries over"

    def to_json(self, lang: str = "en") -> str:
        """The check as JSON, by the schema `gradmedic.coordinate_check/1`."""
        return view(self, "json", lang)

    def to_text(self, lang: str = "en") -> str:
        """The check as a screen of 80 columns shows it."""
        return view(self, "text", lang)

    def to_html(self, lang: str = "en") -> str:
        """The check as one page for a browser."""
        return view(self, "page", lang)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return view(self, "html", "en")


def slope(widths: Sequence[float], sizes: Sequence[float | None]) -> float | None:
    """The exponent e of size ~ width^e by least squares of the logarithms; None where fewer than two are known."""
    points = list(_logarithms(widths, sizes))
    return _fitted(points) if len(points) > 1 else None


def exponent(widths: Sequence[float], sizes: Sequence[float | None]) -> float | None:
    """The exponent that remains as a network gets wider still, without what a finite width adds and takes back.

    The slope of the wide half counts, and what it would become if the difference to the narrow half is a correction
    of order 1/sqrt(width), which is the slowest: the smaller of both, and zero where they are of different sign.
    """
    points = list(_logarithms(widths, sizes))
    if len(points) < 3:
        return _fitted(points) if len(points) > 1 else None
    middle = len(points) // 2
    narrow, wide = points[: middle + 1], points[middle:]
    here, there = _fitted(narrow), _fitted(wide)
    left = exp((_mean([x for x, _ in narrow]) - _mean([x for x, _ in wide])) / 2)
    limit = (there - left * here) / (1 - left)
    return min(there, limit, key=abs) if there * limit > 0 else 0.0


def _fitted(points: Sequence[tuple[float, float]]) -> float:
    x, y = (_mean(values) for values in zip(*points, strict=True))
    across = sum((a - x) ** 2 for a, _ in points)
    return sum((a - x) * (b - y) for a, b in points) / across if across else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _logarithms(widths: Sequence[float], sizes: Sequence[float | None]) -> Iterator[tuple[float, float]]:
    for width, size in zip(widths, sizes, strict=False):
        if size is not None and size > 0 and isfinite(size):
            yield log(width), log(size)


def _or_zero(found: float | None) -> float:
    return 0.0 if found is None else found
