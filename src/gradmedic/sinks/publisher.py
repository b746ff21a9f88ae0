"""Hands what is recorded to the sinks in the background: a tracker that is slow or fails costs the run nothing."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from gradmedic.base.background import Background
from gradmedic.base.locale import say
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.report import Report
from gradmedic.recording.records import Capture, Recording, Vital
from gradmedic.render.tracked_numbers import tracked_numbers
from gradmedic.sinks import AUTO, STEP, Sink, all_sinks

EVERY = 1.0
"""Seconds from one sending to the next."""
WAITING = 256
"""Captures that may wait; of a tracker that is slower the oldest are left out."""
PATIENCE = 10.0
"""Seconds that the end of a run waits for its trackers."""

Send = Callable[[Sink], None]


class Publisher:
    """Sends to the sinks of these names, or to whatever the script opens. `tell` says once what has failed."""

    def __init__(self, names: Sequence[str], tell: Callable[[str], None]) -> None:
        self._wanted = {name: kind for name, kind in all_sinks().items() if name in names or AUTO in names}
        self._named = {name for name in names if name != AUTO}
        self._tell = tell
        self._sinks: dict[str, Sink] = {}
        self._waiting: deque[Send] = deque(maxlen=WAITING)
        self._captures = 0
        self._next_search = 1
        self._pid = os.getpid()
        self._background = Background(self._send, EVERY)

    def capture(self, recording: Recording, capture: Capture, vital: Vital | None) -> None:
        """Queue the numbers of a capture; called on the training thread, where the script's runs are looked for."""
        self._captures += 1
        if self._wanted and self._captures >= self._next_search:
            self._next_search = 2 * self._captures
            self._search()
        if self._sinks and os.getpid() == self._pid:
            self._waiting.append(lambda sink: _numbers(sink, recording, capture, vital))
            self._background.start()

    def findings(self, found: Iterable[Finding], step: int) -> None:
        """Queue findings that have become certain."""
        for finding in found:
            if finding.severity > Severity.NOTE:
                text = "\n\n".join([say(finding.message, "en"), say(finding.why, "en")])
                severe = finding.severity is Severity.CRITICAL
                self._waiting.append(
                    lambda sink, rule=finding.rule, text=text, severe=severe: sink.finding(step, rule, text, severe)  # type: ignore[misc]
                )

    def close(self, report: Report) -> None:
        """Send what is left and the report; a name that was asked for and found nothing is told."""
        self._search()
        if not self._background.stop(PATIENCE):
            self._tell("the trackers do not answer: what had not been sent is left out")
            return
        self._send()
        with TemporaryDirectory() as folder:
            path = Path(folder, "gradmedic-report.html")
            if self._sinks:
                path.write_text(report.to_html(), encoding="utf-8")
            self._to_all(lambda sink: sink.report(path))
        self._to_all(lambda sink: sink.close())
        for name in sorted(self._named - self._sinks.keys()):
            if name in self._wanted:
                self._tell(f"--log-to {name}: the script has opened no run there, so nothing was sent")

    def _search(self) -> None:
        for name, kind in list(self._wanted.items()):
            try:
                sink = kind.opened() if name in self._named else kind.found()
            except Exception as error:
                self._give_up(name, error)
                continue
            if sink is not None:
                self._sinks[name] = sink
                self._wanted.pop(name)

    def _send(self) -> bool:
        while self._waiting:
            with suppress(IndexError):  # left out meanwhile
                self._to_all(self._waiting.popleft())
        return True

    def _to_all(self, send: Send) -> None:
        for name, sink in list(self._sinks.items()):
            try:
                send(sink)
            except Exception as error:
                self._sinks.pop(name, None)
                self._give_up(name, error)

    def _give_up(self, name: str, error: Exception) -> None:
        self._wanted.pop(name, None)
        self._named.discard(name)
        self._tell(f"--log-to {name}: nothing more is sent ({type(error).__name__}: {error})")


def _numbers(sink: Sink, recording: Recording, capture: Capture, vital: Vital | None) -> None:
    sink.numbers(capture.step, {STEP: float(capture.step), **tracked_numbers(recording, capture, vital)})
