"""Watch a training loop from inside Python: a script, a function, a notebook cell."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from time import time
from types import TracebackType
from typing import Any, Self
from warnings import warn

from torch import nn
from torch.optim import Optimizer

from gradmedic import __version__
from gradmedic.base.errors import GradmedicWarning
from gradmedic.base.settings import Settings
from gradmedic.diagnosis.report import Report
from gradmedic.prediction.run_expectations import RunExpectations
from gradmedic.probe.observed_run import ObservedRun
from gradmedic.probe.run_listener import NOBODY, Nobody
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.writer import RecordingWriter
from gradmedic.sinks import check_sinks
from gradmedic.verbs.call_settings import Thresholds, settings_of

_watching: list["Watch"] = []
"""The one watch of this process: a cell that is run again replaces what it has left behind."""


class Watch:
    """What `gm.watch` yields. `report` may be asked for at any time, also while training runs."""

    def __init__(self, settings: Settings, model: nn.Module | None, optimizer: Optimizer | None) -> None:
        facts = {"gradmedic": __version__, "script": None, "began": time(), "settings": asdict(settings)}
        journal = RecordingWriter(settings.record) if settings.record is not None else None
        recorder = Recorder(facts, journal)
        self._feed = _Feed(settings, recorder) if settings.log_to else None
        self._run = ObservedRun(recorder, settings, RunExpectations(), self._feed or NOBODY)
        self._given = model, optimizer
        self._entered = 0

    def __enter__(self) -> Self:
        self._entered += 1
        if self not in _watching:
            while _watching:
                _watching[-1].close()
            _watching.append(self)
            self._run.open(*self._given)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._entered -= 1
        if self._entered <= 0:
            self.close()

    def close(self) -> None:
        """Stop watching; what was seen stays, and goes on where this watch is entered again."""
        self._entered = 0
        if self in _watching:
            _watching.remove(self)
            self._run.close(ended=time())
            if self._feed is not None:
                self._feed.close(self.report)

    @property
    def report(self) -> Report:
        """The diagnosis of all that has been seen so far."""
        return self._run.report()

    def __str__(self) -> str:
        return str(self.report)

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


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
    """Watch every training step inside of a `with` block.

    Model and optimizer need not be given: they are found in the first backward pass. Given, they
    name things as in `model.named_parameters()`. `budget` is the share of the run's time that
    watching may take (0.02); `every` reads every n-th step whole instead; `record` is a folder to keep
    the recording in. `log_to` names trackers (tensorboard, wandb, mlflow, trackio, or auto for those that are
    open) that get numbers, findings and the report. `rules` are thresholds, as {"dead-relu": {"share": 0.5}};
    rules to `ignore` are left out. What is not given is read from pyproject.toml, as for `gradmedic run`.

    The report is there while the loop runs and after it. A watch that is entered again goes on. One watches at
    a time: entering another one ends the first.

    >>> import gradmedic as gm
    >>> with gm.watch() as w:  # doctest: +SKIP
    ...     train(model)
    >>> print(w.report)  # doctest: +SKIP
    """
    folder = None if record is None else os.fspath(record)
    names = (log_to,) if isinstance(log_to, str) else log_to
    told: dict[str, Any] = {"budget": budget, "every": every, "record": folder, "log_to": names}
    settings = settings_of("gm.watch", **told, ignore=ignore, rules=rules, lang=lang)
    return Watch(settings, model, optimizer)
