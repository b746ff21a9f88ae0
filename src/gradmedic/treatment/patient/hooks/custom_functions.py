"""Calls of functions whose gradient is written by the user: `torch.autograd.Function.apply`."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.autograd import Function

from gradmedic.probe.graph.node_table import operation

Handle = Callable[[str, Any, tuple[Any, ...], dict[str, Any]], Any]
"""Makes the call: its operation, the function, and the arguments."""


@contextmanager
def custom_calls(handle: Handle) -> Iterator[None]:
    """Have `handle` make the calls inside of the block; torch's modes do not see them."""
    raw: Any = vars(Function)["apply"]

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        function = functools.partial(raw.__func__, cls)
        return handle(operation(f"{cls.__name__}Backward").op, function, args, kwargs)

    Function.apply = classmethod(functools.wraps(raw.__func__)(apply))  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Function.apply = raw  # type: ignore[method-assign]


def definition(function: Any) -> tuple[str, int] | None:
    """Where such a function is written: its file and line."""
    cls = function.args[0] if isinstance(function, functools.partial) and function.args else None
    code = getattr(getattr(cls, "forward", None), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else None
