"""Notice that a trial has written into the user's folder, or would have, where nothing else prevents it."""

import os
import re

from gradmedic.base.errors import LaunchError
from gradmedic.trials.isolation import Isolation
from gradmedic.trials.isolation.changes import changed, listed, marks
from gradmedic.trials.trial import Outcome, RunEnd, Script

REFUSED = re.compile(r"[Pp]ermission denied|PermissionError|readonly database|unable to open|cannot be opened")
WAY_OUT = "--in-place lets every trial write there"


class FolderWatch:
    """Looks at the folders of a script before its trials and after each."""

    def __init__(self, script: Script, isolation: Isolation) -> None:
        self.isolation = isolation
        self.folder = os.path.abspath(script.folder)
        home = self.folder if script.as_module else os.path.dirname(os.path.join(self.folder, script.target))
        self.folders = sorted({self.folder, os.path.realpath(home)})
        self.before = {} if isolation.is_sure else marks(self.folders)
        self.is_first = True

    def check(self, outcome: Outcome) -> None:
        """Raise `LaunchError` if a trial has written there, or if the first one could not run without that."""
        if not self.isolation.is_sure:
            self._compare()
        elif self.is_first and self.isolation.locks and outcome.ended is RunEnd.CRASHED:
            self._refused(outcome.error)
        self.is_first = False

    def _compare(self) -> None:
        paths = changed(self.before, marks(self.folders))
        if paths:
            number = "the first trial" if self.is_first else "a trial"
            raise LaunchError(
                f"while {number} ran, {listed(paths, self.folder)} changed in {self.folder}, which cannot be kept "
                f"from trials on this machine: nothing more is run. {WAY_OUT}"
            )

    def _refused(self, error: str) -> None:
        """A script that works in a copy may have crashed for reasons of its own."""
        if self.isolation is Isolation.LOCKED_COPY and not REFUSED.search(error):
            return
        allowed = "a copy of it" if self.isolation is Isolation.LOCKED_COPY else "temporary folders"
        raise LaunchError(
            f"the script ended with {error or 'an error'}: trials may not write into {self.folder} on this machine, "
            f"only into {allowed}. {WAY_OUT}"
        )
