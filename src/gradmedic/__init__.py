"""First aid for gradients: find out why a PyTorch network does not train, and what to do.

Every public name is loaded on first use, so that `gradmedic --help` and reading a saved
recording never pay for `import torch`.
"""

import sys

__started_with__ = frozenset(sys.modules)
"""What Python itself had loaded; a script under observation finds everything else where it would find it."""

from importlib import import_module  # noqa: E402
from typing import Any  # noqa: E402

__version__ = "0.1.0"

_HOME = {
    "clip": "clip",
    "assert_healthy": "verbs.examine",
    "activation": "activations",
    "compare": "verbs.compare",
    "compare_script": "verbs.compare",
    "critical": "theory.critical",
    "diagnose": "verbs.diagnose",
    "examine": "verbs.examine",
    "gain": "theory.gain",
    "init": "init",
    "patch": "verbs.patch",
    "predict": "verbs.predict",
    "treat": "verbs.treat",
    "watch": "verbs.watch",
    "Activation": "activations",
    "Alters": "remedies",
    "Comparison": "comparison",
    "Finding": "finding",
    "Outcome": "trial",
    "Prediction": "prediction",
    "Prescription": "prescription",
    "Runner": "runners",
    "Treatment": "treatment",
    "Trial": "trial",
    "GradmedicError": "errors",
    "Patient": "patient",
    "Recording": "recording",
    "Remedy": "remedies",
    "Report": "report",
    "Rule": "rules",
    "Settings": "settings",
    "Severity": "finding",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gradmedic' has no attribute {name!r}")
    home = import_module(f"gradmedic.{_HOME[name]}")
    return home if name == _HOME[name] else getattr(home, name)


def __dir__() -> list[str]:
    return __all__
