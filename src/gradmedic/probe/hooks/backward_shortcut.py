"""What an ordinary step runs of gradmedic's: one function in place of `Tensor.backward`, and a counter in C.

Between two steps of a small network the processor's caches are full of torch; every function of
ours that runs there has to be fetched again and costs ten times what it costs in a loop. So there
is none beside the one that torch would have run itself, and that one looks at nothing but the loss.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial, wraps
from itertools import repeat
from types import FrameType, FunctionType, SimpleNamespace, TracebackType
from typing import Any, Protocol
from weakref import ref

from torch import Tensor, autograd
from torch.optim import Optimizer
from torch.overrides import has_torch_function_unary

from gradmedic.base.interruption import let_through
from gradmedic.probe.torch_internals import STEP_CODE, STEP_COUNTER, dispatch_depth, profiled

METHOD = Tensor.backward.__code__
"""What a script calls, which calls `torch.autograd.backward`."""

FAR = 1 << 40
"""Steps that a countdown can count, more than are ever made."""


class Lane(Protocol):
    """Where ordinary passes are noted, as long as all of them are."""

    losses: list[float]
    """Those of passes of which nothing else has to be known."""
    room: int
    """Losses that may stand there; at the next pass the lane itself looks around."""
    limit: float
    """The size from which a loss is strange."""
    steps: Iterator[int]
    """Counts down the steps that have been made."""

    @property
    def failed(self) -> Callable[[str, BaseException], None]:
        """Whom to tell of a failure."""

    def notes(self, loss: Tensor, frame: FrameType) -> bool:
        """Look around, and note the pass that begins; False if it is to be heard of by others."""

    def stepped(self, optimizer: Optimizer) -> bool | None:
        """Take note of a step, as long as steps are not counted; False if others have to hear of it."""


def countdown(made: int) -> Iterator[int]:
    """Counts optimizer steps, after so many have been `made`, in a form that C can advance and read."""
    return repeat(0, FAR - made)


def made(left: int) -> int:
    """How many steps have been made where a countdown shows so many left."""
    return FAR - left


class Counting:
    """Has the steps of an optimizer counted, without a line of Python, until it is removed."""

    def __init__(self, optimizer: Optimizer, steps: Iterator[int]) -> None:
        self._optimizer = ref(optimizer)
        self._advance = vars(optimizer)[STEP_CODE] = partial(next, steps, None)

    @staticmethod
    def can(optimizer: Optimizer) -> bool:
        """True where torch calls a function that does nothing, and nobody else has put one in its place."""
        idle = vars(Optimizer).get(STEP_CODE) if STEP_COUNTER.there else None
        return idle is not None and getattr(type(optimizer), STEP_CODE) is idle and STEP_CODE not in vars(optimizer)

    def remove(self) -> None:
        """Let torch's own function be called again."""
        optimizer = self._optimizer()
        if optimizer is not None and vars(optimizer).get(STEP_CODE) is self._advance:
            del vars(optimizer)[STEP_CODE]


def place(frame: FrameType) -> int:
    """Where in its code a frame is: the code object's own address and the instruction that runs, which lies in it."""
    return id(frame.f_code) + frame.f_lasti


def shortcut(lane: Lane, method: Any, ours: Any, backward: Callable[..., None]) -> Callable[..., None]:
    """A `Tensor.backward` that notes ordinary passes in a lane and calls `backward`; others are torch's `method`'s.

    So are all while somebody else has put a function in place of `ours`, which torch's method would call.
    """
    losses, getframe = lane.losses, sys._getframe

    @wraps(method)
    def shortened(
        self: Tensor, gradient: Any = None, retain_graph: Any = None, create_graph: Any = False, inputs: Any = None
    ) -> None:
        ordinary = False
        try:
            seen = dispatch_depth() or profiled() or autograd.backward is not ours
            if seen or type(self) is not Tensor or has_torch_function_unary(self):
                pass
            elif len(losses) < lane.room:
                loss, limit = self.item(), lane.limit
                if -limit < loss < limit:  # NaN is on neither side
                    losses.append(loss)
                    ordinary = True
            else:
                ordinary = lane.notes(self, getframe(1))
        except Exception as error:
            let_through(error)
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
