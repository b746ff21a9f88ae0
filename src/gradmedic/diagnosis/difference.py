"""How one run differs from another: better, worse, the same, or not to be compared, and where they part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite, log10
from statistics import median

from gradmedic.base.messages import Message
from gradmedic.base.views import view
from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.run_view import RunView, Sizes

SAME = 1e-6
"""Relative difference of two losses that rounding explains: float32 has seven digits."""

APART = 0.05
"""Decades by which a layer's gradient has to differ for the layer to be named as the first."""

CLEARLY = 2.0
"""Times the noise of the two losses by which their ends have to differ."""

ROWS = 6
"""Steps at which losses are put side by side."""


class RunChange(StrEnum):
    """What the second run is beside the first."""

    IMPROVED = "improved"
    WORSE = "worse"
    SAME = "the same"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class Difference:
    """The second run beside the first.

    `losses` are (step, first, second) at steps that both have, `gradients` (layer, first, second) at the last
    capture of each, `parted` the first step at which the losses differ, and `layer` the first layer, input
    first, whose gradient differs at the first capture after that.
    """

    first: RunView
    second: RunView
    change: RunChange
    reason: Message
    gone: Mapping[str, Severity]
    new: Mapping[str, Severity]
    losses: Sequence[tuple[int, float, float]]
    gradients: Sequence[tuple[str, float | None, float | None]]
    parted: int | None
    layer: str | None

    def to_json(self) -> str:
        """The difference as JSON, by the schema `gradmedic.diff/1`."""
        return view(self, "json", "en")

    def to_html(self, lang: str = "en") -> str:
        """The difference as one page for a browser."""
        return view(self, "page", lang)

    def __str__(self) -> str:
        return view(self, "text", "en")

    def _repr_html_(self) -> str:
        return view(self, "html", "en")


def difference(first: RunView, second: RunView) -> Difference:
    """The second run beside the first."""
    change, reason = _judged(first, second)
    gone = {rule: severity for rule, severity in first.findings.items() if rule not in second.findings}
    new = {rule: severity for rule, severity in second.findings.items() if rule not in first.findings}
    parted = _parted(first, second)
    pairs = _common(first.losses, second.losses)
    chosen = pairs if len(pairs) <= ROWS else [pairs[i * (len(pairs) - 1) // (ROWS - 1)] for i in range(ROWS)]
    layers = _side_by_side(_last(first), _last(second))
    return Difference(
        first, second, change, reason, gone, new, chosen, layers, parted, _first_layer(first, second, parted)
    )


def _judged(first: RunView, second: RunView) -> tuple[RunChange, Message]:
    """Severity decides first, then the end of the loss; what cannot be held against each other is not judged."""
    if first.criterion and second.criterion and first.criterion != second.criterion:
        names = {"first": ", ".join(sorted(first.criterion)), "second": ", ".join(sorted(second.criterion))}
        return RunChange.NOT_COMPARABLE, Message("the losses are of two kinds: {first} and {second}", names)
    severities = first.severity, second.severity
    if severities[0] != severities[1]:
        text = (
            "its worst finding is less severe" if severities[1] < severities[0] else "its worst finding is more severe"
        )
        return (RunChange.IMPROVED if severities[1] < severities[0] else RunChange.WORSE), Message(text)
    return _by_loss(first, second)


def _by_loss(first: RunView, second: RunView) -> tuple[RunChange, Message]:
    ends = _ends(first, second)
    if ends is None:
        return RunChange.NOT_COMPARABLE, Message("no loss is known of both at the same steps")
    one, other = ends
    lost = [not isfinite(end) for end in ends]
    values: dict[str, object] = {"first": f"{one:.4g}", "second": f"{other:.4g}"}
    if any(lost):
        if all(lost):
            return RunChange.SAME, Message("the loss is not finite in both")
        change = RunChange.WORSE if lost[1] else RunChange.IMPROVED
        return change, Message("the loss ends at {second}, not {first}", values)
    noise = CLEARLY * max(first.progress.noise, second.progress.noise, SAME * abs(one))
    if abs(one - other) <= noise:
        return RunChange.SAME, Message("the loss ends at {second} and {first}: no more apart than its noise", values)
    change = RunChange.IMPROVED if other < one else RunChange.WORSE
    return change, Message("the loss ends at {second}, not {first}", values)


def _ends(first: RunView, second: RunView) -> tuple[float, float] | None:
    """The typical losses at the end of the steps that both have; without such steps, those that were written down."""
    pairs = _common(first.losses, second.losses)
    if pairs:
        late = pairs[-max(1, len(pairs) // 10) :]
        return median(one for _, one, _ in late), median(other for _, _, other in late)
    one, other = first.progress.last, second.progress.last
    return None if one is None or other is None else (one, other)


def _common(first: Sequence[tuple[int, float]], second: Sequence[tuple[int, float]]) -> list[tuple[int, float, float]]:
    other = dict(second)
    return [(step, loss, other[step]) for step, loss in dict(first).items() if step in other]


def _parted(first: RunView, second: RunView) -> int | None:
    """The first step at which the losses differ by more than rounding."""
    for step, one, other in _common(first.losses, second.losses):
        if abs(one - other) > SAME * max(abs(one), abs(other)) or isfinite(one) != isfinite(other):
            return step
    return None


def _first_layer(first: RunView, second: RunView, parted: int | None) -> str | None:
    """The first layer that differs at the first capture at which any does, from the step on at which losses part."""
    for step in sorted(first.gradients.keys() & second.gradients.keys()):
        if parted is None or step >= parted:
            for name, one, other in _side_by_side(first.gradients[step], second.gradients[step]):
                if one is None or other is None or _decades_apart(one, other) > APART:
                    return name
    return None


def _decades_apart(one: float, other: float) -> float:
    if one <= 0 or other <= 0 or not (isfinite(one) and isfinite(other)):
        return 0.0 if one == other else float("inf")
    return abs(log10(one / other))


def _last(view: RunView) -> Sizes:
    return view.gradients[max(view.gradients)] if view.gradients else ()


def _side_by_side(first: Sizes, second: Sizes) -> list[tuple[str, float | None, float | None]]:
    """The layers of both, in the order of the first run."""
    one, other = dict(first), dict(second)
    return [(name, one.get(name), other.get(name)) for name in dict.fromkeys((*one, *other))]
