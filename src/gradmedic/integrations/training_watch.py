"""A watch that a trainer's callback begins and ends, and whose failures never reach the trainer."""

import atexit
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec
from weakref import WeakSet

from torch import nn

from gradmedic.base.interruption import let_through
from gradmedic.base.settings import Settings
from gradmedic.base.warn import warn_of
from gradmedic.diagnosis.report import Report
from gradmedic.launch.stopping import StopCondition, StopRun
from gradmedic.probe.run_listener import Nobody
from gradmedic.recording.recorder import Recorder
from gradmedic.render import deliver as delivery
from gradmedic.render.tracked_numbers import tracked_numbers
from gradmedic.verbs.call_settings import settings_of
from gradmedic.verbs.watch import Watch, watches_now

P = ParamSpec("P")

_ours: WeakSet[Watch] = WeakSet()
"""Watches that callbacks have begun: one that a failed training has left open makes room for the next."""


class _Tap(Nobody):
    """Notes that there is something new, and whether the run is to be stopped."""

    def __init__(self, settings: Settings, recorder: Recorder) -> None:
        self._recorder = recorder
        self._condition = StopCondition(settings, recorder) if settings.stop_on is not None else None
        self._news = self.stops = False

    def captured(self, *_: object) -> None:
        """A backward pass that was read whole has been recorded."""
        self._news = True
        try:
            if self._condition is not None:
                self._condition.look()
        except StopRun:  # the trainer ends, not the process
            self.stops = True

    def numbers(self) -> Mapping[str, float]:
        """The numbers of the newest capture, once."""
        news, self._news = self._news, False
        latest = self._recorder.latest() if news else None
        return tracked_numbers(*latest) if latest else {}


def _contained(
    method: Callable[Concatenate["TrainingWatch", P], None],
) -> Callable[Concatenate["TrainingWatch", P], None]:
    """Decorate a method that the trainer's thread runs: what it raises becomes a warning."""

    @functools.wraps(method)
    def within(self: "TrainingWatch", /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            let_through(error)
            warn_of(f"gradmedic failed ({type(error).__name__}: {error}). Training goes on.")

    return within


class TrainingWatch:
    """Watches from `begin` to `end`, then prints the report to stderr and writes the `outputs`.

    Options are those of `gm.watch`. Where a watch is open already, around the trainer, that one goes on alone.
    """

    def __init__(
        self, stop_on: str | None = None, outputs: Sequence[str] = (), quiet: bool = False, **options: Any
    ) -> None:
        told = {"stop_on": stop_on, "outputs": tuple(outputs) or None, "quiet": quiet or None, **options}
        self._settings = settings_of("GradmedicCallback", **told)
        self._watch: Watch | None = None
        self._tap: _Tap | None = None
        self._speaks = self._alone = True
        self.report: Report | None = None
        """The diagnosis of the last training, once that has ended."""

    @_contained
    def begin(self, model: nn.Module | None, speaks: bool = True, ranks: int = 1) -> None:
        """Watch from now on. Of several ranks one `speaks`, and none stops by itself: the others would wait for it."""
        self.end()
        around = watches_now()
        if around is not None and around not in _ours:
            return
        if ranks > 1 and self._settings.stop_on is not None:
            warn_of("gradmedic does not stop a run of several ranks: stop_on is left out")
        self._speaks, self._alone = speaks, ranks == 1
        self._watch = Watch(self._settings, model, None, self._listen)
        _ours.add(self._watch)
        self._watch.__enter__()
        atexit.register(self.end)  # a trainer that raises tells its callbacks nothing

    def _listen(self, recorder: Recorder) -> _Tap:
        self._tap = _Tap(self._settings, recorder)
        return self._tap

    @property
    def stops(self) -> bool:
        """Whether something as severe as `stop_on` is certain."""
        return self._tap is not None and self._tap.stops and self._alone

    @_contained
    def tell(self, log: Callable[[Mapping[str, float]], object]) -> None:
        """Hand the numbers of a new capture to the trainer's logger."""
        if self._tap is not None and (numbers := self._tap.numbers()):
            log(numbers)

    @_contained
    def end(self) -> None:
        """Watch no more, and hand over the report; harmless where nothing is watched."""
        watch, self._watch, self._tap = self._watch, None, None
        atexit.unregister(self.end)
        if watch is None:
            return
        watch.close()
        self.report = watch.report
        if self._speaks:
            delivery.write(self.report, self._settings)
            if not self._settings.quiet and sys.stderr is not None:
                delivery.show(self.report, self._settings, sys.stderr)
