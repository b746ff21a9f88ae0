"""What is expected of a network before it has been trained: every signal's size, and every gradient's."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, isfinite, log10
from statistics import median

from gradmedic.base.messages import Message
from gradmedic.base.views import view
from gradmedic.recording.ledger import Ledger
from gradmedic.recording.records import MEASURED
from gradmedic.recording.site import Site

MUCH = 3.0
"""Decades between the first layers and the last from which a gradient counts as vanishing or exploding."""


@dataclass(frozen=True)
class Range:
    """A size (rms, or a norm): its mean over initializations, and where a single one lies 95 times in 100."""

    middle: float
    low: float
    high: float

    def __contains__(self, size: float) -> bool:
        return self.low <= size <= self.high

    def widened(self, decades: float) -> "Range":
        """The same size, with so much more on both sides."""
        return Range(self.middle, self.low / 10**decades, self.high * 10**decades)


@dataclass(frozen=True)
class PredictedOperation:
    """One operation: the rms of its result's entries, and of the gradient that arrives at them.

    `gain` is what it does to the gradient's norm on the way back, in decades. Where there is no rule
    for it, `unknown` says why, and what stands here is a guess, or what was measured. What was
    measured beside it, in a script's first pass, is in `measured_value` and `measured_grad`.
    """

    site: Site
    value: Range | None = None
    grad: Range | None = None
    gain: float | None = None
    unknown: str = ""
    measured_value: float | None = None
    measured_grad: float | None = None


@dataclass(frozen=True)
class PredictedParameter:
    """A parameter: the rms of its entries, and the norm of its gradient, as predicted and, of a script, measured."""

    name: str
    shape: tuple[int, ...]
    rms: float
    grad: Range | None = None
    measured: float | None = None


@dataclass(frozen=True)
class Prediction:
    """What theory expects of one model. `recommended` is the same for the initialization that it recommends.

    All sizes are means of squares over random initializations, of the kind that the model's
    parameters are drawn from, and their roots.
    """

    operations: tuple[PredictedOperation, ...] = ()
    weights: tuple[PredictedParameter, ...] = ()
    ledgers: tuple[Ledger, ...] = ()
    reasons: tuple[Message, ...] = ()
    """Why not to rely on it; empty if it can be relied on."""
    notes: tuple[Message, ...] = ()
    init: str = "as it is"
    loss: str = ""
    model: str = ""
    recommended: "Prediction | None" = None
    much: float = MUCH
    """Decades from which its gradient counts as vanishing or exploding."""

    def named(self, model: str, loss: str) -> "Prediction":
        """The same with the names of model and loss, and so what is recommended."""
        other = self.recommended and self.recommended.named(model, loss)
        return replace(self, model=model, loss=loss, recommended=other)

    def judged_by(self, much: float) -> "Prediction":
        """The same with another number of decades from which a gradient counts as vanishing or exploding."""
        return replace(self, much=much, recommended=self.recommended and self.recommended.judged_by(much))

    def doubted(self, decades: float, reason: Message) -> "Prediction":
        """The same with gradients that may be off by so much, for a reason that is told."""
        other = self.recommended and self.recommended.doubted(decades, reason)
        operations = (replace(op, grad=op.grad and op.grad.widened(decades)) for op in self.operations)
        weights = (replace(weight, grad=weight.grad and weight.grad.widened(decades)) for weight in self.weights)
        reasons = (*self.reasons, reason)
        return replace(self, operations=tuple(operations), weights=tuple(weights), reasons=reasons, recommended=other)

    @cached_property
    def measured(self) -> tuple[PredictedOperation, ...]:
        """The layers at which a gradient was measured."""
        return tuple(layer for layer in self.layers if layer.measured_grad is not None)

    @property
    def reliable(self) -> bool:
        """Whether the ranges hold what they promise."""
        return not self.reasons

    @cached_property
    def unknown(self) -> tuple[PredictedOperation, ...]:
        """The operations that theory has no rule for."""
        return tuple(operation for operation in self.operations if operation.unknown)

    @cached_property
    def layers(self) -> tuple[PredictedOperation, ...]:
        """The operations that apply weights, with the gradient that arrives at them, in forward order."""
        found = (operation for operation in self.operations if operation.site.kind in MEASURED and operation.grad)
        return tuple(sorted(found, key=lambda operation: operation.site.order))

    @cached_property
    def ledger(self) -> Ledger | None:
        """The ledger that goes deepest."""
        return max(self.ledgers, key=lambda ledger: len(ledger.entries), default=None)

    @cached_property
    def decades(self) -> float:
        """How the gradient's rms changes from the last third of the layers to the first; negative: it is lost."""
        body = self.layers[:-1]
        if len(body) < 2:
            return 0.0
        third = max(1, len(body) // 3)
        return median(map(_grad_decades, body[:third])) - median(map(_grad_decades, body[-third:]))

    @property
    def decades_per_10_layers(self) -> float:
        """The same, for ten layers."""
        body = len(self.layers) - 1
        return 10 * self.decades / (body - max(1, body // 3)) if body > 2 else self.decades

    @property
    def signal_decades(self) -> float:
        """By how much the signal's rms changes from the first layer to the last but one."""
        body = [op.value.middle for op in self.layers[:-1] if op.value and op.value.middle > 0]
        return log10(body[-1] / body[0]) if len(body) > 1 and isfinite(body[-1]) else 0.0

    @property
    def verdict(self) -> str:
        """ "vanishes", "explodes", "fine", or "unclear" where the ranges allow for more than one of these."""
        if not isfinite(self.decades):
            return "explodes" if self.decades > 0 else "vanishes"
        if abs(self.decades) <= self.much:
            return "fine"
        if self._allows_for_nothing():
            return "unclear"
        return "explodes" if self.decades > 0 else "vanishes"

    def _allows_for_nothing(self) -> bool:
        """True if the ranges at both ends have something in common."""
        first, last = self.layers[0].grad, self.layers[-2].grad
        return bool(first and last) and first.low <= last.high and last.low <= first.high  # type: ignore[union-attr]

    def to_json(self, lang: str = "en") -> str:
        """The prediction as JSON, by the schema `gradmedic.prediction/1`."""
        return view(self, "json", lang)

    def to_text(self, lang: str = "en") -> str:
        """The prediction as a screen of 80 columns shows it."""
        return view(self, "text", lang)

    def to_html(self, lang: str = "en") -> str:
        """The prediction as one page for a browser."""
        return view(self, "page", lang)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return view(self, "html", "en")


def _grad_decades(operation: PredictedOperation) -> float:
    size = operation.grad.middle if operation.grad else 0.0
    return log10(size) if size > 0 else -inf
