"""The step that is being read, and the one before it, which may still be stepped on."""

from collections.abc import Iterable

from torch import nn

from gradmedic.probe.people import People
from gradmedic.probe.window import Draft, Window
from gradmedic.recorder import Recorder


class Windows:
    """At most one window is `open`; the one that is `leaving` is handed in with the next pass.

    Until then another optimizer may step on the same gradients.
    """

    def __init__(self, recorder: Recorder, people: People) -> None:
        self.open: Window | None = None
        self.leaving: Window | None = None
        self._recorder = recorder
        self._people = people

    def begin(self, step: int) -> None:
        """Open the window of a step."""
        self.open = Window(step)

    def is_new(self, stream: int) -> bool:
        """True if the step is to be read and this stream of it has not been."""
        return self.open is not None and stream not in self.open.streams

    def add(self, draft: Draft) -> None:
        """Keep a draft; a pass may have been read for what it is, outside of any window."""
        self.open = self.open or Window(draft.step)
        self.open.add(draft)

    def receiving(self, looking: bool) -> Window | None:
        """The window that a step of an optimizer now belongs to."""
        if self.open is not None and (self.open.drafts or looking):
            return self.open
        return self.leaving

    def close(self, called: Iterable[nn.Module]) -> None:
        """Let the open window go; `called` are the modules that took part in its step."""
        self.leaving, self.open = self.open, None
        if self.leaving is not None:
            self.leaving.called = list(called)

    def hand_in(self) -> int:
        """Record the window that is leaving; the number of captures."""
        window, self.leaving = self.leaving, None
        if window is None or not window.drafts:
            return 0
        window.hand_in(self._people, self._recorder)
        return len(window.drafts)
