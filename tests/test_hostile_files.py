"""A recording that somebody else has made, or a folder that holds something else, does no harm."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gradmedic.base.atomic_write import write_all
from gradmedic.base.errors import LaunchError, RecordingError, RemedyError, SettingsError
from gradmedic.base.settings import load
from gradmedic.cli.options import check_folders
from gradmedic.recording import reader
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Vital
from gradmedic.recording.site import Kind, Place, Site
from gradmedic.recording.writer import RecordingWriter
from gradmedic.treatment.prescription import Prescription
from gradmedic.verbs.diagnose import diagnose
from gradmedic.verbs.watch import watch


def recorded(folder: Path, file: str = "train.py") -> Path:
    recorder = Recorder({}, RecordingWriter(folder))
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
        RecordingWriter(tmp_path)
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
    with pytest.raises(RecordingError, match=column):
        reader.load(tmp_path)


@pytest.mark.parametrize("text", ["tool = 5", "[[tool.gradmedic]]", "[tool]\ngradmedic = 5"])
def test_a_table_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(SettingsError, match="must be a table"):
        load({}, tmp_path, {})


@pytest.mark.parametrize(
    "value",
    ["1" + "0" * 400, "1" + "0" * 5000, "[" * 5000, "0x" + "f" * 5000, "1979-05-27", "'x'", "nan", "-1"],
    ids=["400 digits", "5000 digits", "deep", "hexadecimal", "date", "text", "nan", "below"],
)
def test_a_value_that_no_number_holds_is_told_with_its_file(tmp_path: Path, value: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.gradmedic]\nbudget = {value}")
    with pytest.raises(SettingsError, match=r"pyproject\.toml"):
        load({}, tmp_path, {})
    file = tmp_path / "p.toml"
    file.write_text(f'[[remedy]]\nname = "clip-grad-norm"\nmax_norm = {value}')
    with pytest.raises((SettingsError, RemedyError), match=r"p\.toml"):
        Prescription.load(file).code()


@pytest.mark.parametrize("text", ["", "{", "5", "[]", "null", "[" * 100_000])
def test_settings_that_are_handed_on_and_no_table_are_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="GRADMEDIC_SETTINGS"):
        load({}, tmp_path, {"GRADMEDIC_SETTINGS": text})


@pytest.mark.parametrize("key", ["budget", "outputs", "quiet", "lang", "rules"])
def test_null_is_no_value_of_what_must_be_there(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError, match=key):
        load({}, tmp_path, {"GRADMEDIC_SETTINGS": json.dumps({key: None})})


@pytest.mark.parametrize(
    ("key", "value"), [("versions", "5"), ("effect", '"x"'), ("seeds", "1.5"), ("unit", "3"), ("steps", "true")]
)
def test_evidence_of_another_type_is_told_by_its_key(key: str, value: str) -> None:
    lines = {"effect": "1.0", "low": "0.5", "high": "1.5", key: value}
    text = "[evidence]\n" + "".join(f"{name} = {one}\n" for name, one in lines.items())
    with pytest.raises(SettingsError, match=rf"prescription, \[evidence\]: {key} must be"):
        Prescription.from_toml(text)


@pytest.mark.parametrize(
    "given", [{"budget": "x"}, {"every": 0}, {"ignore": 5}, {"ignore": "dead-relu"}, {"lang": "xx"}, {"record": ""}]
)
def test_watch_refuses_what_it_cannot_take(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=rf"gm\.watch: {next(iter(given))} must be"):
        watch(**given)


@pytest.mark.parametrize(("key", "value"), [("settings", 5), ("tallies", {"steps": "x"}), ("lines", []), ("script", 3)])
def test_a_fact_of_a_run_of_another_type_is_told_by_its_key(tmp_path: Path, key: str, value: object) -> None:
    recorded(tmp_path)
    file = tmp_path / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    with pytest.raises(RecordingError, match=rf"run\.json: {key}"):
        reader.load(tmp_path)


def test_an_output_that_cannot_be_written_leaves_the_others_alone_and_is_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "b.md", tmp_path / "none" / "a.md"
    with pytest.raises(LaunchError, match=r"none/a\.md \(No such file"):
        write_all([(str(bad), "a"), (str(good), "b")])
    assert good.read_text() == "b"
    assert os.listdir(tmp_path) == ["b.md"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_device_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    link = tmp_path / "full.md"
    link.symlink_to("/dev/full")
    with pytest.raises(LaunchError, match="No space left"):
        write_all([(str(link), "text")])
    assert Path("/dev/full").is_char_device()
    assert link.is_symlink()


def test_an_output_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no folder"):
        check_folders(str(tmp_path / "none" / "report.md"))
    check_folders(str(tmp_path / "report.md"), "report.md", None)


@pytest.mark.parametrize(("kind", "key"), [("tallies", "steps"), ("non-finite", "operand_min")])
def test_a_number_of_an_event_that_is_none_is_told(tmp_path: Path, kind: str, key: str) -> None:
    rank = recorded(tmp_path)
    row = {"index": 10**6, "kind": kind, "slot": 0, "step": 3, "data": {key: "x"}}
    with (rank / "events.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    with pytest.raises(
        RecordingError, match=f"events.jsonl, line .*: data of {kind}: {key} must be a number; it is 'x'"
    ):
        reader.load(tmp_path)
