"""A treatment as JSON, for programs: docs/reference/treatment.schema.json describes it."""

from typing import Any

from gradmedic.base.locale import say
from gradmedic.diagnosis.report import Report
from gradmedic.render.json_text import json_text
from gradmedic.render.report.json import plain
from gradmedic.treatment.prescription import Prescription
from gradmedic.trials.paired_effect import Arm, Effect
from gradmedic.trials.search.treatment_result import ArmResult, Treatment

SCHEMA = "gradmedic.treatment/1"


def written(treatment: Treatment, lang: str = "en") -> str:
    """One JSON object, its keys in a fixed order, its numbers always finite."""
    return json_text(document(treatment, lang))


def document(treatment: Treatment, lang: str = "en") -> dict[str, Any]:
    """The treatment as plain dicts, lists, strings and finite numbers."""
    scale = treatment.scale
    whole = {
        "schema": SCHEMA,
        "script": treatment.before.recording.run.get("script"),
        "verdict": say(treatment.verdict, lang),
        "prescription": _items(treatment.prescription) if treatment.prescription else None,
        "code": treatment.prescription.code() if treatment.prescription else None,
        "unit": scale.unit if scale is not None else None,
        "before": _diagnosis(treatment.before),
        "after": _diagnosis(treatment.after) if treatment.after is not None else None,
        "worsening": [say(one, lang) for one in treatment.worsening],
        "control": _runs(treatment.control) if treatment.control is not None else [],
        "arms": [_arm(line, line is treatment.chosen) for line in treatment.lines],
        "steps": treatment.steps,
        "trials": treatment.trials,
        "seconds": treatment.seconds,
        "interrupted": treatment.interrupted,
    }
    return {key: plain(value) for key, value in whole.items()}


def _items(prescription: Prescription) -> list[dict[str, Any]]:
    return [{"remedy": item.remedy, "dose": dict(item.dose)} for item in prescription.items]


def _diagnosis(report: Report) -> dict[str, Any]:
    return {"verdict": report.verdict, "rules": [finding.rule for finding in report.findings]}


def _arm(line: ArmResult, chosen: bool) -> dict[str, Any]:
    worse = line.worse
    return {
        "prescription": _items(line.arm.prescription),
        "chosen": chosen,
        "confirmed": line.confirmed,
        "effect": _effect(line.effect),
        "worse": {"name": worse.name, "before": worse.before, "after": worse.after} if worse else None,
        "runs": _runs(line.arm),
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "mean": effect.mean,
        "low": effect.low,
        "high": effect.high,
        "pairs": list(effect.pairs),
        "rescued": effect.rescued,
        "proved": effect.proved,
    }


def _runs(arm: Arm) -> list[dict[str, Any]]:
    return [
        {
            "seed": seed,
            "ended": run.ended.value,
            "error": run.error,
            "steps": run.steps,
            "seconds": run.seconds,
            "metric": run.metric,
            "losses": {name: series.losses[-1] if series.losses else None for name, series in run.series.items()},
        }
        for seed, run in sorted(arm.runs.items())
    ]
