"""One run under observation: from the moment torch is loaded to the report."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from platform import python_version
from time import time
from typing import TYPE_CHECKING, Any

from gradmedic import __version__
from gradmedic.base.background import in_forked_children
from gradmedic.base.errors import LaunchError
from gradmedic.base.interruption import let_through
from gradmedic.base.settings import Settings
from gradmedic.base.surroundings import absolute, folder, rank, ranks, tell
from gradmedic.launch.import_hook import after_import
from gradmedic.launch.seeds import shift_seeds
from gradmedic.launch.shadows import Shadows
from gradmedic.launch.stopping import StatusLine, StepLimit, StopCondition, StopRun
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Event
from gradmedic.render import deliver as delivery
from gradmedic.treatment.prescription import Prescription

if TYPE_CHECKING:
    from gradmedic.probe import Probe
    from gradmedic.treatment.patient import Patient


class Session:
    """Watches this process from `open` to `close`; what fails in here never reaches the script."""

    def __init__(self, settings: Settings, script: str, argv: list[str]) -> None:
        # The script may change directory and put another stream in the place of stderr.
        outputs = tuple(absolute(output) for output in settings.outputs)
        prescribed = absolute(settings.prescription) if settings.prescription else None
        self.settings = replace(settings, outputs=outputs, prescription=prescribed)
        self.prescription = Prescription.load(settings.prescription) if settings.prescription else None
        self.treatment = ExitStack()
        self.patient: Patient | None = None
        self.stream = sys.stderr
        self.pid = os.getpid()
        self.rank = rank()
        self.recorder = recorder_for(settings, self.rank, facts(settings, script, argv))
        self.shadows = Shadows()
        self.abrupt = False
        self.probe: Probe | None = None
        self.closed = False
        self.taps: list[Callable[[], None]] = []
        if settings.stop_on is not None:
            self.taps.append(StopCondition(settings, self.recorder).look)
        if self.has_screen and self.stream.isatty():
            self.taps.append(StatusLine(self.stream, self.recorder).tick)

    @property
    def has_screen(self) -> bool:
        """Of several ranks only the first one speaks, and only where there is a stderr."""
        return self.rank == 0 and not self.settings.quiet and self.stream is not None

    def open(self) -> None:
        """Be there when the script imports torch, and be gone in the processes that it forks."""
        if self.settings.seed_shift is not None:
            shift_seeds(self.settings.seed_shift)
        after_import("torch", self.arm)
        in_forked_children(self.abandon)

    def arm(self) -> None:
        """Put the probe in place."""
        with self.contained("watch this run"), self.shadows.ours():
            from gradmedic.prediction.run_expectations import RunExpectations
            from gradmedic.probe import Probe

            self.treat()  # before the probe sits down: it is to see what the remedies have made of the run
            probe = Probe(self.recorder, self.settings, RunExpectations())
            probe.on_capture = self.captured
            limited = self.settings.steps is not None or self.settings.trial
            probe.install(StepLimit(probe, self.settings) if limited else None)
            self.probe = probe

    def treat(self) -> None:
        """Give the remedies that were prescribed; those that cannot be given are told, and the others still are."""
        if self.prescription is None:
            return
        with self.contained("treat this run"):
            from gradmedic.treatment.patient import Patient
            from gradmedic.treatment.remedies import treated

            for item in self.prescription.items:
                self.recorder.event(Event("remedy", 0, {"remedy": item.remedy, "dose": dict(item.dose)}))
            self.patient = Patient(tell=self.refused)
            self.treatment.enter_context(treated(self.prescription, self.patient))

    def refused(self, remedy: str, reason: str) -> None:
        """Note that a remedy could not be given, or not any longer."""
        self.recorder.event(Event("refused", 0, {"remedy": remedy, "reason": reason}))
        tell(self.stream, f"gradmedic could not give {remedy}: {reason}")
        if self.settings.trial and not self.closed:
            raise StopRun(0)

    def captured(self) -> None:
        """Look at what was recorded; called by the probe on the training thread."""
        for tap in self.taps:
            with self.contained("look at the run"), self.shadows.ours():
                tap()

    def abandon(self) -> None:
        """Leave a forked child alone: it is a data loader's worker, or its own affair."""
        self.closed = True
        with self.contained("leave a child process"):
            if self.probe is not None:
                self.probe.close()
            if self.patient is not None:
                self.patient.leave()

    def close(self, ending: str, status: int) -> int:
        """Judge what was seen and hand the report over; the exit code that the process should have."""
        if self.closed or os.getpid() != self.pid:
            return status
        self.closed = True
        found = 0
        with self.contained("write the report"), self.shadows.ours():
            if self.probe is not None:
                self.probe.close()
                if self.is_asked() or (self.settings.record and not self.settings.trial):
                    self.probe.foresee()
            with self.contained("end the treatment"):
                self.treatment.close()
            self.recorder.close(ending=ending, exit_code=status, ended=time())
            found = self.deliver() if self.is_asked() else 0
        return status or found

    def leave(self, status: int) -> int:
        """The last word before an exit that runs nothing more of the script's, nor writes what it still holds."""
        self.abrupt = True
        return self.close("finished", status)

    def is_asked(self) -> bool:
        """Whether anybody wants this rank's judgment."""
        return self.has_screen or (self.rank == 0 and bool(self.settings.outputs or self.settings.fail_on))

    def deliver(self) -> int:
        """Judge; write the outputs, print the screen; 3 if `fail_on` says so."""
        from gradmedic.diagnosis.judge import judge

        report = judge(self.recorder.recording(), self.settings)
        with self.contained("write the outputs"):
            delivery.write(report, self.settings)
        if self.has_screen:
            if not self.abrupt:
                flush(sys.stdout)  # the script's last lines come before our screen
            with self.contained("print the report"):
                delivery.show(report, self.settings, self.stream)
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
    if settings.record is None:
        return Recorder(run)
    from gradmedic.recording.writer import RecordingWriter

    place = absolute(settings.record)
    try:
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


def flush(stream: Any) -> None:
    """Flush a stream that the script may have closed, or taken away, or piped into `head`."""
    try:
        stream.flush()
    except (AttributeError, OSError, ValueError) as error:
        let_through(error)
        return
