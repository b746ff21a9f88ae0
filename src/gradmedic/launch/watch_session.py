"""A run that is watched: treated where that was prescribed, judged at its end, reported."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, replace
from math import inf
from platform import python_version
from time import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from gradmedic import __version__
from gradmedic.base.errors import LaunchError
from gradmedic.base.interruption import let_through
from gradmedic.base.settings import LOST, Settings
from gradmedic.base.surroundings import absolute, folder, rank, ranks, say, tell
from gradmedic.launch.seeds import shift_seeds
from gradmedic.launch.session import Session, flush
from gradmedic.launch.stopping import StatusLine, StopCondition, StopRun
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Event
from gradmedic.render import deliver as delivery
from gradmedic.treatment.prescription import Prescription

if TYPE_CHECKING:
    from gradmedic.sinks.feed import TrackerFeed
    from gradmedic.treatment.patient import Patient

AUTO = "auto"
"""What `record` is where each run gets a new folder."""


class WatchSession(Session):
    """Watches this process from `open` to `close`; what fails in here never reaches the script."""

    def __init__(self, settings: Settings, script: str, argv: list[str]) -> None:
        super().__init__(recorder_for(settings, rank(), facts(settings, script, argv)))
        # The script may change directory.
        outputs = tuple(absolute(output) for output in settings.outputs)
        prescribed = absolute(settings.prescription) if settings.prescription else None
        self.settings = replace(settings, outputs=outputs, prescription=prescribed)
        self.prescription = Prescription.load(settings.prescription) if settings.prescription else None
        self.patient: Patient | None = None
        self.stop_condition = StopCondition(settings, self.recorder) if settings.stop_on is not None else None
        self.feed = self.feed_of(settings) if settings.log_to and self.rank == 0 else None
        self.status_line = StatusLine(self.stream, self.recorder) if self.has_screen and self.stream.isatty() else None

    @property
    def has_screen(self) -> bool:
        """Of several ranks only the first one speaks, and only where there is a stderr."""
        return self.rank == 0 and not self.settings.quiet and self.stream is not None

    def feed_of(self, settings: Settings) -> "TrackerFeed":
        """What sends to the trackers that were asked for."""
        from gradmedic.sinks.feed import TrackerFeed

        return TrackerFeed(settings, self.recorder, lambda told: tell(self.stream, f"gradmedic: {told}"))

    def open(self) -> None:
        """Be there when the script imports torch, with other seeds where these are to be shifted."""
        if self.settings.live and self.rank == 0:
            self.show_live()
        if self.settings.seed_shift is not None:
            shift_seeds(self.settings.seed_shift)
        super().open()

    def show_live(self) -> None:
        """Have the recording served to browsers by a process of its own, and say where."""
        from gradmedic.launch.live_process import start_live_server

        journal = self.recorder.journal
        with self.contained("show this run live"):
            if journal is not None:
                for line in start_live_server(str(journal.folder), self.settings.lang).splitlines():
                    tell(self.stream, f"gradmedic: {line}")

    def arm(self) -> None:
        """Put the probe in place."""
        with self.contained("watch this run"), self.shadows.ours():
            from gradmedic.prediction.run_expectations import RunExpectations
            from gradmedic.probe.observed_run import ObservedRun

            self.run = ObservedRun(self.recorder, self.settings, RunExpectations(), self, self.treated())
            self.run.open()

    @contextmanager
    def treated(self) -> Iterator[None]:
        """Give the remedies that were prescribed; those that cannot be given are told, and the others still are."""
        with ExitStack() as given:
            if self.prescription is not None:
                with self.contained("treat this run"):
                    given.enter_context(self.prescribed(self.prescription))
            yield
            with self.contained("end the treatment"):
                given.close()

    def prescribed(self, prescription: Prescription) -> AbstractContextManager[None]:
        """The treatment, whose beginning is noted."""
        from gradmedic.treatment.patient import Patient
        from gradmedic.treatment.remedies import treated

        for item in prescription.items:
            self.recorder.event(Event("remedy", 0, {"remedy": item.remedy, "dose": dict(item.dose)}))
        self.patient = Patient(tell=self.refused)
        return treated(prescription, self.patient)

    def refused(self, remedy: str, reason: str) -> None:
        """Note that a remedy could not be given, or not any longer."""
        self.recorder.event(Event("refused", 0, {"remedy": remedy, "reason": reason}))
        tell(self.stream, f"gradmedic could not give {remedy}: {reason}")
        if self.settings.trial and not self.is_closed:
            raise StopRun(0)

    def before_pass(self, frame: FrameType) -> None:
        """Nothing is due before a pass."""

    def captured(self) -> None:
        """Look at what was recorded; called by the probe on the training thread."""
        for tap in (self.feed, self.stop_condition, self.status_line):
            if tap is not None:
                with self.contained("look at the run"), self.shadows.ours():
                    tap.look()

    def after(self, step: int, lost: int, stepped: Any = None) -> None:
        """End the run after so many steps, and in a trial once the loss has not been finite for a while.

        Weights that are moved without an optimizer are seen to have moved when the next pass begins.
        """
        if step >= (self.settings.steps or inf) or (self.settings.trial and lost >= LOST):
            raise StopRun(0)

    def abandon(self) -> None:
        """Leave a forked child alone, remedies included."""
        with self.contained("leave a child process"):
            super().abandon()
            if self.patient is not None:
                self.patient.leave()

    def finish(self, ending: str, status: int) -> int:
        """Judge what was seen and hand the report over; the exit code that the process should have."""
        found = 0
        with self.contained("write the report"), self.shadows.ours():
            told = {"ending": ending, "exit_code": status, "ended": time()}
            if self.run is not None:
                self.run.close(self.shows_forecast(), **told)
            else:
                self.recorder.close(**told)
            found = self.deliver() if self.is_asked() else 0
        return status or found

    def shows_forecast(self) -> bool:
        """Whether what theory expected is wanted whatever the diagnosis: in a file, or in a recording."""
        kept = self.recorder.journal is not None and not self.settings.trial
        return kept or bool(self.is_asked() and self.settings.outputs)

    def is_asked(self) -> bool:
        """Whether anybody wants this rank's judgment."""
        settings = self.settings
        asked = settings.outputs or settings.fail_on or settings.log_to or settings.json
        return self.has_screen or (self.rank == 0 and bool(asked))

    def deliver(self) -> int:
        """Judge; write the outputs, print the screen; 3 if `fail_on` says so."""
        from gradmedic.diagnosis.judge import judge

        report = judge(self.recorder.recording(), self.settings)
        if self.run is not None and not self.shows_forecast() and (report.findings or report.failing):
            self.run.foresee()  # it may take a second, which a healthy run is spared
            report = judge(self.recorder.recording(), self.settings)
        if self.feed is not None:
            with self.contained("send the report to the trackers"):
                self.feed.close(report)
        with self.contained("write the outputs"):
            delivery.write(report, self.settings)
        if self.has_screen:
            if not self.abrupt:
                flush(sys.stdout)  # the script's last lines come before our screen
            with self.contained("print the report"):
                delivery.show(report, self.settings, self.stream)
        if self.settings.json:
            with self.contained("print the report as JSON"):
                flush(self.stream)
                say(sys.stdout, report.to_json().rstrip())
        return delivery.exit_code(report, self.settings)

    @contextmanager
    def contained(self, task: str) -> Iterator[None]:
        """Our own failures end here, in one line on stderr and in the recording."""
        try:
            yield
        except Exception as error:
            let_through(error)
            told = f"{type(error).__name__}: {error}"
            self.recorder.event(Event("failure", 0, {"part": task, "error": told}))
            tell(self.stream, f"gradmedic could not {task} ({told})")


def recorder_for(settings: Settings, number: int, run: dict[str, Any]) -> Recorder:
    """A recorder that keeps a journal where the user asked for one."""
    if settings.live and settings.record is None:
        settings = replace(settings, record=AUTO)
    if settings.record is None:
        return Recorder(run)
    from gradmedic.recording.run_folders import new_folder
    from gradmedic.recording.writer import RecordingWriter

    if settings.record == AUTO and run["ranks"] > 1:
        raise LaunchError("--record auto is for one process: name one folder for all of them with --record DIR")
    try:
        place = str(new_folder(run["script"], run["began"])) if settings.record == AUTO else absolute(settings.record)
        os.makedirs(place, exist_ok=True)
        return Recorder(run, RecordingWriter(place, number))
    except OSError as error:
        raise LaunchError(f"cannot record into {settings.record}: {error.strerror or error}") from None


def facts(settings: Settings, script: str, argv: list[str]) -> dict[str, Any]:
    """What run.json says about the run before it has begun."""
    return {
        "gradmedic": __version__,
        "python": python_version(),
        "script": script,
        "argv": argv,
        "folder": folder(),
        "host": socket.gethostname(),
        "ranks": ranks(),
        "began": time(),
        "settings": asdict(settings),
    }
