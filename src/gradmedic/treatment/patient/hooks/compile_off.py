"""Compiled models run as they are written while somebody looks at their operations."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from gradmedic.treatment.patient.hooks.wrap import wrapped


@contextmanager
def eagerly() -> Iterator[None]:
    """Have compiled functions run eagerly inside of the block; costs nothing where nothing is compiled."""
    undo: list[Callable[[], None]] = []

    def force() -> None:
        if not undo:
            torch.compiler.set_stance("force_eager")
            undo.append(lambda: torch.compiler.set_stance("default"))
            undo.append(_hush())

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
        for act in undo:
            act()


def _hush() -> Callable[[], None]:
    """Keep torch from warning the script of hooks that are ours; what is returned lets it again."""
    warnings.filterwarnings("ignore", message="Using `torch.compile", category=UserWarning)
    ours = warnings.filters[0]

    def speak() -> None:
        if ours in warnings.filters:
            warnings.filters.remove(ours)  # type: ignore[attr-defined]

    return speak
