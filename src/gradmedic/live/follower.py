"""Follow a recording: judge it anew whenever it has grown, and keep the page of the last look."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Condition, Lock

from markupsafe import Markup

from gradmedic.base.errors import RecordingError
from gradmedic.base.settings import Settings
from gradmedic.diagnosis.certainty import Certainty
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.judge import judge_recorded
from gradmedic.diagnosis.report import Report
from gradmedic.recording.reader import load
from gradmedic.recording.run_folders import facts_of
from gradmedic.render.page.bilingual import text
from gradmedic.render.report.page.report_page import report_page

OFTEN = 0.1
"""Seconds between two looks at whether the recording has grown."""

IDLE = 15.0
"""Seconds after which nobody looks any more: then nothing is judged or drawn."""

SHARE = 0.5
"""The share of one core that judging and drawing may take."""

Stamp = tuple[tuple[str, int, int], ...]


class RecordingFollower:
    """The page of a recording, as of its last change. `is_alive` tells whether the run's process is still there."""

    def __init__(self, folder: Path, settings: Settings, is_alive: Callable[[], bool] = lambda: True) -> None:
        self.folder = folder
        self.settings = settings
        self.version = 0
        self.ended = False
        self.page = ""
        self.final: Report | None = None
        """The diagnosis of the whole run, once it has ended."""
        self._is_alive = is_alive
        self._certainty = Certainty()
        self._stamp: Stamp = ()
        self._changed = Condition()
        self._looking = Lock()
        self._asked = -IDLE

    def ask(self) -> str:
        """The page for someone who looks, as of now: from here on it is kept up to date for a while."""
        idle = time.monotonic() - self._asked > IDLE
        self._asked = time.monotonic()
        if idle and not self.ended:
            self.look()
        return self.page

    def follow(self) -> None:
        """Look at the recording again and again until the run has ended."""
        while not self.ended:
            began = time.thread_time()
            if time.monotonic() - self._asked < IDLE or self._is_over():
                self.look()
            time.sleep(max(OFTEN, (time.thread_time() - began) / SHARE))

    def look(self) -> None:
        """Draw the page anew if the recording has grown, or the run has ended."""
        with self._looking:
            over, stamp = self._is_over(), _stamp(self.folder)
            if over or stamp != self._stamp:
                self._draw(stamp, over)

    def _is_over(self) -> bool:
        return not self._is_alive() or "ended" in facts_of(self.folder)

    def _draw(self, stamp: Stamp, over: bool) -> None:
        try:
            report = judge_recorded(load(self.folder), self.settings)
            page = self._drawn(report, over)
            self.final = report if over else None
        except RecordingError:  # it has not begun, or was caught while it was written
            if not over:
                return
            page = self.page
        with self._changed:
            self._stamp, self.page, self.ended = stamp, page, over
            self.version += 1
            self._changed.notify_all()

    def wait(self, version: int, seconds: float) -> int:
        """Wait until there is another version than this one; the version that there is then."""
        with self._changed:
            self._changed.wait_for(lambda: self.version != version, seconds)
            return self.version

    def _drawn(self, report: Report, over: bool) -> str:
        if over:
            return report_page(report, self.settings.lang, live=True)
        step = report.recording.last_step
        certain = self._certainty.certain(report.findings, step)
        waiting = [one for one in report.findings if one not in certain and one.severity > Severity.NOTE]
        shown = replace(report, findings=tuple(certain))
        return report_page(shown, self.settings.lang, _news(step, waiting), live=True)


def _news(step: int, waiting: list[Finding]) -> Markup:
    """What is said on top while the run goes on."""
    rules = ", ".join(finding.rule for finding in waiting)
    if rules:
        return text(
            lambda _: _("The run goes on: step {step}. Not certain yet: {rules}.").format(step=step, rules=rules)
        )
    return text(lambda _: _("The run goes on: step {step}.").format(step=step))


def _stamp(folder: Path) -> Stamp:
    """What changes with every writing: names, sizes and times of the files."""
    found = []
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                stat = os.stat(os.path.join(place, name))
            except OSError:
                continue
            found.append((name, stat.st_size, stat.st_mtime_ns))
    return tuple(sorted(found))
