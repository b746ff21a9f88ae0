"""Compiled models run as they are written while somebody looks at their operations."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from gradmedic.patient.wraps import wrapped


@contextmanager
def eagerly() -> Iterator[None]:
    """Have compiled functions run eagerly inside of the block; costs nothing where nothing is compiled."""
    forced = [False]

    def force() -> None:
        forced[0] = True
        torch.compiler.set_stance("force_eager")

    def compiling(original: Callable[..., Any]) -> Callable[..., Any]:
        def compile(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            force()
            return result

        return compile

    if "torch._dynamo" in sys.modules:
        force()
    try:
        with wrapped(torch, "compile", compiling):
            yield
    finally:
        if forced[0]:
            torch.compiler.set_stance("default")
