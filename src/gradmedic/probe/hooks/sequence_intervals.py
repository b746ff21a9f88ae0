"""Which module made a node of the graph.

Autograd numbers the nodes of a thread one after another. A module call therefore owns the interval
of numbers that were given out while it ran, and the innermost interval around a node's number is
its owner: no operation has to be wrapped.
"""

import os
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules import module as hooks
from torch.utils.hooks import RemovableHandle

from gradmedic.base import PACKAGE
from gradmedic.probe.failures import fenced
from gradmedic.probe.torch_internals import current_number

OURS = (os.path.dirname(torch.__file__) + os.sep, PACKAGE)

Failed = Callable[[str, BaseException], None]
"""Who is told of a part of ours that failed."""


class Span(NamedTuple):
    """The half-open interval of sequence numbers that one call owns."""

    start: int
    stop: int
    depth: int
    owner: Any


class SourceLine(NamedTuple):
    """A line of the user's code, and the function of `torch.nn.functional` that it was in, if any."""

    function: str
    file: str
    line: int


class Owners:
    """Finds the innermost span around a number."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = sorted((s for s in spans if s.stop > s.start), key=lambda s: (s.start, s.depth))
        self._starts = [span.start for span in self._spans]
        self._outer = self._reaching_further()

    def of(self, number: int) -> Any | None:
        """The owner of a number, or None where no span covers it."""
        i = bisect_right(self._starts, number) - 1
        # Spans nest, so going outward from here the first one that reaches the number is the innermost.
        while i >= 0 and self._spans[i].stop <= number:
            i = self._outer[i]
        return self._spans[i].owner if i >= 0 else None

    def _reaching_further(self) -> list[int]:
        """For each span the last one before it that ends later, or -1: a thousand siblings are one step."""
        outer: list[int] = []
        for i, span in enumerate(self._spans):
            before = i - 1
            while before >= 0 and self._spans[before].stop <= span.stop:
                before = outer[before]
            outer.append(before)
        return outer


@dataclass
class ModuleIntervals:
    """Notes the interval of every module call that runs for the gradient."""

    failed: Failed
    spans: list[Span] = field(default_factory=list)
    called: dict[int, nn.Module] = field(default_factory=dict)
    _stack: list[tuple[nn.Module, int]] = field(default_factory=list)
    _handles: list[RemovableHandle] = field(default_factory=list)
    _thread: int = 0

    def start(self) -> None:
        """Put hooks on all module calls; harmless where they are there already."""
        if not self._handles:
            self._handles = [
                hooks.register_module_forward_pre_hook(self._enter),
                hooks.register_module_forward_hook(self._leave, always_call=True),
            ]
            self._thread = threading.get_ident()

    def stop(self) -> None:
        """Take the hooks away; what was noted stays."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._stack.clear()

    def clear(self) -> None:
        """Forget what was noted."""
        self.spans.clear()
        self.called.clear()

    @fenced("modules")
    def _enter(self, module: nn.Module, _args: object) -> None:
        if torch.is_grad_enabled() and threading.get_ident() == self._thread:
            self._stack.append((module, current_number()))

    @fenced("modules")
    def _leave(self, module: nn.Module, _args: object, _output: object) -> None:
        while self._stack and threading.get_ident() == self._thread:
            top, start = self._stack.pop()
            if top is module:
                self.spans.append(Span(start, current_number(), len(self._stack), module))
                self.called[id(module)] = module
                return


def user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame from here outward that is neither torch's nor ours."""
    while frame is not None and frame.f_code.co_filename.startswith(OURS):
        frame = frame.f_back
    return frame
