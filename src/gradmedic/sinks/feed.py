"""What the trackers get of a run: numbers at each capture, findings once they are certain, the report at the end."""

from collections.abc import Callable, Sequence
from time import perf_counter

from gradmedic.base.settings import Settings
from gradmedic.diagnosis.certainty import Certainty
from gradmedic.diagnosis.finding import Finding
from gradmedic.diagnosis.judge import judge
from gradmedic.diagnosis.report import Report
from gradmedic.recording.recorder import Recorder
from gradmedic.sinks.publisher import Publisher


class TrackerFeed:
    """Sends each capture, each finding once it is certain, and in the end the report. `tell` says what has failed."""

    def __init__(self, settings: Settings, recorder: Recorder, tell: Callable[[str], None]) -> None:
        self.settings = settings
        self.recorder = recorder
        self.publisher = Publisher(settings.log_to, tell)
        self.certainty = Certainty()
        self.told: set[str] = set()
        self.next_look = 0.0

    def look(self) -> None:
        """Send the numbers of the newest capture, and findings if it is time to judge."""
        if (latest := self.recorder.latest()) is not None:
            self.publisher.capture(*latest)
        if perf_counter() >= self.next_look:
            self.judge()

    def judge(self) -> None:
        """Hand on what has become certain, and put off the next look by what this one cost."""
        began = perf_counter()
        recording = self.recorder.recording()
        step = recording.last_step
        self.tell(self.certainty.certain(judge(recording, self.settings).findings, step), step)
        self.next_look = perf_counter() + (perf_counter() - began) / max(self.settings.budget / 2, 0.001)

    def tell(self, findings: Sequence[Finding], step: int) -> None:
        """Hand on those that have not been told yet."""
        self.publisher.findings([found for found in findings if found.rule not in self.told], step)
        self.told |= {found.rule for found in findings}

    def close(self, report: Report) -> None:
        """Hand on what the end of the run has shown, and the report."""
        self.tell(report.findings, report.recording.last_step)
        self.publisher.close(report)
