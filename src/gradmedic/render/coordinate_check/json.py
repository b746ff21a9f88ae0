"""A coordinate check as JSON, for programs."""

from typing import Any

from gradmedic.base.locale import say
from gradmedic.prediction.coordinate_check import CoordinateCheck, ScaledLayer
from gradmedic.render.json_text import json_text

SCHEMA = "gradmedic.coordinate_check/1"


def written(check: CoordinateCheck, lang: str = "en") -> str:
    """One JSON object, its keys in a fixed order, its numbers always finite."""
    whole = {"schema": SCHEMA, **document(check, lang)}
    return json_text(whole)


def document(check: CoordinateCheck, lang: str = "en") -> dict[str, Any]:
    """The check as plain dicts, lists, strings and finite numbers; what is not known is null."""
    return {
        "model": check.model,
        "loss": check.loss,
        "optimizer": check.optimizer,
        "verdict": check.verdict,
        "reliable": check.reliable,
        "reasons": [say(reason, lang) for reason in check.reasons],
        "widths": list(check.widths),
        "layers": [_layer(layer) for layer in check.layers],
        "loss_change": list(check.loss_change),
        "loss_exponent": check.loss_exponent,
    }


def _layer(layer: ScaledLayer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "signal_rms": list(layer.signal),
        "grad_rms": list(layer.grad),
        "update_rms": list(layer.update),
        "signal_exponent": layer.signal_exponent,
        "grad_exponent": layer.grad_exponent,
        "update_exponent": layer.update_exponent,
    }
