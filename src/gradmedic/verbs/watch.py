"""Watch a training loop from inside Python: a script, a function, a notebook cell."""

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from time import time
from types import TracebackType
from typing import Any, Self
from warnings import warn
from weakref import ref

from torch import nn
from torch.optim import Optimizer

from gradmedic import __version__
from gradmedic.base.errors import GradmedicWarning
from gradmedic.base.interruption import let_through
from gradmedic.base.settings import Settings
from gradmedic.base.surroundings import rank, ranks, tell
from gradmedic.diagnosis.report import Report
from gradmedic.prediction.run_expectations import RunExpectations
from gradmedic.probe.hooks.first_call import FirstCall
from gradmedic.probe.observed_run import ObservedRun
from gradmedic.probe.run_listener import NOBODY, Listener, Nobody
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.writer import RecordingWriter
from gradmedic.render import deliver as delivery
from gradmedic.sinks import check_sinks
from gradmedic.verbs.call_settings import Thresholds, settings_of

_watching: list["Watch"] = []
"""The one watch of this process: a cell that is run again replaces what it has left behind."""
_waiting: list["Watch"] = []
"""The one watch that waits for the first pass of its model."""


class Watch:
    """What `gm.watch` gives. `report` may be asked for at any time, also while training runs."""

    def __init__(
        self,
        settings: Settings,
        model: nn.Module | None,
        optimizer: Optimizer | None,
        listen: Callable[[Recorder], Listener] = lambda _: NOBODY,
    ) -> None:
        facts = {"gradmedic": __version__, "script": None, "began": time(), "settings": asdict(settings)}
        journal = RecordingWriter(settings.record, rank()) if settings.record is not None else None
        recorder = Recorder({**facts, "ranks": ranks()}, journal)
        self._feed = _Feed(settings, recorder) if settings.log_to and rank() == 0 else None
        self._run = ObservedRun(recorder, settings, RunExpectations(), self._feed or listen(recorder))
        self._settings = settings
        # Not held: what the script drops is to be freed.
        self._model: Callable[[], nn.Module | None] = _nothing if model is None else ref(model)
        self._optimizer: Callable[[], Optimizer | None] = _nothing if optimizer is None else ref(optimizer)
        self._entered, self._pid = 0, os.getpid()
        self._first = FirstCall(model, self._open) if model is not None else None

    def __enter__(self) -> Self:
        self._entered += 1
        self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._entered -= 1
        if self._entered <= 0:
            self.close()

    def wait(self) -> None:
        """Begin at the first pass of the model, and end with the process at the latest."""
        if self._first is not None:
            _end_all(_waiting)
            _waiting.append(self)
            atexit.register(self._at_exit)
            self._first.wait()

    def _open(self) -> None:
        self._wait_no_longer()
        if self not in _watching:
            _end_all(_watching)
            _watching.append(self)
            self._run.open(self._model(), self._optimizer())

    def _wait_no_longer(self) -> None:
        if self._first is not None:
            self._first.cancel()
        if self in _waiting:
            _waiting.remove(self)

    def close(self) -> None:
        """Stop watching; what was seen stays, and goes on where this watch is entered again."""
        self._entered = 0
        self._wait_no_longer()
        atexit.unregister(self._at_exit)
        if self in _watching:
            _watching.remove(self)
            self._run.close(ended=time())
            if self._feed is not None:
                self._feed.close(self.report)

    def _at_exit(self) -> None:
        """Nobody can ask for the report any more: print it, in the process that has begun to watch."""
        if os.getpid() != self._pid:
            return
        waited = self in _waiting
        try:
            self.close()
            if rank() != 0:
                return
            if waited:
                tell(sys.stderr, "gradmedic: the model that was to be watched has never been called")
            elif sys.stderr is not None:
                delivery.show(self.report, self._settings, sys.stderr)
        except Exception as error:
            let_through(error)
            tell(sys.stderr, f"gradmedic could not print the report ({type(error).__name__}: {error})")

    @property
    def report(self) -> Report:
        """The diagnosis of all that has been seen so far."""
        return self._run.report()

    def __str__(self) -> str:
        return str(self.report)

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


def watches_now() -> Watch | None:
    """The watch that is open in this process, if there is one."""
    return _watching[-1] if _watching else None


def _nothing() -> None:
    """What was never given."""


def _end_all(watches: list[Watch]) -> None:
    while watches:
        watches[-1].close()


class _Feed(Nobody):
    """Sends what a watch sees to trackers."""

    def __init__(self, settings: Settings, recorder: Recorder) -> None:
        from gradmedic.sinks.feed import TrackerFeed

        check_sinks(settings.log_to)
        self._feed = TrackerFeed(settings, recorder, lambda told: warn(told, GradmedicWarning, stacklevel=4))
        self.close = self._feed.close

    def captured(self, *_: object) -> None:
        """A backward pass that was read whole has been recorded."""
        self._feed.look()


def watch(
    model: nn.Module | None = None,
    optimizer: Optimizer | None = None,
    *,
    budget: float | None = None,
    every: int | None = None,
    record: str | os.PathLike[str] | None = None,
    log_to: str | Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    rules: Thresholds | None = None,
    lang: str | None = None,
) -> Watch:
    """Watch training: all of it from the first pass of a model on, or what runs inside of a `with` block.

    `handle = gm.watch(model)` begins when that model is called for the first time and ends with `handle.close()`; a
    process that ends before prints the report to stderr. A block needs neither model nor optimizer: they are found
    in the first backward pass. Given, they name things as in `model.named_parameters()`. `budget` is the share of the
    run's time that watching may take (0.02); `every` reads every n-th step whole instead; `record` is a folder to keep
    the recording in. `log_to` names trackers (tensorboard, wandb, mlflow, trackio, or auto for those that are
    open) that get numbers, findings and the report. `rules` are thresholds, as {"dead-relu": {"share": 0.5}};
    rules to `ignore` are left out. What is not given is read from pyproject.toml, as for `gradmedic run`.

    The report is there while the loop runs and after it. A watch that is entered again goes on. One watches at
    a time, and sees all that trains in this process: beginning another one ends the first.

    >>> import gradmedic as gm
    >>> handle = gm.watch(model)  # doctest: +SKIP
    >>> with gm.watch() as w:  # doctest: +SKIP
    ...     train(model)
    >>> print(w.report)  # doctest: +SKIP
    """
    folder = None if record is None else os.fspath(record)
    names = (log_to,) if isinstance(log_to, str) else log_to
    told: dict[str, Any] = {"budget": budget, "every": every, "record": folder, "log_to": names}
    settings = settings_of("gm.watch", **told, ignore=ignore, rules=rules, lang=lang)
    watch = Watch(settings, model, optimizer)
    watch.wait()
    return watch
