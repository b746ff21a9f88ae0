"""Operations of our own inside a run, of which the script's modes, torch's profiler and its compiler do not hear."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from gradmedic.probe.torch_internals import (
    PROFILER,
    dispatch_depth,
    function_depth,
    profiled,
    record_operations,
    swap_compiler,
    without_functions,
    without_modes,
)

_OPEN = nullcontext()
_INSIDE = ContextVar("gradmedic.unobserved", default=False)


def unobserved() -> AbstractContextManager[None]:
    """A block for operations of our own; nothing but a question where no mode is on, and neither of these runs."""
    if _INSIDE.get():
        return _OPEN
    recorded, compiler = PROFILER.there and profiled(), swap_compiler(None)
    if compiler is not None or recorded or dispatch_depth() or function_depth():
        return _silence(recorded, compiler)
    return _OPEN


@contextmanager
def _silence(recorded: bool, compiler: Any) -> Iterator[None]:
    token = _INSIDE.set(True)
    if recorded:
        record_operations(False)
    try:
        with without_functions(), without_modes():
            yield
    finally:
        if recorded:
            record_operations(True)
        swap_compiler(compiler)
        _INSIDE.reset(token)
