"""What an ordinary step runs of gradmedic's: one function in place of `Tensor.backward`, and counters in C.

Between two steps of a small network the processor's caches are full of torch; every function of
ours that runs there has to be fetched again and costs ten times what it costs in a loop. So there
is none beside the one that torch would have run itself.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial, wraps
from itertools import repeat
from operator import length_hint
from time import perf_counter
from types import FrameType, FunctionType, SimpleNamespace, TracebackType
from typing import Any, Protocol

from torch import Tensor
from torch.optim import Optimizer
from torch.overrides import has_torch_function_unary

METHOD = Tensor.backward.__code__
"""What a script calls, which calls `torch.autograd.backward`."""

FAR = 1 << 40
"""Steps that a countdown can count: a multiple of every stride, and more than are ever made."""

PILE = 256
"""Passes that are handed over together."""

LOOKS = 3
"""Times that a hook looks at its countdown: once for each of its three arguments."""


class Lane(Protocol):
    """Where ordinary passes are noted, as long as all of them are."""

    calls: dict[int, tuple[int, float]]
    """The `place` of a call of backward -> its stream, and the size from which a loss is strange."""
    passes: list[tuple[int, int, float, float, Any]]
    """What the countdown shows, stream, time, loss, and the learning rate where it is asked for."""
    steps: Iterator[int]
    """Counts down the steps that have been made."""
    mask: int
    """A countdown that shows none of these bits asks for a look around."""
    rate: Callable[[], Any] | None
    """Asked at every pass for the learning rate, while that changes."""

    @property
    def failed(self) -> Callable[[str, BaseException], None]:
        """Whom to tell of a failure."""

    def stays(self) -> bool:
        """See whether anything is due; False if this pass is to be heard of by others."""

    def stepped(self, optimizer: Optimizer) -> bool | None:
        """Take note of a step, as long as steps are not counted; False if others have to hear of it."""


def countdown(made: int) -> Iterator[int]:
    """Counts optimizer steps, after so many have been `made`, in a form that C can advance and read."""
    return repeat(0, LOOKS * (FAR - made - 1))


def made(left: int) -> int:
    """How many steps have been made where a countdown shows so many left."""
    return FAR - 1 - left // LOOKS


def advancing(steps: Iterator[int]) -> Callable[..., Any]:
    """A hook for behind an optimizer's step that advances a countdown, and in which no line of Python runs."""
    return partial(min, key=partial(next, steps))


def place(frame: FrameType) -> int:
    """Where in its code a frame is: the code object's own address and the instruction that runs, which lies in it."""
    return id(frame.f_code) + frame.f_lasti


def shortcut(lane: Lane, method: Any, backward: Callable[..., None]) -> Callable[..., None]:
    """A `Tensor.backward` that notes ordinary passes in a lane and calls `backward`; others are torch's `method`'s."""
    known_at, passes, steps, getframe = lane.calls.get, lane.passes, lane.steps, sys._getframe

    @wraps(method)
    def shortened(
        self: Tensor, gradient: Any = None, retain_graph: Any = None, create_graph: Any = False, inputs: Any = None
    ) -> None:
        ordinary = False
        try:
            caller = getframe(1)
            known = known_at(id(caller.f_code) + caller.f_lasti)  # `place`, written out
            if known is not None and type(self) is Tensor and self.is_cpu and not has_torch_function_unary(self):
                left, loss = length_hint(steps), self.item()
                soon = left & lane.mask and len(passes) < PILE
                if -known[1] < loss < known[1] and (soon or lane.stays()):  # NaN is on neither side
                    passes.append((left, known[0], perf_counter(), loss, lane.rate and lane.rate()))
                    ordinary = True
        except Exception as error:
            lane.failed("backward", error)
        if not ordinary:
            method(self, gradient, retain_graph, create_graph, inputs=inputs)
            return
        try:
            backward(self, gradient, retain_graph, create_graph, inputs=inputs)
        except BaseException as error:
            error.__traceback__ = _as_in_torch(method, self, error.__traceback__)
            raise

    return shortened


def asker(frame: FrameType) -> FrameType:
    """The frame that asked for a backward pass: beyond torch's method, and beyond what stands in for it."""
    while (frame.f_code is METHOD or frame.f_globals is globals()) and frame.f_back is not None:
        frame = frame.f_back
    return frame


class _Far(Exception):  # noqa: N818
    """Raised where torch's method would begin the pass."""


def _as_in_torch(method: Any, loss: Tensor, ours: TracebackType | None) -> TracebackType | None:
    """A traceback that goes on from torch's own method, as if that had been called: its lines are what a user knows."""

    def begin(*args: object, **kwargs: object) -> None:
        raise _Far

    torch = SimpleNamespace(autograd=SimpleNamespace(backward=begin))
    try:
        FunctionType(method.__code__, {**method.__globals__, "torch": torch}, None, method.__defaults__)(loss)
    except _Far as far:
        theirs = far.__traceback__ and far.__traceback__.tb_next
        if theirs is not None and ours is not None:
            return TracebackType(ours.tb_next, theirs.tb_frame, theirs.tb_lasti, theirs.tb_lineno)
    return ours
