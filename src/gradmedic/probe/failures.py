"""Our own failures: warned of once, recorded, and never the script's concern."""

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from gradmedic.base.interruption import let_through
from gradmedic.base.warn import warn_of
from gradmedic.probe.unobserved import unobserved
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Event

P = ParamSpec("P")
R = TypeVar("R")

OFTEN = 3
"""Failures of one part after which it is no longer tried."""


class Clock(Protocol):
    """Knows the step that the run is at."""

    step: int


class Failures:
    """Called with every exception that was caught on our side of the fence."""

    def __init__(self, recorder: Recorder, clock: Clock) -> None:
        self._recorder = recorder
        self._clock = clock
        self._counts: dict[str, int] = {}

    def __call__(self, part: str, error: BaseException) -> None:
        """Warn and record the first failure of a part; count the others."""
        count = self._counts[part] = self._counts.get(part, 0) + 1
        if count > 1:
            return
        try:
            self._recorder.event(Event("failure", self._clock.step, {"part": part, "error": repr(error)}))
        except Exception as second:  # it may be the recorder that fails
            let_through(second)
        warn_of(f"gradmedic could not read {part}: {error!r}. Training goes on; the report will lack it.")

    def often(self, *parts: str) -> bool:
        """True if parts have failed so often that trying again only costs time."""
        return sum(self._counts.get(part, 0) for part in parts) > OFTEN


def fenced(part: str) -> Callable[[Callable[Concatenate[Any, P], R]], Callable[Concatenate[Any, P], R | None]]:
    """Decorate a method that the script's thread runs: what it raises goes to its object's `failed`."""

    def decorate(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R | None]:
        def within(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R | None:
            try:
                with unobserved():
                    return method(self, *args, **kwargs)
            except Exception as error:
                let_through(error)
                self.failed(part, error)
                return None

        functools.update_wrapper(within, method)
        return within

    return decorate
