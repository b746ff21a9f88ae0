"""Runners: each knows one place where trials can be run.

A runner is made for a script and works inside of a `with` block, at whose end nothing of it is
left running. Third parties announce theirs under the entry point group `gradmedic.runners`.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import ClassVar, Self

from gradmedic.base.errors import SettingsError
from gradmedic.base.plugins import discover
from gradmedic.base.settings import nearest
from gradmedic.trials.trial import Outcome, Script, Trial


class Runner(ABC):
    """Runs trials of one script; `jobs` of them at a time, by its own judgment where that is 0."""

    name: ClassVar[str]

    def __init__(self, script: Script, jobs: int = 0, metric: str | None = None) -> None:
        self.script = script
        self.jobs = jobs
        self.metric = metric
        try:
            re.compile(metric or "", re.MULTILINE)
        except (re.error, OverflowError, RecursionError, TypeError) as error:
            raise SettingsError(f"--metric {metric!r} is not a regular expression: {error}") from None

    @abstractmethod
    def open(self) -> None:
        """Get ready."""

    @abstractmethod
    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """Run trials, each in a fresh process, and yield outcomes as they come.

        A trial is taken from `trials` only when there is room for it. Whoever stops listening
        ends the trials that are under way.
        """

    @abstractmethod
    def close(self) -> None:
        """Leave nothing running and nothing on disk."""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def all_runners() -> dict[str, type[Runner]]:
    """Every runner, by name."""
    return discover(Runner, __name__, "gradmedic.runners")


def runner_named(name: str) -> type[Runner]:
    """The runner of a name; raises `SettingsError` if there is none."""
    known = all_runners()
    if name not in known:
        raise SettingsError(f"there is no runner {name!r}{nearest(name, known)}")
    return known[name]
