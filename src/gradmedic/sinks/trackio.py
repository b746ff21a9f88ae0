"""Trackio: our numbers stand at the last step that the script has used, so that its next one stays what it is."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from gradmedic.render.tracked_numbers import PREFIX
from gradmedic.sinks import Sink


class TrackioSink(Sink):
    """Metrics under `gradmedic/` in the script's run, `gradmedic/step` among them; findings as text.

    No alerts: trackio prints them, and stdout belongs to the script.
    """

    name: ClassVar[str] = "trackio"

    def __init__(self, run: Any) -> None:
        self._run = run

    @classmethod
    def found(cls) -> Self | None:
        """The run that the script has begun, which trackio keeps by thread."""
        held = getattr(sys.modules.get("trackio.context_vars"), "current_run", None)
        run = held.get() if held is not None else None
        return cls(run) if run is not None else None

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Nothing before the script's first row: it begins with step 0."""
        if (last := self._run._next_step - 1) >= 0:
            self._run.log(dict(values), step=last)

    def finding(self, step: int, title: str, text: str, severe: bool) -> None:
        """A text under the name of the rule."""
        markdown = sys.modules["trackio"].Markdown
        self._run.log({f"{PREFIX}{title}": markdown(text)}, step=max(self._run._next_step - 1, 0))

    def report(self, path: Path) -> None:
        """An artifact of the run."""
        self._run.log_artifact(str(path), name="gradmedic-report", type="report")
