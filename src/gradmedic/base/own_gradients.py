"""Sums of our own in a script's process: whatever watches the script does not hear of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_UNHEARD = ContextVar("gradmedic.base.own_gradients", default=False)


@contextmanager
def unheard() -> Iterator[None]:
    """Gradients that are computed in here are none of the script's."""
    token = _UNHEARD.set(True)
    try:
        yield
    finally:
        _UNHEARD.reset(token)


def is_unheard() -> bool:
    """True in the middle of sums of our own."""
    return _UNHEARD.get()
