"""First aid for gradients: find out why a PyTorch network does not train, and what to do.

Every public name is loaded on first use, so that `gradmedic --help` and reading a saved
recording never pay for `import torch`.
"""

import sys

__started_with__ = frozenset(sys.modules)
"""What Python itself had loaded; a script under observation finds everything else where it would find it."""

from importlib import import_module  # noqa: E402
from typing import Any  # noqa: E402

from gradmedic.base import views  # noqa: E402

__version__ = "0.2.0"

_HOME = {
    "assert_healthy": "verbs.examine",
    "activation": "theory.activations",
    "compare": "verbs.compare",
    "compare_script": "verbs.compare",
    "coordinate_check": "verbs.coordinate_check",
    "critical": "theory.kernels.critical",
    "diagnose": "verbs.diagnose",
    "diff": "verbs.diff",
    "doctor": "verbs.doctor",
    "examine": "verbs.examine",
    "gain": "theory.kernels.gain",
    "patch": "verbs.patch",
    "predict": "verbs.predict",
    "runs": "verbs.runs",
    "treat": "verbs.treat",
    "watch": "verbs.watch",
    "Activation": "theory.activations",
    "Alters": "treatment.remedies",
    "Comparison": "trials.comparison.comparison",
    "CoordinateCheck": "prediction.coordinate_check",
    "Difference": "diagnosis.difference",
    "Finding": "diagnosis.finding",
    "Outcome": "trials.trial",
    "Prediction": "prediction.prediction",
    "Prescription": "treatment.prescription",
    "Runner": "trials.runners",
    "Treatment": "trials.search.treatment_result",
    "Trial": "trials.trial",
    "GradmedicError": "base.errors",
    "Machine": "base.machine",
    "Patient": "treatment.patient",
    "Recording": "recording.records",
    "Remedy": "treatment.remedies",
    "RecordedRun": "diagnosis.recorded_run",
    "Report": "diagnosis.report",
    "Rule": "diagnosis.rules",
    "Settings": "base.settings",
    "Severity": "diagnosis.finding",
}

_MODULES = {
    "clip": "treatment.clip",
    "init": "prediction.init",
}

__all__ = ["__version__", *sorted({**_HOME, **_MODULES})]


# What draws values stands above them: whoever draws first loads it.
views.load_with(lambda: import_module("gradmedic.render.views"))


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"gradmedic.{_MODULES[name]}")
    if name not in _HOME:
        raise AttributeError(f"module 'gradmedic' has no attribute {name!r}")
    return getattr(import_module(f"gradmedic.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
