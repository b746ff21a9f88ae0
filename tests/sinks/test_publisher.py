"""What reaches a sink, and that a sink which fails or hangs costs the run nothing."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import pytest
from support.sketches import SKETCHES

from gradmedic.base.errors import SettingsError
from gradmedic.recording.records import Vital
from gradmedic.render.tracked_numbers import GROUPS
from gradmedic.sinks import STEP, Sink, all_sinks, check_sinks
from gradmedic.sinks import publisher as publishing
from gradmedic.sinks.publisher import Publisher

REPORT = SKETCHES["vanishing"]
RECORDING = REPORT.recording


class Memory(Sink):
    """Keeps what it is sent."""

    name: ClassVar[str] = "memory"
    made: ClassVar[list["Memory"]] = []

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.told: list[tuple[str, bool]] = []
        self.pages: list[str] = []
        self.made.append(self)

    @classmethod
    def found(cls) -> Self | None:
        return cls()

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        self.rows.append(dict(values))

    def finding(self, step: int, title: str, text: str, severe: bool) -> None:
        self.told.append((title, severe))

    def report(self, path: Path) -> None:
        self.pages.append(path.read_text(encoding="utf-8"))


class Broken(Memory):
    """Fails at every number."""

    name = "broken"

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        raise ConnectionError("no network")


class Slow(Memory):
    """Takes its time."""

    name = "slow"

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        time.sleep(0.5)


class Absent(Memory):
    """What the script never opens."""

    name = "absent"

    @classmethod
    def found(cls) -> Self | None:
        return None


KINDS = {kind.name: kind for kind in (Memory, Broken, Slow, Absent)}


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "all_sinks", lambda: KINDS)
    monkeypatch.setattr(Memory, "made", [])


def published(*names: str) -> tuple[list[str], float]:
    """What was complained of, and the seconds that the training thread was held up."""
    told: list[str] = []
    publisher = Publisher(names, told.append)
    began = time.perf_counter()
    for _ in range(20):
        publisher.capture(RECORDING, RECORDING.captures[0], Vital(0, 0, 0.0, 2.5, 0.125))
    held = time.perf_counter() - began
    publisher.findings(REPORT.findings, 3)
    publisher.close(REPORT)
    return told, held


def test_numbers_findings_and_the_report_arrive() -> None:
    assert published("memory")[0] == []
    (sink,) = Memory.made
    assert len(sink.rows) == 20
    assert (sink.rows[0]["gradmedic/loss"], sink.rows[0]["gradmedic/gradient_norm"]) == (2.5, 0.125)
    assert sink.rows[0][STEP] == RECORDING.captures[0].step
    assert 0 < sink.rows[0]["gradmedic/gradient/net.0"] < 1e-17
    assert sum(name.startswith("gradmedic/gradient/") for name in sink.rows[0]) == GROUPS
    assert sink.told == [("vanishing-gradient", True)]
    assert "vanishing-gradient" in sink.pages[0]


def test_what_fails_is_told_once_and_the_others_go_on() -> None:
    told, _ = published("memory", "broken")
    assert told == ["--log-to broken: nothing more is sent (ConnectionError: no network)"]
    assert len(Memory.made[0].rows) == 20


def test_a_slow_tracker_does_not_hold_up_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "PATIENCE", 0.2)
    told, held = published("slow")
    assert held < 5
    assert told == ["the trackers do not answer: what had not been sent is left out"]


def test_a_name_that_finds_nothing_is_told_and_auto_is_silent() -> None:
    assert published("absent")[0] == ["--log-to absent: the script has opened no run there, so nothing was sent"]


def test_auto_takes_what_there_is_and_says_nothing_of_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "all_sinks", lambda: {kind.name: kind for kind in (Memory, Absent)})
    assert published("auto")[0] == []
    assert len(Memory.made) == 1


def test_a_name_that_no_sink_has_is_refused() -> None:
    assert [*all_sinks()] == ["mlflow", "tensorboard", "trackio", "wandb"]
    with pytest.raises(SettingsError, match="--log-to neptune: it is one of auto, mlflow, tensorboard, trackio, wandb"):
        check_sinks(("neptune",))
