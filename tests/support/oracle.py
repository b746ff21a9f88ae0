"""Numbers from independent quadrature that the theory has to meet; the file says where they come from."""

import json
from pathlib import Path
from typing import Any

_FILE = json.loads((Path(__file__).parents[1] / "oracles" / "activations.json").read_text(encoding="utf-8"))

ACTIVATIONS: dict[str, Any] = _FILE["activations"]
GATES: dict[str, list[list[float]]] = _FILE["gates"]
MOMENTS = ("m1", "m2", "m4", "d1", "d2", "d4", "x22", "m2_dq", "d2_dq")
