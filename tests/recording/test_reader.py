"""What was recorded is what is read back."""

import json
from math import inf, nan
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from support.strategies import recordings, replay

from gradmedic.base.errors import RecordingError
from gradmedic.recording import reader
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import SCHEMA, Capture, Event, Recording, Vital
from gradmedic.recording.site import Kind, Site
from gradmedic.recording.writer import RecordingWriter


def save(recording: Recording, folder: Path, rank: int = 0) -> None:
    recorder = Recorder(dict(recording.run), RecordingWriter(folder, rank))
    replay(recording, recorder)
    recorder.close()


@settings(max_examples=80, deadline=None)
@given(recordings())
def test_what_is_loaded_is_what_was_saved(recording: Recording) -> None:
    with TemporaryDirectory() as folder:
        save(recording, Path(folder))
        # Compared by what they print, because not even nan equals nan, and 0.0 equals -0.0.
        assert repr(reader.load(folder)) == repr(recording)


@settings(max_examples=20, deadline=None)
@given(recordings())
def test_memory_and_disk_hold_the_same(recording: Recording) -> None:
    with TemporaryDirectory() as folder:
        recorder = Recorder({}, RecordingWriter(folder))
        replay(recording, recorder)
        replay(recording, recorder)
        recorder.close(exit_code=0)
        assert repr(reader.load(folder)) == repr(recorder.recording())


def test_a_long_run_is_thinned_alike_in_memory_and_on_disk(tmp_path: Path) -> None:
    recorder = Recorder({}, RecordingWriter(tmp_path))
    for step in range(40_000):
        recorder.vital(Vital(step, step % 2, float(step), 1.0 / (step + 1)))
    for step in range(1_000):
        recorder.capture(Capture(step, sites={0: {"grad_rms": float(step)}}))
    recorder.close()
    loaded = reader.load(tmp_path)
    assert loaded == recorder.recording()
    assert 0 < len(loaded.vitals) < 40_000
    assert 0 < len(loaded.captures) < 1_000


def test_a_later_fact_replaces_the_earlier_one(tmp_path: Path) -> None:
    recorder = Recorder({}, RecordingWriter(tmp_path))
    for repeats in range(2_000):
        recorder.site(Site(0, "cell", Kind.RECURRENT, "lstm", repeats=repeats))
        recorder.event(Event("tallies", repeats, {"steps": repeats}))
    recorder.close()
    loaded = reader.load(tmp_path)
    assert loaded.sites[0].repeats == 1_999
    assert [event.step for event in loaded.events] == [1_999]
    assert loaded.tallies == {"steps": 1_999}


def test_a_table_does_not_grow_for_ever(tmp_path: Path) -> None:
    journal = RecordingWriter(tmp_path)
    for repeats in range(300):
        for _ in range(10):
            journal.site(Site(0, "cell", Kind.RECURRENT, "lstm", repeats=repeats))
        journal._write()
    journal.close()
    lines = (tmp_path / "rank-00000" / "sites.jsonl").read_text().splitlines()
    assert len(lines) <= 260
    assert reader.load(tmp_path).sites[0].repeats == 299


def test_torn_lines_and_torn_captures_are_left_out(tmp_path: Path) -> None:
    recorder = Recorder({}, RecordingWriter(tmp_path))
    recorder.vital(Vital(0, 0, 0.0, 1.0))
    recorder.capture(Capture(0, sites={0: {"grad_rms": 1.0}}))
    recorder.close()
    rank = tmp_path / "rank-00000"
    whole = reader.load(tmp_path)
    for file, torn in {
        "vitals-0-head": b'{"index":1,"step":1,"str',
        "readings-sites-0-head": b'{"capture":1,"step":1,"stream":0,"site":0,"grad_rms":2.0}\n{"captu',
        "captures-0-head": b'{"capture":1,"step":1,',
        "sites": b"\xff\x00{",
    }.items():
        with open(rank / f"{file}.jsonl", "ab") as segment:
            segment.write(torn)
    assert reader.load(tmp_path) == whole


def test_columns_of_later_versions_are_left_out(tmp_path: Path) -> None:
    save(Recording(sites={3: Site(3, "fc", Kind.WEIGHTS, "linear")}, vitals=[Vital(0, 0, 0.0)]), tmp_path)
    for file in (tmp_path / "rank-00000").glob("*.jsonl"):
        file.write_text("".join(f'{{"color":"red",{line[1:]}' for line in file.read_text().splitlines(keepends=True)))
    loaded = reader.load(tmp_path)
    assert loaded.sites == {3: Site(3, "fc", Kind.WEIGHTS, "linear")}
    assert loaded.vitals == [Vital(0, 0, 0.0)]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "there is no run.json"),
        ("{", "not JSON"),
        ("[]", "names no schema"),
        ('{"name": "other"}', "names no schema"),
        (json.dumps({"schema": SCHEMA + 1}), "newer gradmedic"),
        (json.dumps({"schema": SCHEMA}), "no recording of rank 0"),
    ],
)
def test_says_in_a_sentence_why_a_folder_cannot_be_read(tmp_path: Path, text: str | None, complaint: str) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(RecordingError, match=complaint):
        reader.load(tmp_path)


def test_says_which_rank_is_not_there(tmp_path: Path) -> None:
    save(Recording(), tmp_path)
    with pytest.raises(RecordingError, match="no recording of rank 7"):
        reader.load(tmp_path, rank=7)


def test_says_that_rows_are_not_ours(tmp_path: Path) -> None:
    save(Recording(), tmp_path)
    (tmp_path / "rank-00000" / "sites.jsonl").write_text('{"name":"fc"}\n')
    with pytest.raises(RecordingError, match=r"sites\.jsonl, line 1: id is missing"):
        reader.load(tmp_path)


def test_ranks_of_a_larger_run_before_are_not_read(tmp_path: Path) -> None:
    save(Recording(run={"ranks": 2}, vitals=[Vital(0, 0, 0.0, 1.0)]), tmp_path)
    save(Recording(vitals=[Vital(0, 0, 0.0, 3.0)]), tmp_path, rank=1)
    assert reader.load(tmp_path).losses(0) == [(0, 2.0)]
    assert reader.load(tmp_path, rank=1).losses(0) == [(0, 3.0)]
    save(Recording(run={"ranks": 1}, vitals=[Vital(0, 0, 0.0, 1.0)]), tmp_path)
    assert reader.load(tmp_path).losses(0) == [(0, 1.0)]


def test_pandas_reads_the_files_as_they_are(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    sites = {0: {"grad_rms": 0.5, "gain": -inf}, 1: {"grad_rms": 0.25}}
    recorder = Recorder({}, RecordingWriter(tmp_path))
    for step, loss in enumerate([1.0, inf, nan, None]):
        recorder.vital(Vital(step, 0, 0.0, loss))
        recorder.capture(Capture(step, loss=loss, sites=sites, parameters={0: {"grad": 1}}, profiles={1: [1e-30, 2.0]}))
    recorder.close()
    rank = tmp_path / "rank-00000"
    vitals = pandas.read_json(rank / "vitals-0-head.jsonl", lines=True)
    assert vitals["loss"].dtype == "float64"
    assert vitals["loss"].isna().tolist() == [False, True, True, True]
    assert vitals["nonfinite"].fillna("").tolist() == ["", "loss=inf", "loss=nan", ""]
    readings = pandas.read_json(rank / "readings-sites-0-head.jsonl", lines=True)
    assert readings.groupby("site")["grad_rms"].mean().to_dict() == {0: 0.5, 1: 0.25}
    assert readings["nonfinite"].dropna().tolist() == ["gain=-inf"] * 4
    profiles = pandas.read_json(rank / "profiles-0-head.jsonl", lines=True, precise_float=True)
    assert profiles["grad_rms"].tolist() == [1e-30, 2.0] * 4
