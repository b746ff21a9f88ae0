"""A run under observation in this process: from the moment torch is loaded to the last word on the exit code."""

import os
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from gradmedic.base.background import in_forked_children
from gradmedic.base.interruption import let_through
from gradmedic.base.surroundings import rank
from gradmedic.launch.import_hook import after_import
from gradmedic.launch.shadows import Shadows
from gradmedic.recording.recorder import Recorder

if TYPE_CHECKING:
    from gradmedic.probe.observed_run import ObservedRun


class Session(ABC):
    """Observes this process from `open` to `close`, and only the process that it was opened in."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.stream = sys.stderr  # the script may put another one in its place
        self.shadows = Shadows()
        self.rank = rank()
        self.run: ObservedRun | None = None
        """There is none before torch is loaded."""
        self.abrupt = False
        self._pid = os.getpid()
        self.is_closed = False

    def open(self) -> None:
        """Be there when the script imports torch, and be gone in the processes that it forks."""
        after_import("torch", self.arm)
        in_forked_children(self.abandon)

    @abstractmethod
    def arm(self) -> None:
        """Begin to observe."""

    @abstractmethod
    def finish(self, ending: str, status: int) -> int:
        """Observe no more, and hand over what was seen; the exit code that the process should have."""

    def abandon(self) -> None:
        """Leave a forked child alone: it is a data loader's worker, or its own affair."""
        self.is_closed = True
        if self.run is not None:
            self.run.probe.close()

    def close(self, ending: str, status: int) -> int:
        """Finish, once."""
        if self.is_closed or os.getpid() != self._pid:
            return status
        self.is_closed = True
        return self.finish(ending, status)

    def leave(self, status: int) -> int:
        """The last word before an exit that runs nothing more of the script's, nor writes what it still holds."""
        self.abrupt = True
        return self.close("finished", status)


def flush(stream: Any) -> None:
    """Flush a stream that the script may have closed, or taken away, or piped into `head`."""
    try:
        stream.flush()
    except (AttributeError, OSError, ValueError) as error:
        let_through(error)
