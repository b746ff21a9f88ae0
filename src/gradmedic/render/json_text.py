"""Documents as JSON that a person can read and any program parses."""

import json
from collections.abc import Mapping
from typing import Any


def json_text(document: Mapping[str, Any]) -> str:
    """One JSON object, indented, in its own order; raises `ValueError` for a number that is not finite."""
    return json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
