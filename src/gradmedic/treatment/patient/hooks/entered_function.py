"""Which function of torch was entered, where a script has put a wrapper around it.

A function of torch tells the modes that are on what stands under its own name: its Python part by
`handle_torch_function`, a method in C++ by looking itself up in `Tensor`. Where a script or a
library has wrapped that name, it is the wrapper, which runs already: whoever hands the call on to
it runs it twice.
"""

import gc
import sys
from collections.abc import Iterator
from functools import reduce
from types import CodeType, FrameType, FunctionType
from typing import Any

from torch import Tensor
from torch.overrides import handle_torch_function

ASKS = handle_torch_function.__code__
REACH = 4
"""Frames from the one that asks to the one of the public function: `unique` is the farthest."""

_known: dict[tuple[int, CodeType | None], tuple[Any, Any]] = {}


def entered(func: Any, asking: FrameType) -> Any:
    """The function of torch that a call is in; `func` is what torch has found under its name, `asking` who asks."""
    if type(func).__module__ == "builtins" and not isinstance(func, FunctionType):
        return func  # of C++
    frame = asking.f_back if asking.f_code is ASKS else None
    code = None if frame is None else frame.f_code
    if code is not None and getattr(func, "__code__", None) is code:
        return func
    key = (id(func), code)
    if key not in _known:
        _known[key] = (func, next(_public(func, frame) if frame is not None else _methods(func), func))
    return _known[key][1]


def _methods(func: Any) -> Iterator[Any]:
    """Methods in C++ under whose name `func` stands in `Tensor`."""
    base = vars(Tensor.__base__)
    return (base[name] for name, it in vars(Tensor).items() if it is func and name in base)


def _public(func: Any, frame: FrameType | None) -> Iterator[FunctionType]:
    """Functions that run in these frames and under whose name `func` stands."""
    for _ in range(REACH):
        if frame is None:
            return
        for it in gc.get_referrers(frame.f_code):
            if isinstance(it, FunctionType) and it.__code__ is frame.f_code and _stands_for(func, it):
                yield it
        frame = frame.f_back


def _stands_for(func: Any, function: FunctionType) -> bool:
    """True if `func` is what the name of a function leads to."""
    home = sys.modules.get(function.__module__)
    paths = (function.__qualname__, function.__name__)
    return any(reduce(lambda at, name: getattr(at, name, None), path.split("."), home) is func for path in paths)
