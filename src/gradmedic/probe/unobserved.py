"""Operations of our own inside a run, of which the script's modes and torch's profiler do not hear."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from gradmedic.probe.torch_internals import (
    PROFILER,
    dispatch_depth,
    function_depth,
    profiled,
    record_operations,
    without_functions,
    without_modes,
)

_OPEN = nullcontext()
_INSIDE = ContextVar("gradmedic.unobserved", default=False)


def unobserved() -> AbstractContextManager[None]:
    """A block for operations of our own; nothing but a question where no mode is on and no profiler runs."""
    recorded = PROFILER.there and profiled()
    if not (recorded or dispatch_depth() or function_depth()) or _INSIDE.get():
        return _OPEN
    return _silence(recorded)


@contextmanager
def _silence(recorded: bool) -> Iterator[None]:
    token = _INSIDE.set(True)
    if recorded:
        record_operations(False)
    try:
        with without_functions(), without_modes():
            yield
    finally:
        if recorded:
            record_operations(True)
        _INSIDE.reset(token)
