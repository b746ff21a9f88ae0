"""Recordings below a folder are listed with what is said of them."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from gradmedic.base.errors import RecordingError
from gradmedic.diagnosis.recorded_run import RecordedRun
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Event, Stream, Vital
from gradmedic.recording.writer import MARK, RecordingWriter
from gradmedic.render.runs import as_json, show
from gradmedic.verbs.runs import runs


def record(place: Path, began: float, losses: list[float]) -> None:
    recorder = Recorder({"began": began, "script": "train.py"}, RecordingWriter(place))
    recorder.stream(Stream(0))
    for step, loss in enumerate(losses):
        recorder.vital(Vital(step, 0, float(step), loss))
    if losses[-1] == float("inf"):
        recorder.event(Event("non-finite", 3, {"phase": "forward", "op": "log", "name": "log", "operand_min": -1.0}))
    recorder.close(ended=began + 1)


def screen(found: list[RecordedRun], lang: str = "en") -> str:
    console = Console(file=StringIO(), width=100)
    show(found, lang, console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_newest_comes_first_with_its_verdict(tmp_path: Path) -> None:
    record(tmp_path / "old", 1e9, [2.3] * 40)
    record(tmp_path / "new", 2e9, [float("inf")] * 40)
    new, old = runs(tmp_path)
    assert [Path(run.folder).name for run in (new, old)] == ["new", "old"]
    assert (old.verdict, old.losses, old.script) == ("unclear", (2.3, 2.3), "train.py")
    assert new.rules == ("non-finite",)
    assert "SICK  non-finite" in screen([new])
    assert str(tmp_path / "new") in screen([new]).replace("\n", "")
    assert json.loads(as_json([new, old]))["runs"][0]["rules"] == ["non-finite"]


def test_one_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad" / "rank-00000").mkdir(parents=True)
    (tmp_path / "bad" / "rank-00000" / MARK).touch()
    (tmp_path / "bad" / "run.json").write_text('{"schema": 99, "script": 5, "began": "x"}')
    (found,) = runs(tmp_path)
    assert (found.verdict, found.script, found.began) == (None, None, None)
    assert "newer gradmedic" in str(found.error)
    assert "无法读取" in screen([found], "zh")


def test_nothing_to_list_is_said_with_what_to_do(tmp_path: Path) -> None:
    assert runs(tmp_path) == []
    assert "--record auto" in screen([])
    with pytest.raises(RecordingError, match="is no folder"):
        runs(tmp_path / "missing")
