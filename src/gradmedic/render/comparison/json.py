"""A comparison as JSON, for programs: docs/reference/comparison.schema.json describes it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gradmedic.base.locale import say
from gradmedic.render.json_text import json_text
from gradmedic.render.report.json import plain
from gradmedic.trials.comparison.comparison import Comparison, Standing, as_loss
from gradmedic.trials.loss_curves import LossCurve
from gradmedic.trials.scoring import score
from gradmedic.trials.trial import Outcome

SCHEMA = "gradmedic.comparison/1"


def written(comparison: Comparison, lang: str = "en") -> str:
    """One JSON object, its keys in a fixed order, its numbers always finite."""
    return json_text(document(comparison, lang))


def document(comparison: Comparison, lang: str = "en") -> dict[str, Any]:
    """The comparison as plain dicts, lists, strings and finite numbers."""
    scale = comparison.scale
    whole = {
        "schema": SCHEMA,
        "subject": comparison.subject,
        "own": comparison.own,
        "sites": comparison.sites,
        "places": comparison.places,
        "verdict": say(comparison.verdict, lang),
        "trains": comparison.trains if comparison.standings else None,
        "unit": scale.unit,
        "goal": scale.goal,
        "seeds": comparison.seeds,
        "steps": comparison.length,
        "seconds_per_step": comparison.pace,
        "trials": comparison.trials,
        "seconds": comparison.seconds,
        "interrupted": comparison.interrupted,
        "standings": [_standing(comparison, one) for one in comparison.standings],
    }
    return {key: plain(value) for key, value in whole.items()}


def _standing(comparison: Comparison, one: Standing) -> dict[str, Any]:
    scale = comparison.scale
    ends = sorted(as_loss(score, scale) for score in one.level)
    return {
        "activation": one.entrant.activation,
        "start": one.entrant.start,
        "rate": one.entrant.rate,
        "control": one.entrant.is_control,
        "place": one.place,
        "tied": one.tied,
        "end": {"typical": as_loss(one.level[0], scale), "low": ends[0], "high": ends[-1]},
        "effect": {"mean": one.effect.mean, "low": one.effect.low, "high": one.effect.high, "pairs": one.effect.pairs},
        "seconds_per_step": one.pace,
        "time_ratio": comparison.ratio(one),
        "prescription": [{"remedy": item.remedy, "dose": item.dose} for item in one.entrant.arm.prescription.items],
        "curves": {name: _curve(curve) for name, curve in one.curves.items()},
        "runs": [_run(comparison, run) for run in one.runs],
    }


def _curve(curve: LossCurve) -> Mapping[str, Any]:
    return asdict(curve)


def _run(comparison: Comparison, run: Outcome) -> dict[str, Any]:
    checkup = run.checkup
    return {
        "seed": run.trial.seed_shift,
        "ended": run.ended,
        "error": run.error,
        "steps": run.steps,
        "seconds": run.seconds,
        "score": score(run, comparison.scale),
        "metric": run.metric,
        "activations": checkup.activations if checkup else {},
        "looks": [
            {
                "step": look.step,
                "gradient_by_depth": [{"layer": name, "rms": rms} for name, rms in look.depth],
                "ledger": [{"name": name, "decades": decades} for name, decades in look.ledger],
                "ledger_by_kind": look.kinds,
                "dead": look.dead,
                "saturated": look.saturated,
            }
            for look in (checkup.looks if checkup else ())
        ],
    }
