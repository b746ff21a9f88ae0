"""Who is told how a run goes, and may end it."""

from types import FrameType
from typing import Any, Protocol


class Listener(Protocol):
    """Told on the training thread. `StopRun`, raised here, ends the run; any other failure is recorded."""

    def before_pass(self, frame: FrameType) -> None:
        """A backward pass is about to run that this frame has asked for."""

    def captured(self) -> None:
        """A backward pass that was read whole has been recorded."""

    def after(self, step: int, lost: int, stepped: Any = None) -> None:
        """A backward pass has run, or an optimizer has `stepped`.

        So many steps are over, and so many losses have gone by since the last one that was finite.
        """


class Nobody:
    """Listens to nothing."""

    def _nothing(self, *_: object) -> None:
        return

    before_pass = captured = after = _nothing


NOBODY: Listener = Nobody()
