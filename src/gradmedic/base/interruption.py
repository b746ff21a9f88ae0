"""Tell exceptions that are the script's from those that are ours, where both land in our code.

Python runs signal handlers between any two instructions of the main thread, so that what a handler
raises (a time limit, a notice of preemption) may come out of a function of ours. It is the script's.
"""

import signal
import sys
from collections.abc import Iterator
from functools import partial
from types import CodeType, FrameType, MethodType
from typing import Any

from gradmedic.base import PACKAGE

RAISED_BY_US = sys.stdlib_module_names | {"gradmedic", "torch"}
"""Where exceptions come from that our own lines raise; builtin ones are among them."""


def let_through(error: BaseException) -> None:
    """Raise an exception again that the script has sent into our code; first thing wherever one is caught."""
    if is_interruption(error):
        raise error


def is_interruption(error: BaseException) -> bool:
    """True if a signal handler of the script's has raised it, or another thread has sent it here."""
    entry, frame, codes = error.__traceback__, None, frozenset(_handlers())
    while entry is not None:
        frame, entry = entry.tb_frame, entry.tb_next
        if not frame.f_code.co_filename.startswith(PACKAGE) and (frame.f_code in codes or _handles_signal(frame)):
            return True
    return frame is not None and frame.f_code.co_filename.startswith(PACKAGE) and _is_foreign(error)


def _handles_signal(frame: FrameType) -> bool:
    """True for a function that was given the frame that it interrupts: Python gives that to signal handlers alone."""
    interrupted = frame.f_back
    held = frame.f_locals.values() if interrupted is not None else ()
    return any(one is interrupted for value in held for one in (value if type(value) is tuple else (value,)))


def _is_foreign(error: BaseException) -> bool:
    """True for a class that nothing which our lines call could raise: one of the script's or of its libraries."""
    return type(error).__module__.partition(".")[0] not in RAISED_BY_US


def _handlers() -> Iterator[CodeType]:
    """The code of every signal handler that is in place; one may have forgotten the frame that it was given."""
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        while isinstance(handler, partial | MethodType):
            handler = handler.func if isinstance(handler, partial) else handler.__func__
        method = vars(type(handler)).get("__call__")
        code = getattr(handler, "__code__", None) or getattr(method, "__code__", None)
        if code is not None and not code.co_filename.startswith(PACKAGE):
            yield code
