"""Look at a run while it goes on: end it when that is asked for, and tell a terminal how it is doing."""

from time import perf_counter
from typing import TextIO

from gradmedic.base.settings import Settings
from gradmedic.diagnosis.certainty import Certainty
from gradmedic.diagnosis.finding import Severity
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Recording
from gradmedic.render.deliver import FOUND, severe

FIRST_LINE = 10.0
"""Seconds until the first progress line; each later one waits twice as long as the one before."""


class StopRun(SystemExit):
    """Ends the script the way `sys.exit` does: `finally` blocks run, `except Exception` does not catch it."""


class StopCondition:
    """Judges the recording now and then, and ends the run as soon as the judge is sure.

    Sure means: a finding of the asked severity is certain (`Certainty`). A non-finite value is
    final and ends the run at once.
    """

    def __init__(self, settings: Settings, recorder: Recorder) -> None:
        self.settings = settings
        self.recorder = recorder
        self.severity = Severity[(settings.stop_on or "critical").upper()]
        self.certainty = Certainty()
        self.non_finite = 0
        self.next_look = 0.0

    def look(self) -> None:
        """Raise `StopRun` if it is time to look and the judge is sure."""
        recording = self.recorder.recording()
        non_finite = len(recording.events_of("non-finite"))
        if perf_counter() < self.next_look and non_finite == self.non_finite:
            return
        self.non_finite = non_finite
        if self.is_sure(recording):
            raise StopRun(FOUND)

    def is_sure(self, recording: Recording) -> bool:
        """Judge, note since when each finding has shown, and put off the next look by what this one cost."""
        from gradmedic.diagnosis.judge import judge

        began = perf_counter()
        findings = severe(judge(recording, self.settings), self.severity)
        certain = self.certainty.certain(findings, recording.last_step)
        spent = perf_counter() - began
        self.next_look = perf_counter() + spent / max(self.settings.budget, 0.001)
        return bool(certain)


class StatusLine:
    """Prints a line about the run so far, more and more seldom, where someone sits at a terminal."""

    def __init__(self, stream: TextIO, recorder: Recorder) -> None:
        self.stream = stream
        self.recorder = recorder
        self.wait = FIRST_LINE
        self.next_line = perf_counter() + FIRST_LINE

    def look(self) -> None:
        """Print a line if it is time for one."""
        if perf_counter() < self.next_line:
            return
        self.wait *= 2
        self.next_line += self.wait
        # The rest of a progress bar that stands on this line is wiped away; the bar draws itself again below.
        self.stream.write(f"\r\x1b[K{self.line(self.recorder.recording())}\n")
        self.stream.flush()

    def line(self, recording: Recording) -> str:
        """How far the run is, in one line."""
        last = recording.vitals[-1] if recording.vitals else None
        parts = ["gradmedic", f"{len(recording.captures)} backward passes read"]
        if last is not None:
            parts.insert(1, f"step {last.step}")
            parts += [f"loss {last.loss:.4g}"] if last.loss is not None else []
        return " · ".join(parts)
