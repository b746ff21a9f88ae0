"""Two runs side by side as JSON, for programs."""

from typing import Any

from gradmedic.diagnosis.difference import Difference
from gradmedic.render.json_text import json_text
from gradmedic.render.report.json import plain

SCHEMA = "gradmedic.diff/1"


def document(found: Difference) -> dict[str, Any]:
    """The difference in what JSON has."""
    whole = {
        "schema": SCHEMA,
        "change": found.change.value,
        "reason": str(found.reason),
        "first": {"name": found.first.name, "verdict": found.first.verdict},
        "second": {"name": found.second.name, "verdict": found.second.verdict},
        "gone": {rule: severity.word for rule, severity in found.gone.items()},
        "new": {rule: severity.word for rule, severity in found.new.items()},
        "parted": found.parted,
        "layer": found.layer,
        "losses": found.losses,
        "gradients": found.gradients,
    }
    return {key: plain(value) for key, value in whole.items()}


def written(found: Difference, lang: str = "en") -> str:
    """The difference as a JSON text."""
    return json_text(document(found))
