"""A prediction as JSON, for programs: docs/reference/prediction.schema.json describes it."""

from math import inf, isfinite
from typing import Any

from gradmedic.base.locale import say
from gradmedic.prediction.prediction import PredictedOperation, PredictedParameter, Prediction, Range
from gradmedic.recording.ledger import Ledger
from gradmedic.render.json_text import json_text

SCHEMA = "gradmedic.prediction/1"


def written(prediction: Prediction, lang: str = "en") -> str:
    """One JSON object, its keys in a fixed order, its numbers always finite."""
    whole = {"schema": SCHEMA, **document(prediction, lang)}
    return json_text(whole)


def document(prediction: Prediction, lang: str = "en") -> dict[str, Any]:
    """The prediction as plain dicts, lists, strings and finite numbers; a number that is not finite is null."""
    return {
        "model": prediction.model,
        "init": prediction.init,
        "loss": prediction.loss,
        "verdict": prediction.verdict,
        "decades": _plain(prediction.decades),
        "decades_per_10_layers": _plain(prediction.decades_per_10_layers),
        "signal_decades": _plain(prediction.signal_decades),
        "reliable": prediction.reliable,
        "reasons": [say(reason, lang) for reason in prediction.reasons],
        "notes": [say(note, lang) for note in prediction.notes],
        "operations": [_operation(operation) for operation in prediction.operations],
        "weights": [_weight(weight) for weight in prediction.weights],
        "ledger": _ledger(prediction.ledger) if prediction.ledger else None,
        "recommended": document(prediction.recommended, lang) if prediction.recommended else None,
    }


def _operation(operation: PredictedOperation) -> dict[str, Any]:
    site = operation.site
    return {
        "name": site.name,
        "op": site.op,
        "kind": str(site.kind),
        "module": site.module,
        "shape": list(site.shape),
        "repeats": site.repeats,
        "value_rms": _range(operation.value),
        "grad_rms": _range(operation.grad),
        "measured_value_rms": _plain(operation.measured_value),
        "measured_grad_rms": _plain(operation.measured_grad),
        "gain_decades": _plain(operation.gain),
        "unknown": operation.unknown or None,
    }


def _weight(weight: PredictedParameter) -> dict[str, Any]:
    grad = _range(weight.grad)
    return {
        "name": weight.name,
        "shape": list(weight.shape),
        "rms": _plain(weight.rms),
        "grad_norm": grad,
        "measured_grad_norm": _plain(weight.measured),
    }


def _ledger(ledger: Ledger) -> dict[str, Any]:
    entries = [
        {"name": entry.name, "op": entry.op, "kind": str(entry.kind), "decades": _plain(entry.decades)}
        for entry in ledger.entries
    ]
    kinds = {str(kind): _plain(decades) for kind, decades in ledger.by_kind().items()}
    return {
        "target": ledger.target,
        "start": ledger.start,
        "total": _plain(ledger.total),
        "by_kind": kinds,
        "entries": entries,
    }


def _range(found: Range | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"middle": _plain(found.middle), "low": _plain(found.low), "high": _plain(found.high)}


def _plain(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) and value not in (inf, -inf) else None
