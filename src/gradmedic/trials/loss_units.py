"""Losses of a run whose loss a remedy has redefined, in the units of the script's own loss.

Standardized targets make a squared error smaller by their variance, and nobody has learned anything.
What the two losses have in common is the untrained network: with the same seeds the first loss of
either run is about the very same predictions. Their ratio is the rate of exchange.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite, prod

from gradmedic.trials.trial import LossSeries, Outcome

Rates = Mapping[str, float]
"""What one unit of the redefined loss is worth, by stream."""


def rates(control: Outcome, redefined: Outcome) -> dict[str, float]:
    """The rates of exchange, from a pair of runs that differ by nothing but the remedy."""
    shared = control.series.keys() & redefined.series.keys()
    return {name: _rate(control.series[name], redefined.series[name]) for name in shared}


def _rate(own: LossSeries, other: LossSeries) -> float:
    first, second = own.losses[:1], other.losses[:1]
    usable = bool(first and second) and all(isfinite(x) and x > 0 for x in (*first, *second))
    return first[0] / second[0] if usable else 1.0


def exchanged(outcome: Outcome, known: list[Rates]) -> Outcome:
    """The outcome with its losses in the control's units, by all rates that apply to it."""
    series = {
        name: replace(one, losses=tuple(loss * prod(rate.get(name, 1.0) for rate in known) for loss in one.losses))
        for name, one in outcome.series.items()
    }
    return replace(outcome, series=series)
