"""A recording that somebody else has made, or a folder that holds something else, does no harm."""

import json
import os
from pathlib import Path

import pytest

from gradmedic.base.errors import RecordingError, SettingsError
from gradmedic.base.settings import load
from gradmedic.recording import reader
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Vital
from gradmedic.recording.site import Kind, Place, Site
from gradmedic.recording.writer import Journal
from gradmedic.verbs.diagnose import diagnose


def recorded(folder: Path, file: str = "train.py") -> Path:
    recorder = Recorder({}, Journal(folder))
    recorder.site(Site(0, "fc", Kind.WEIGHTS, "linear", file=file, line=1))
    for step in range(20):
        recorder.vital(Vital(step, 0, float(step), 1.0))
    recorder.close()
    return folder / "rank-00000"


def test_a_folder_with_files_of_others_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    theirs = tmp_path / "rank-00000" / "data.jsonl"
    theirs.parent.mkdir()
    theirs.write_text("{}\n")
    (tmp_path / "run.new").write_text("theirs")
    with pytest.raises(RecordingError, match="choose another folder"):
        Journal(tmp_path)
    assert theirs.read_text() == "{}\n"
    assert (tmp_path / "run.new").read_text() == "theirs"


def test_diagnosing_quotes_lines_that_were_recorded_and_no_file(tmp_path: Path) -> None:
    from gradmedic.render.report.phrases import source_line

    script, secret = tmp_path / "train.py", tmp_path / "secret"
    script.write_text("y = fc(x)\n")
    secret.write_text("the secret\n")
    rank = recorded(tmp_path / "run", str(script))
    report = diagnose(tmp_path / "run")
    assert source_line(report, report.recording.sites[0].place) == "y = fc(x)"
    assert source_line(report, Place("fc", file=str(secret), line=1)) == ""
    sites = rank / "sites.jsonl"
    sites.write_text(sites.read_text().replace("train.py", "secret"))
    assert "the secret" not in str(diagnose(tmp_path / "run"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/etc/passwd", path)])
def test_a_pipe_or_a_link_within_a_recording_is_refused(tmp_path: Path, make: object) -> None:
    rank = recorded(tmp_path)
    (rank / "streams.jsonl").unlink(missing_ok=True)
    make(rank / "streams.jsonl")  # type: ignore[operator]
    with pytest.raises(RecordingError, match="not a plain file"):
        reader.load(tmp_path)


@pytest.mark.parametrize("value", ["text", [], {}, True, 10**400])
@pytest.mark.parametrize("column", ["step", "stream", "time", "loss"])
def test_a_value_of_another_type_is_told_in_one_sentence(tmp_path: Path, column: str, value: object) -> None:
    file = recorded(tmp_path) / "vitals-0-head.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(f"{json.dumps({**row, column: value})}\n" for row in rows))
    if (column, value) in (("step", 10**400), ("stream", 10**400)):
        return
    with pytest.raises(RecordingError, match=column):
        reader.load(tmp_path)


@pytest.mark.parametrize("text", ["tool = 5", "[[tool.gradmedic]]", "[tool]\ngradmedic = 5"])
def test_a_table_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(SettingsError, match="must be a table"):
        load({}, tmp_path, {})
