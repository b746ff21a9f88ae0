"""Which line of the user's code made a node of the graph, without touching any call.

Autograd asks `torch.fx.traceback.format_stack` where it is whenever it makes a node while its
anomaly mode is on, and keeps the answer in the node's metadata. While lines are noted, a function
of ours answers: it looks at the frames and nothing else. No call is handed on, so that a wrapper
around a function of torch runs once, warnings point where they always do, and no frame of ours
stands in a traceback. The script itself sees the mode as it has left it.
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import CodeType
from typing import Any

import torch
from torch.fx import traceback
from torch.nn import functional

from gradmedic.probe.failures import fenced
from gradmedic.probe.hooks.sequence_intervals import OURS, Failed, SourceLine, Span, user_frame
from gradmedic.probe.torch_internals import GRAPH_TASK, LINE_KEY, LINES, current_number, current_task, set_anomaly

PATIENCE = 20_000
"""Nodes without a backward pass after which lines are no longer noted: at about 1.5 us each this
is the most that a script which builds graphs without end has to pay."""


class CreationTraceback(list[str]):
    """What autograd would print of the place where a node was made, with the `line` that we read."""

    def __init__(self, line: SourceLine, code: CodeType) -> None:
        super().__init__([f'  File "{line.file}", line {line.line}, in {code.co_name}\n'])
        self.line = line
        self.code = code
        """Kept, so that its address stays its own."""


class Lines:
    """Has autograd note lines from `start` to `stop`, unless the script uses anomaly mode itself."""

    def __init__(self, failed: Failed) -> None:
        self.failed = failed
        self.count = 0
        self.spans: list[Span] = []
        """Nodes that a backward pass has made, for one of a higher order, by their numbers."""
        self._backwards: list[int] = []
        self._known: dict[tuple[int, str], CreationTraceback] = {}
        self._put_back: list[tuple[Any, str, Any, Any]] = []
        self._check_nan = True
        self._format: Callable[[], list[str]] = traceback.format_stack

    def start(self) -> None:
        """Note lines from now on; harmless where that is so already."""
        if not LINES.there or self._put_back or torch.is_anomaly_enabled():
            return
        self.count = 0
        self._check_nan = bool(torch.is_anomaly_check_nan_enabled())
        self._format = traceback.format_stack
        self._replace(traceback, "format_stack", self._answer)
        self._replace(torch, "is_anomaly_enabled", lambda: False)
        self._replace(torch, "is_anomaly_check_nan_enabled", lambda: self._check_nan)
        self._replace(torch, "set_anomaly_enabled", self._yielding(torch.set_anomaly_enabled))
        self._listen()

    def stop(self) -> None:
        """Note nothing any more, and leave anomaly mode as it was."""
        if self._put_back:
            set_anomaly(False, self._check_nan)
        for owner, name, original, ours in reversed(self._put_back):
            if getattr(owner, name) is ours:
                setattr(owner, name, original)
        self._put_back.clear()
        self._known.clear()

    def clear(self) -> None:
        """Forget what was noted; what autograd has kept goes with its nodes."""
        self.spans.clear()
        self.count = 0

    @fenced("lines")
    def pause(self) -> None:
        """A backward pass begins: anomaly mode would tell of an error in it."""
        if GRAPH_TASK.there and current_task() < 0:
            self._backwards.clear()  # `resume` may have been cut off
        self._backwards.append(current_number())
        if self._put_back:
            set_anomaly(False, self._check_nan)

    @fenced("lines")
    def resume(self) -> None:
        """A backward pass is over: the nodes that it has made are of the line that has asked for it."""
        if not self._backwards:
            return
        start, stop = self._backwards.pop(), current_number()
        self._listen()
        user = user_frame(sys._getframe(1)) if stop > start and self._put_back else None
        if user is not None:
            self.spans.append(Span(start, stop, 0, SourceLine("", user.f_code.co_filename, user.f_lineno)))

    def at_rest(self) -> "_AtRest":
        """A block in which a backward pass runs."""
        return _AtRest(self)

    def _listen(self) -> None:
        if self._put_back and not self._backwards:
            set_anomaly(True, False)

    def _replace(self, owner: Any, name: str, ours: Any) -> None:
        self._put_back.append((owner, name, getattr(owner, name), ours))
        setattr(owner, name, ours)

    def _yielding(self, original: Callable[..., None]) -> Callable[..., None]:
        def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
            self.stop()
            original(mode, check_nan)

        return set_anomaly_enabled

    def _answer(self) -> list[str]:
        if traceback.has_preserved_node_meta() or not self._put_back:
            return self._format()
        return self._origin() or []

    @fenced("lines")
    def _origin(self) -> CreationTraceback | None:
        """The innermost frame that is neither torch's nor ours, and the outermost function of torch within."""
        frame, function = sys._getframe(2).f_back, ""
        while frame is not None and frame.f_code.co_filename.startswith(OURS):
            if frame.f_code.co_filename == functional.__file__:
                function = frame.f_code.co_name
            frame = frame.f_back
        if frame is None:
            return None
        self.count += 1
        if self.count > PATIENCE:
            self.stop()
        key = (id(frame.f_code) + frame.f_lasti, function)
        known = self._known.get(key)
        if known is None:
            line = SourceLine(function, frame.f_code.co_filename, frame.f_lineno)
            known = self._known[key] = CreationTraceback(line, frame.f_code)
        return known


class _AtRest(AbstractContextManager[None]):
    """Of one frame, unlike `contextlib.contextmanager`: the next one out is the script's."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def __enter__(self) -> None:
        self._lines.pause()

    def __exit__(self, *_: object) -> None:
        self._lines.resume()


def line_of(node: Any) -> SourceLine | None:
    """The line that made a node, if it was noted."""
    origin = node.metadata.get(LINE_KEY) if LINES.there else None
    return origin.line if isinstance(origin, CreationTraceback) else None
