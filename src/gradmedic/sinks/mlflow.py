"""MLflow: metrics carry steps of their own, so the script's are not touched."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from gradmedic.sinks import STEP, Sink

LONGEST = 5000
"""Characters of a tag that MLflow keeps."""


class MlflowSink(Sink):
    """Metrics under `gradmedic/` in the active run; findings as tags; the report as an artifact."""

    name: ClassVar[str] = "mlflow"

    def __init__(self, mlflow: Any, run: str) -> None:
        self._mlflow = mlflow
        self._client: Any = mlflow.MlflowClient()
        self._run = run

    @classmethod
    def found(cls) -> Self | None:
        """The run that is active on the training thread."""
        mlflow = sys.modules.get("mlflow")
        active = mlflow.active_run() if mlflow is not None else None
        return cls(mlflow, active.info.run_id) if active is not None else None

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """All of a step in one call."""
        now = int(time.time() * 1000)
        metric = self._mlflow.entities.Metric
        metrics = [metric(name, value, now, step) for name, value in values.items() if name != STEP]
        self._client.log_batch(self._run, metrics=metrics)

    def finding(self, step: int, title: str, text: str, severe: bool) -> None:
        """A tag under the name of the rule."""
        self._client.set_tag(self._run, f"gradmedic.{title}", text[:LONGEST])

    def report(self, path: Path) -> None:
        """An artifact in the folder `gradmedic`."""
        self._client.log_artifact(self._run, str(path), "gradmedic")
