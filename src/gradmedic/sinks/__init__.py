"""Sinks: each carries the numbers of a run into a tracker while training goes on.

A sink is a class in a file of its own; those of others announce theirs under the entry point group
`gradmedic.sinks`. The tracker's package is imported by the script, or inside of the sink, never before.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from gradmedic.base.errors import SettingsError
from gradmedic.base.plugins import discover
from gradmedic.render.tracked_numbers import PREFIX

AUTO = "auto"
"""What `--log-to` is for every tracker that the script itself has opened."""
STEP = f"{PREFIX}step"
"""The number that ours stand over: the tracker's own step belongs to the script."""


class Sink(ABC):
    """Writes into one run of one tracker. What fails in here is told once, and nothing more is sent."""

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def found(cls) -> Self | None:
        """A sink for what the script has opened, or None so far; asked on the training thread, imports nothing."""

    @classmethod
    def opened(cls) -> Self | None:
        """A sink where it was asked for by name; None while the script has to open something first."""
        return cls.found()

    @abstractmethod
    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Send finite numbers of one step, `STEP` among them; called in the background."""

    @abstractmethod
    def finding(self, step: int, title: str, text: str, severe: bool) -> None:
        """Send what has become certain: in the background while training goes on, or at its end."""

    @abstractmethod
    def report(self, path: Path) -> None:
        """Keep the report with the run: called once, at the end, before `path` is deleted."""

    def close(self) -> None:
        """Let go of what the sink itself has opened."""
        return


def all_sinks() -> Mapping[str, type[Sink]]:
    """Every sink, ours and those of installed plug-ins, by name."""
    return discover(Sink, __name__, "gradmedic.sinks")


def check_sinks(names: tuple[str, ...]) -> None:
    """Complain about a name that no sink has."""
    known = (AUTO, *all_sinks()) if names else ()
    for name in names:
        if name not in known:
            raise SettingsError(f"--log-to {name}: it is one of {', '.join(known)}")
