"""Comparisons drawn by hand: outcomes as a runner would bring them, without running anything."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from support.arms import falling, prescribed, series

from gradmedic.treatment.prescription import Prescription
from gradmedic.trials.comparison.comparison import RIGHT, SCRIPT, Comparison, Entrant, standings
from gradmedic.trials.paired_effect import Arm
from gradmedic.trials.run_summary import Checkup, PassSummary
from gradmedic.trials.scoring import scale_of
from gradmedic.trials.trial import Outcome, RunEnd, Trial

LAYERS = ("first", *(f"hidden.{at}" for at in range(10)), "head")


def looks(
    per_layer: float, activation: float, weights: float, dead: float | None = None, flat: float | None = None
) -> tuple[PassSummary, ...]:
    """Two looks at a network of twelve layers, of which each changes the gradient by `per_layer` decades."""
    sizes = tuple((name, 10.0 ** (-3 + per_layer * (len(LAYERS) - 1 - at))) for at, name in enumerate(LAYERS))
    kinds = {"activation": activation, "weights": weights, "loss": -0.9}
    ledger = (("nll_loss", -0.9), ("hidden", activation + weights))
    return PassSummary(0, sizes, ledger, kinds, dead and dead / 2, flat), PassSummary(
        90, sizes[:], ledger, kinds, dead, flat
    )


def ran(
    prescription: Prescription,
    seed: int,
    end: float | RunEnd,
    pace: float = 0.001,
    inside: tuple[PassSummary, ...] = (),
) -> Outcome:
    """The outcome of a run of a hundred steps that ended at a loss, or did not end well."""
    losses = falling(2.3, end) if isinstance(end, float) else falling(2.3, 2.2, 20)
    told: dict[str, Any] = {"steps": len(losses), "seconds": 3.0, "startup": 1.0, "checkup": Checkup(inside, pace)}
    error = (
        "" if isinstance(end, float) else "it is a patient that cannot be treated like this, for a reason that is long"
    )
    ended = RunEnd.FINISHED if isinstance(end, float) else end
    return Outcome(Trial(prescription, seed, observed=True), ended, {"t.py:9": series(losses)}, error=error, **told)


def entrant(
    activation: str, ends: Sequence[float | RunEnd], start: str = RIGHT, *, control: bool = False, **run: Any
) -> Entrant:
    """An activation that ended there, seed by seed."""
    prescription = Prescription() if control else prescribed("swap-activation", to=activation, start=start)
    runs = {seed: ran(prescription, seed, end, **run) for seed, end in enumerate(ends)}
    return Entrant(activation, SCRIPT if control else start, Arm(prescription, runs))


def compared(entrants: Sequence[Entrant], **facts: Any) -> Comparison:
    """A comparison; the first entrant is the script as it is."""
    controls = [*entrants[0].arm.runs.values()]
    scale = scale_of(controls, [run for one in entrants for run in one.arm.runs.values()])
    found = Comparison(
        "train.py",
        (entrants[0].activation,),
        ("first/sigmoid", "hidden.*/sigmoid"),
        11,
        standings(entrants, scale),
        scale,
        pace=0.001,
        trials=sum(len(one.arm.runs) for one in entrants),
        seconds=83.2,
    )
    return replace(found, **facts)


def sigmoids(lang: str = "en") -> Comparison:
    """Sigmoid in twelve layers against others: two as good as each other, one broken, one refused, one no better."""
    return compared(
        [
            entrant("sigmoid", (2.30, 2.31, 2.30), control=True, inside=looks(-0.85, -7.3, -2.0, flat=0.0)),
            entrant("selu", (0.020, 0.022, 0.021), pace=0.00112, inside=looks(-0.02, -0.4, 0.3)),
            entrant("relu", (0.021, 0.020, 0.023), inside=looks(-0.05, -3.4, 3.2, dead=0.04)),
            entrant("tanh", (0.12, 0.13, 0.12), inside=looks(0.03, -1.1, 1.4, flat=0.31)),
            entrant("relu", (2.29, 2.31, 2.30), SCRIPT, inside=looks(-0.6, -3.5, -5.9, dead=0.1)),
            entrant("gelu", (RunEnd.CRASHED, RunEnd.CRASHED, RunEnd.CRASHED), inside=looks(-0.1, -3.0, 2.0)),
            entrant("softplus", (RunEnd.REFUSED, RunEnd.REFUSED, RunEnd.REFUSED)),
        ],
        lang=lang,
    )


def healthy(lang: str = "en") -> Comparison:
    """Nothing is better than the network's own GELU, and it was ended early."""
    return compared(
        [
            entrant("gelu", (0.30, 0.33), control=True),
            entrant("relu", (0.31, 0.32)),
            entrant("silu", (0.29, 0.35)),
        ],
        lang=lang,
        own=("gelu",),
        interrupted=True,
    )


DRAWN: Mapping[str, Any] = {"sigmoids": sigmoids, "as_good": healthy}
