"""Weights & Biases: our numbers join the row that the script commits next, so that its steps stay its own."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from gradmedic.render.tracked_numbers import PREFIX
from gradmedic.sinks import STEP, Sink


class WandbSink(Sink):
    """Metrics under `gradmedic/`, over a step metric of their own; findings as alerts; the report as an artifact."""

    name: ClassVar[str] = "wandb"

    def __init__(self, run: Any) -> None:
        self._run = run
        run.define_metric(STEP, hidden=True)
        run.define_metric(f"{PREFIX}*", step_metric=STEP)

    @classmethod
    def found(cls) -> Self | None:
        """The run that the script has begun."""
        run = getattr(sys.modules.get("wandb"), "run", None)
        return cls(run) if run is not None else None

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Without a commit: the step of the history goes on with the script's own rows only."""
        self._run.log(dict(values), commit=False)

    def finding(self, step: int, title: str, text: str, severe: bool) -> None:
        """An alert."""
        self._run.alert(title=f"gradmedic: {title}", text=text, level="ERROR" if severe else "WARN")

    def report(self, path: Path) -> None:
        """An artifact of the run."""
        artifact = sys.modules["wandb"].Artifact(f"gradmedic-{self._run.id}", type="gradmedic-report")
        artifact.add_file(str(path))
        self._run.log_artifact(artifact)
