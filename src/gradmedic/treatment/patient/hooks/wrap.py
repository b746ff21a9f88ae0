"""Functions of torch that are wrapped for a while, and put back exactly."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def wrapped(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Put `make(original)` in the place of an attribute; what others wrap around it meanwhile keeps working."""
    raw = vars(owner).get(name)  # a class keeps its static and class methods in another form than it gives them out
    original = getattr(owner, name)
    on = True
    inner = make(original)

    @functools.wraps(original)
    def ours(*args: Any, **kwargs: Any) -> Any:
        return (inner if on else original)(*args, **kwargs)

    setattr(owner, name, ours)
    try:
        yield
    finally:
        on = False
        if vars(owner).get(name) is ours:
            if raw is None:
                delattr(owner, name)
            else:
                setattr(owner, name, raw)
